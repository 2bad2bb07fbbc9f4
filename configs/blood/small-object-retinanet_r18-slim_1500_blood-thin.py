# Infected and healthy red cells of thin smears. Objects are whole cells, so that the pyramid starts at P3 and
# ends at P4; what tells the stages apart, rings of 15 px, is in stages 1 and 2 of the backbone.
_base_ = [
    "../_base_/models/small_object_retinanet_r18.py",
    "../_base_/schedules/adamw_cosine.py",
    "../_base_/default_runtime.py",
]
classes = ("RBC", "ring", "trophozoite", "schizont", "gametocyte")
load = [dict(type="LoadPixels", channels=3), dict(type="LoadObjects")]
data = dict(type="CocoObjects", classes=classes, data_root="data/iml_malaria")
model = dict(
    data_preprocessor=dict(mean=[180.0] * 3, std=[50.0] * 3, pad_size_divisor=32),
    backbone=dict(in_channels=3, out_indices=(1, 2)),
    neck=dict(in_channels=[96, 192], num_outs=2),
    bbox_head=dict(
        num_classes=5,
        num_levels=2,
        anchor_generator=dict(
            object_size_range=(50.0, 135.0), strides=[8, 16], scales_per_octave=2, ratios=[1.0]
        ),
    ),
    train_cfg=dict(assigner=dict(_delete_=True, type="WassersteinAdaptiveAssigner", topk=12, min_side=8.0)),
    # A parasite is of one stage.
    test_cfg=dict(exclusive_classes=[[1, 2, 3, 4]]),
)
max_iters = 1500
train_cfg = dict(max_iters=max_iters, val_interval=250)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=200),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=200, end=max_iters, eta_min_ratio=0.01),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type="MultiImageMixDataset",
        dataset=dict(**data, ann_file="train.json", pipeline=load),
        pipeline=[
            dict(
                type="ZoomMosaic",
                size=576,
                cells=(1,),
                weights=(1.0,),
                scales=(0.75, 1.3),
                by_class=True,
            ),
            dict(type="Dihedral"),
            dict(type="StainJitter"),
            dict(type="UnevenIllumination"),
            dict(type="FocusBlur"),
            dict(type="PackObjects"),
        ],
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        **data,
        ann_file="val.json",
        pipeline=[*load, dict(type="PackObjects")],
        test_mode=True,
    ),
)
val_evaluator = dict(type="SmallObjectMetric")
test_dataloader = val_dataloader
test_evaluator = val_evaluator
bundle = dict(
    name="blood-thin",
    version="1",
    # No sampling is told with the images: red cells of 7.8 um are 80 px wide in them.
    input=dict(
        channels=3,
        radiometry="uint8",
        low=[0.0] * 3,
        high=[255.0] * 3,
        gsd_range=None,
        mpp_range=[0.08, 0.12],
    ),
    tile_size=960,
    max_object_px=160,
    halo_px=64,
    score_threshold=0.3,
)
