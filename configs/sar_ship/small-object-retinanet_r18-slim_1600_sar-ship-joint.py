# All that the three stages saw, at once and at a low rate, with the 53 chips at quays as often as everything
# simulated. From the shipped sar-ship of version 1, after datasets/split_inshore.py has parted train.json
# into data/inshore: tools/train.py THIS --init-from sar-ship
_base_ = ["./small-object-retinanet_r18-slim_4k_sar-ship.py"]
simulated_sets = [
    dict(
        type="CocoObjects",
        classes=("ship",),
        data_root=f"data/{name}",
        ann_file="train.json",
        pipeline={{_base_.load}},
    )
    for name in ("simulated_sar_coarse", "simulated_sar_islands", "simulated_sar_islands2")
]
real_sets = [
    dict(
        type="RepeatDataset",
        times=times,
        dataset=dict(
            type="CocoObjects",
            classes=("ship",),
            ann_file=f"data/inshore/train_{where}.json",
            images="data/sar_ships_hrsid/images",
            pipeline={{_base_.load}},
        ),
    )
    for where, times in (("inshore", 60), ("offshore", 10))
]
train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            _delete_=True, type="ConcatDataset", datasets=[*real_sets, {{_base_.simulated}}, *simulated_sets]
        ),
        pipeline=[
            # Ships at quays are small, so that chips are shown larger too.
            dict(type="ZoomMosaic", size=512, weights=(0.7, 0.2, 0.1), scales=(0.7, 1.8)),
            dict(type="Dihedral"),
            dict(type="SarRadiometry"),
            dict(type="PackObjects"),
        ],
    )
)
optim_wrapper = dict(optimizer=dict(lr=2.5e-4))
max_iters = 1600
train_cfg = dict(max_iters=max_iters, val_interval=400)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=100, end=max_iters, eta_min_ratio=0.01),
]
default_hooks = dict(checkpoint=dict(interval=400))
