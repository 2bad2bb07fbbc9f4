# Red cells, white cells and platelets, a second stage: nine anchors learn each cell. tools/train.py THIS
# --init-from work_dirs/blood-count/iter_600.pth
_base_ = ["./small-object-retinanet_r18-slim_600_blood-count.py"]
init_parts = ()
model = dict(train_cfg=dict(assigner=dict(_delete_=True, type="WassersteinRankingAssigner", topk=9)))
optim_wrapper = dict(optimizer=dict(lr=6e-4))
max_iters = 1500
train_cfg = dict(max_iters=max_iters, val_interval=300)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=100, end=max_iters, eta_min_ratio=0.01),
]
bundle = dict(version="2")
