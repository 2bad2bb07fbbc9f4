# Thick smears once more, from the first 4,000 iterations: tools/train.py THIS --init-from
# work_dirs/small-object-retinanet_r18-slim_4k_malaria-thick/iter_4000.pth
_base_ = ["./small-object-retinanet_r18-slim_4k_malaria-thick.py"]
init_parts = ()
optim_wrapper = dict(optimizer=dict(lr=3e-4))
max_iters = 1400
train_cfg = dict(max_iters=max_iters, val_interval=500)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=100, end=max_iters, eta_min_ratio=0.01),
]
