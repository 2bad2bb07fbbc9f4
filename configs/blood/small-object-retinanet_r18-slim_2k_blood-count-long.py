# Red cells, white cells and platelets, a third stage: tools/train.py THIS
# --init-from work_dirs/blood-count-nine/iter_1500.pth
_base_ = ["./small-object-retinanet_r18-slim_1500_blood-count-nine.py"]
max_iters = 2000
train_cfg = dict(max_iters=max_iters, val_interval=500)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=100, end=max_iters, eta_min_ratio=0.01),
]
