# Thick smears, fifth stage: runs of many fields are drawn less often, and stain, light and scale vary more,
# as the network knows the runs of train far better than others. tools/train.py THIS
# --init-from work_dirs/malaria-thick-nine/iter_4000.pth
_base_ = ["./small-object-retinanet_r18-slim_4k_malaria-thick-nine.py"]
train_dataloader = dict(
    sampler=dict(_delete_=True, type="SceneBalancedSampler", power=0.5),
    dataset=dict(
        pipeline=[
            dict(
                type="ZoomMosaic",
                size=256,
                cells=(1,),
                weights=(1.0,),
                scales=(0.6, 1.6),
                prob_near_object=0.8,
            ),
            dict(type="Dihedral"),
            dict(type="CopyPasteObjects", max_size=32.0, max_overlap=0.3, prob=0.5),
            dict(type="StainJitter", factor=0.5, offset=0.12),
            dict(type="OpticalRadiometry", exposure=0.2, tint=0.12, gamma=0.3, saturation=0.4),
            dict(type="UnevenIllumination"),
            dict(type="FocusBlur", sigma=0.8),
            dict(type="PackObjects"),
        ]
    ),
)
bundle = dict(version="4")
