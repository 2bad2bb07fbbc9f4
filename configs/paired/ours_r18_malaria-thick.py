_base_ = [
    "../_base_/models/small_object_retinanet_r18-full.py",
    "../_base_/datasets/paired_malaria_thick.py",
    "../_base_/schedules/paired.py",
    "../_base_/default_runtime.py",
]
model = dict(
    data_preprocessor=dict(mean=[180.0] * 3, std=[50.0] * 3, pad_size_divisor=32),
    backbone=dict(in_channels=3),
    bbox_head=dict(
        num_classes=5,
        anchor_generator=dict(
            object_size_range=(6.5, 49.1), scales_per_octave=2, ratios=[1.0], centres_per_cell=2
        ),
    ),
    train_cfg=dict(assigner=dict(_delete_=True, type="WassersteinAdaptiveAssigner", topk=18, min_side=4.0)),
)
