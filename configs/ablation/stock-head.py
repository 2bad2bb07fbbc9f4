# The light head off: stock's two towers of 4 convolutions of 256 channels, on our pyramid from P2.
_base_ = ["../paired/ours_r18_malaria-thick.py"]
model = dict(bbox_head=dict(feat_channels=256, stacked_convs=4, shared_tower=False))
