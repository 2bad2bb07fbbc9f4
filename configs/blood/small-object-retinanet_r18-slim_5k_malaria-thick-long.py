# Thick smears, third stage, at a rate high enough to leave where the second ended: tools/train.py THIS
# --init-from work_dirs/malaria-thick-more/iter_1400.pth
_base_ = ["./small-object-retinanet_r18-slim_1400_malaria-thick-more.py"]
optim_wrapper = dict(optimizer=dict(lr=6e-4))
max_iters = 5000
train_cfg = dict(max_iters=max_iters, val_interval=1000)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=100, end=max_iters, eta_min_ratio=0.01),
]
bundle = dict(version="2")
