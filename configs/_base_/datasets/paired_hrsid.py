# HRSID alone (data/sar_ships_hrsid: images/, train.json, val.json) for comparisons: nothing simulated, crops
# of 384 px, so that a run stays within some 40 minutes of one core.
_base_ = ["./sar_ships.py"]
train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            _delete_=True,
            type="CocoObjects",
            classes=("ship",),
            data_root="data/sar_ships_hrsid",
            ann_file="train.json",
            pipeline={{_base_.load}},
        ),
        pipeline=[
            dict(type="ZoomMosaic", size=384),
            dict(type="Dihedral"),
            dict(type="SarRadiometry"),
            dict(type="PackObjects"),
        ],
    )
)
