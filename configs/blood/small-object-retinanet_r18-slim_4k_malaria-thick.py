# Parasites of thick smears, from 6 px, by species, and white cells. The network sees chips enlarged twice, so
# that its pyramid starts at stride 2: a ring of 10 px with a chromatin dot of 3 is told from debris by what
# stride 4 no longer holds. Anchors: tools/tune_anchors.py data/yolo_malaria/train.json --finest-stride 2
_base_ = [
    "../_base_/models/small_object_retinanet_r18.py",
    "../_base_/datasets/malaria_thick.py",
    "../_base_/schedules/adamw_cosine.py",
    "../_base_/default_runtime.py",
]
# What --init-from BUNDLE takes where it is given.
init_parts = ("backbone",)
model = dict(
    enlargement=2,
    data_preprocessor=dict(mean=[180.0] * 3, std=[50.0] * 3, pad_size_divisor=16),
    backbone=dict(in_channels=3),
    bbox_head=dict(
        num_classes=5,
        anchor_generator=dict(
            object_size_range=(6.5, 49.1), strides=[2, 4, 8, 16], scales_per_octave=2, ratios=[0.75, 1.33]
        ),
    ),
    train_cfg=dict(assigner=dict(_delete_=True, type="WassersteinAdaptiveAssigner", topk=18, min_side=4.0)),
    # A parasite is of one species.
    test_cfg=dict(exclusive_classes=[[0, 1, 2, 3]]),
)
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(
                type="ZoomMosaic",
                size=256,
                cells=(1,),
                weights=(1.0,),
                scales=(0.75, 1.4),
                prob_near_object=0.8,
            ),
            dict(type="Dihedral"),
            dict(type="StainJitter", factor=0.35, offset=0.08),
            dict(type="UnevenIllumination"),
            # Rings of 6 px would vanish under the blur that is usual for cells.
            dict(type="FocusBlur", sigma=0.8),
            dict(type="PackObjects"),
        ]
    )
)
max_iters = 4000
train_cfg = dict(max_iters=max_iters, val_interval=500)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=200),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=200, end=max_iters, eta_min_ratio=0.01),
]
custom_hooks = [
    dict(type="EMAHook", ema_type="ExpMomentumEMA", momentum=0.002, update_buffers=True, priority=49)
]
# How the model is to be used; tools/make_bundle.py writes it into the bundle.
bundle = dict(
    name="malaria-thick",
    version="1",
    input={{_base_.input_spec}},
    tile_size=512,
    max_object_px=96,
    halo_px=32,
    score_threshold=0.3,
)
