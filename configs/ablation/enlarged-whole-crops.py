# Chips enlarged twice, and crops of 384 px as for all: four times the multiplications of full.
_base_ = ["./enlarged.py"]
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="ZoomMosaic", size=384, cells=(1,), weights=(1.0,), scales=(0.75, 1.4)),
            dict(type="Dihedral"),
            dict(type="StainJitter"),
            dict(type="UnevenIllumination"),
            dict(type="FocusBlur"),
            dict(type="PackObjects"),
        ]
    )
)
