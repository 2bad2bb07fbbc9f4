# P2 off: the pyramid starts at P3. Its finest anchors are of 11 px, as far apart as those of full on P2 are
# for 6.5 px.
_base_ = ["../paired/ours_r18_malaria-thick.py"]
model = dict(
    neck=dict(start_level=1, num_outs=3),
    bbox_head=dict(num_levels=3, anchor_generator=dict(strides=[8, 16, 32])),
    train_cfg=dict(assigner=dict(min_side=8.0)),
)
