# Thin smears, third stage, sampled as the second: tools/train.py THIS --init-from
# work_dirs/blood-thin-stages/iter_1200.pth
_base_ = ["./small-object-retinanet_r18-slim_1200_blood-thin-stages.py"]
optim_wrapper = dict(optimizer=dict(lr=6e-4))
max_iters = 1500
train_cfg = dict(max_iters=max_iters, val_interval=500)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=100, end=max_iters, eta_min_ratio=0.01),
]
bundle = dict(version="2")
