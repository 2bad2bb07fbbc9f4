# Chips enlarged twice before the backbone, so that the pyramid starts at stride 2. Crops of 192 px in place
# of 384: as many pixels in the network, a quarter of the field.
_base_ = ["../paired/ours_r18_malaria-thick.py"]
model = dict(
    enlargement=2,
    bbox_head=dict(anchor_generator=dict(strides=[2, 4, 8, 16])),
)
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="ZoomMosaic", size=192, cells=(1,), weights=(1.0,), scales=(0.75, 1.4)),
            dict(type="Dihedral"),
            dict(type="StainJitter"),
            dict(type="UnevenIllumination"),
            dict(type="FocusBlur"),
            dict(type="PackObjects"),
        ]
    )
)
