# The pyramid from P2 on stages 1 to 3 of ResNet-18 at its own width, neck and head of 96 channels: what
# `small_object_retinanet_r18-full` has, less stage 4 at stride 32, where small objects are not.
_base_ = ["./small_object_retinanet_r18.py"]
model = dict(
    backbone=dict(stem_channels=64, base_channels=64),
    neck=dict(in_channels=[64, 128, 256], out_channels=96),
    bbox_head=dict(in_channels=96, feat_channels=96),
)
