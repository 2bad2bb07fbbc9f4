# What both sides of a paired comparison get: 800 iterations of 4 crops, the last state scored. No state is
# chosen by its score.
_base_ = ["./adamw_cosine.py"]
max_iters = 800
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=100, end=max_iters, eta_min_ratio=0.01),
]
custom_hooks = [
    dict(type="EMAHook", ema_type="ExpMomentumEMA", momentum=0.005, update_buffers=True, priority=49)
]
