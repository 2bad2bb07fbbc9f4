# HRSID: one anchor a cell instead of three, nine of them to learn an object.
_base_ = ["../paired/ours-nine_r18_hrsid.py"]
model = dict(bbox_head=dict(anchor_generator=dict(ratios=[1.0])))
