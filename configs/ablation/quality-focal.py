# Quality focal loss in place of focal loss: the score learns the overlap of its box.
_base_ = ["../paired/ours_r18_malaria-thick.py"]
model = dict(
    bbox_head=dict(loss_cls=dict(_delete_=True, type="QualityFocalLoss", use_sigmoid=True, beta=2.0))
)
