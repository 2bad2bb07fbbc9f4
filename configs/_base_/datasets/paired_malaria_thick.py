# Thick smears for comparisons: crops of 384 px, so that a run stays within some 40 minutes of one core.
_base_ = ["./malaria_thick.py"]
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
