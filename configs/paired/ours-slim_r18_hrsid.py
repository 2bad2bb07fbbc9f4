_base_ = [
    "../_base_/models/small_object_retinanet_r18.py",
    "../_base_/datasets/paired_hrsid.py",
    "../_base_/schedules/paired.py",
    "../_base_/default_runtime.py",
]
