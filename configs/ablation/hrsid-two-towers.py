# HRSID: a tower of 4 convolutions each for classes and boxes, as FCOS has, instead of one of 2 for both.
_base_ = ["../paired/ours_r18_hrsid.py"]
model = dict(bbox_head=dict(shared_tower=False, stacked_convs=4))
