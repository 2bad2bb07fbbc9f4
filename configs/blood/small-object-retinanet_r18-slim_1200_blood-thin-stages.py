# Thin smears once more, for the stages: fields that hold a rare one are drawn more often, and most chips lie
# on a parasite. tools/train.py THIS --init-from the checkpoint or bundle of the first 1,500 iterations
_base_ = ["./small-object-retinanet_r18-slim_1500_blood-thin.py"]
train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            _delete_=True,
            type="ClassBalancedDataset",
            oversample_thr=0.8,
            dataset={{_base_.train_dataloader.dataset.dataset}},
        ),
        pipeline=[
            dict(
                type="ZoomMosaic",
                size=576,
                cells=(1,),
                weights=(1.0,),
                scales=(0.75, 1.3),
                prob_near_object=0.9,
                by_class=True,
            ),
            dict(type="Dihedral"),
            dict(type="StainJitter"),
            dict(type="UnevenIllumination"),
            dict(type="FocusBlur", sigma=1.0),
            dict(type="PackObjects"),
        ],
    )
)
optim_wrapper = dict(optimizer=dict(lr=3e-4))
max_iters = 1200
train_cfg = dict(max_iters=max_iters, val_interval=400)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=100, end=max_iters, eta_min_ratio=0.01),
]
