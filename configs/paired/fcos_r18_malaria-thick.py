_base_ = [
    "../_base_/models/fcos_r18.py",
    "../_base_/datasets/paired_malaria_thick.py",
    "../_base_/schedules/paired.py",
    "../_base_/default_runtime.py",
]
model = dict(
    data_preprocessor=dict(mean=[180.0] * 3, std=[50.0] * 3, pad_size_divisor=32),
    backbone=dict(in_channels=3),
    bbox_head=dict(num_classes=5),
)
