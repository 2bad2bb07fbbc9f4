# Matching by distance off: stock's thresholds of IoU, 0.5 and 0.4, and the best anchor of every object.
_base_ = ["../paired/ours_r18_malaria-thick.py"]
model = dict(
    train_cfg=dict(
        assigner=dict(
            _delete_=True,
            type="MaxIoUAssigner",
            pos_iou_thr=0.5,
            neg_iou_thr=0.4,
            min_pos_iou=0,
            ignore_iof_thr=0.5,
        )
    )
)
