# Augmentation off but for flips and quarter turns: crops at their own scale, no change of stain, light or
# focus.
_base_ = ["../paired/ours_r18_malaria-thick.py"]
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="ZoomMosaic", size=384, cells=(1,), weights=(1.0,), scales=(1.0, 1.0)),
            dict(type="Dihedral"),
            dict(type="PackObjects"),
        ]
    )
)
