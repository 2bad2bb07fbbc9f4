# The head between ours and stock's: one tower of 4 convolutions of 128 channels.
_base_ = ["../paired/ours_r18_malaria-thick.py"]
model = dict(bbox_head=dict(feat_channels=128, stacked_convs=4))
