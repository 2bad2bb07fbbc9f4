# Normalised Wasserstein distance in place of GIoU; its constant is about the mean size of the parasites.
_base_ = ["../paired/ours_r18_malaria-thick.py"]
model = dict(
    bbox_head=dict(loss_bbox=dict(_delete_=True, type="WassersteinLoss", constant=16.0, loss_weight=2.0))
)
