# Simulation on: half of the images are simulated thick fields, each seen once.
_base_ = ["../paired/ours_r18_malaria-thick.py"]
real_images = 249
train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            _delete_=True,
            type="ConcatDataset",
            datasets=[
                dict(
                    type="CocoObjects",
                    classes={{_base_.classes}},
                    data_root={{_base_.folder}},
                    ann_file="train.json",
                    pipeline={{_base_.load}},
                ),
                dict(
                    type="SimulatedSmears",
                    fields=dict(preparation="thick", size=[512, 512]),
                    classes={{_base_.classes}},
                    samples_per_epoch=real_images,
                ),
            ],
        )
    )
)
