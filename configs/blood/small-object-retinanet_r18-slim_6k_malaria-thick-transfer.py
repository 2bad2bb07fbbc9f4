# Thick smears in one stage, from the backbone that learnt thin ones: as good after 6,000 iterations as four
# stages from random weights are after 14,400. tools/train.py THIS --init-from blood-thin
_base_ = ["./small-object-retinanet_r18-slim_4k_malaria-thick-nine.py"]
init_parts = ("backbone",)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
max_iters = 6000
train_cfg = dict(max_iters=max_iters, val_interval=1000)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=200),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=200, end=max_iters, eta_min_ratio=0.01),
]
