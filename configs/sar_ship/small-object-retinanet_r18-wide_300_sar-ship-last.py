# Version 3 of sar-ship, the last stage: the rate falls to nothing. tools/train.py THIS
# --init-from work_dirs/sar-ship-nine/iter_1750.pth
_base_ = ["./small-object-retinanet_r18-wide_3k_sar-ship-nine.py"]
optim_wrapper = dict(optimizer=dict(lr=3e-4))
max_iters = 300
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.2, by_epoch=False, begin=0, end=20),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=20, end=max_iters, eta_min_ratio=0.01),
]
