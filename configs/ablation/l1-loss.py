# GIoU off: stock's L1 on deltas that are not scaled.
_base_ = ["../paired/ours_r18_malaria-thick.py"]
model = dict(
    bbox_head=dict(
        bbox_coder=dict(target_stds=[1.0, 1.0, 1.0, 1.0]),
        reg_decoded_bbox=False,
        loss_bbox=dict(_delete_=True, type="L1Loss", loss_weight=1.0),
    )
)
