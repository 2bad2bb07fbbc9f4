# Thick smears, fourth stage: nine anchors learn each parasite instead of three. tools/train.py THIS
# --init-from work_dirs/malaria-thick-long/iter_5000.pth
_base_ = ["./small-object-retinanet_r18-slim_5k_malaria-thick-long.py"]
model = dict(train_cfg=dict(assigner=dict(_delete_=True, type="WassersteinRankingAssigner", topk=9)))
max_iters = 4000
train_cfg = dict(max_iters=max_iters, val_interval=1000)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=100, end=max_iters, eta_min_ratio=0.01),
]
bundle = dict(version="3")
