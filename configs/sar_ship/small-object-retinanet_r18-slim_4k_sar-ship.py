_base_ = [
    "../_base_/models/small_object_retinanet_r18.py",
    "../_base_/datasets/sar_ships.py",
    "../_base_/schedules/adamw_cosine.py",
    "../_base_/default_runtime.py",
]
model = dict(
    train_cfg=dict(assigner=dict(_delete_=True, type="WassersteinAdaptiveAssigner", topk=18, min_side=4.0))
)
# How the model is to be used; tools/make_bundle.py writes it into the bundle.
bundle = dict(
    name="sar-ship",
    version="1",
    # Calibrated amplitude: sigma0 of 0 dB is white. 8-bit amplitude is taken as it is.
    input=dict(channels=1, radiometry="amplitude", low=[0.0], high=[1.0], gsd_range=[1.0, 30.0]),
    tile_size=1024,
    max_object_px=128,
    halo_px=32,
    score_threshold=0.3,
)
