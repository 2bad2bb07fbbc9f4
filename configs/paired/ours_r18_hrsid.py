_base_ = [
    "../_base_/models/small_object_retinanet_r18-full.py",
    "../_base_/datasets/paired_hrsid.py",
    "../_base_/schedules/paired.py",
    "../_base_/default_runtime.py",
]
model = dict(
    train_cfg=dict(assigner=dict(_delete_=True, type="WassersteinAdaptiveAssigner", topk=18, min_side=4.0))
)
