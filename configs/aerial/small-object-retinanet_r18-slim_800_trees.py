# Tree crowns in aerial RGB of 0.1 m, from eight images of 40 m. Anchors: tools/tune_anchors.py
# data/trees_geotiff_voc.
_base_ = [
    "../_base_/models/small_object_retinanet_r18.py",
    "../_base_/datasets/aerial_trees.py",
    "../_base_/schedules/adamw_cosine.py",
    "../_base_/default_runtime.py",
]
# tools/train.py CONFIG --init-from BUNDLE, of a model of colour images on the same backbone.
init_parts = ("backbone",)
model = dict(
    data_preprocessor=dict(mean=[120.0, 120.0, 120.0], std=[60.0, 60.0, 60.0], pad_size_divisor=64),
    backbone=dict(in_channels=3),
    neck=dict(num_outs=5),
    bbox_head=dict(
        num_levels=5,
        anchor_generator=dict(
            object_size_range=(14.1, 141.7), strides=[4, 8, 16, 32, 64], ratios=[0.62, 1.0, 1.6]
        ),
    ),
    train_cfg=dict(assigner=dict(_delete_=True, type="WassersteinAdaptiveAssigner", topk=18, min_side=4.0)),
)
# Sixty crowns are soon known by heart: short, and validated often.
max_iters = 800
train_cfg = dict(max_iters=max_iters, val_interval=100)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=80),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=80, end=max_iters, eta_min_ratio=0.01),
]
custom_hooks = [
    dict(type="EMAHook", ema_type="ExpMomentumEMA", momentum=0.005, update_buffers=True, priority=49),
    dict(type="RecordScenes"),
]
default_hooks = dict(checkpoint=dict(interval=100, save_best="small_object/AP50"))
# How the model is to be used; tools/make_bundle.py writes it into the bundle.
bundle = dict(
    name="aerial-tree",
    version="1",
    input={{_base_.input_spec}},
    tile_size=512,
    max_object_px=208,
    halo_px=32,
    score_threshold=0.3,
)
