# HRSID and all simulated chips. The 53 chips at quays, where most ships of val.json are missed, are drawn as
# often as two thirds of everything simulated; datasets/split_inshore.py data/sar_ships_hrsid/train.json
# --images data/sar_ships_hrsid/images --out data/inshore parts them.
_base_ = ["./sar_ships.py"]
simulated_sets = [
    dict(
        type="CocoObjects",
        classes=("ship",),
        data_root=f"data/{name}",
        ann_file="train.json",
        pipeline={{_base_.load}},
    )
    for name in ("simulated_sar", "simulated_sar_coarse", "simulated_sar_islands", "simulated_sar_islands2")
]
real_sets = [
    dict(
        type="RepeatDataset",
        times=times,
        dataset=dict(
            type="CocoObjects",
            classes=("ship",),
            ann_file=f"data/inshore/train_{where}.json",
            images="data/sar_ships_hrsid/images",
            pipeline={{_base_.load}},
        ),
    )
    for where, times in (("inshore", 40), ("offshore", 12))
]
train_dataloader = dict(
    dataset=dict(
        dataset=dict(_delete_=True, type="ConcatDataset", datasets=[*real_sets, *simulated_sets]),
        pipeline=[
            # Ships at quays are small, so that chips are shown larger too.
            dict(type="ZoomMosaic", size=448, weights=(0.7, 0.2, 0.1), scales=(0.7, 1.8)),
            dict(type="Dihedral"),
            dict(type="SarRadiometry"),
            dict(type="PackObjects"),
        ],
    )
)
