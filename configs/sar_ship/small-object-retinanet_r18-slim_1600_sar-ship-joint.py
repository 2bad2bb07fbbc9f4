# All that the three stages saw, at once and at a low rate, two thirds of it real:
# tools/train.py THIS --init-from sar-ship
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
train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            datasets=[
                dict(type="RepeatDataset", times=24, dataset={{_base_.real}}),
                {{_base_.simulated}},
                *simulated_sets,
            ]
        )
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
