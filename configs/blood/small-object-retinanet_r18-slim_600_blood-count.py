# Red cells, white cells and platelets. Cells of 25 to 250 px: the pyramid starts at P3.
_base_ = [
    "../_base_/models/small_object_retinanet_r18.py",
    "../_base_/datasets/blood_count.py",
    "../_base_/schedules/adamw_cosine.py",
    "../_base_/default_runtime.py",
]
# What --init-from BUNDLE takes where it is given.
init_parts = ("backbone",)
model = dict(
    data_preprocessor=dict(mean=[180.0] * 3, std=[50.0] * 3, pad_size_divisor=64),
    backbone=dict(in_channels=3, out_indices=(1, 2)),
    neck=dict(in_channels=[96, 192], num_outs=4),
    bbox_head=dict(
        num_classes=3,
        num_levels=4,
        anchor_generator=dict(
            object_size_range=(25.0, 250.0), strides=[8, 16, 32, 64], scales_per_octave=2, ratios=[1.0]
        ),
    ),
    train_cfg=dict(assigner=dict(_delete_=True, type="WassersteinAdaptiveAssigner", topk=12, min_side=8.0)),
)
max_iters = 600
train_cfg = dict(max_iters=max_iters, val_interval=100)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=100, end=max_iters, eta_min_ratio=0.01),
]
custom_hooks = [
    dict(type="EMAHook", ema_type="ExpMomentumEMA", momentum=0.005, update_buffers=True, priority=49)
]
# How the model is to be used; tools/make_bundle.py writes it into the bundle.
bundle = dict(
    name="blood-count",
    version="1",
    input={{_base_.input_spec}},
    tile_size=640,
    max_object_px=288,
    halo_px=64,
    score_threshold=0.3,
)
