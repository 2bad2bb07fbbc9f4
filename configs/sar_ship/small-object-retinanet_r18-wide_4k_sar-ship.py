# Ships in one stage from scratch, on everything: version 2 of sar-ship.
_base_ = [
    "../_base_/models/small_object_retinanet_r18-wide.py",
    "../_base_/datasets/sar_ships_mixed.py",
    "../_base_/schedules/adamw_cosine.py",
    "../_base_/default_runtime.py",
]
# How the model is to be used; tools/make_bundle.py writes it into the bundle.
bundle = dict(
    name="sar-ship",
    version="2",
    # Calibrated amplitude: sigma0 of 0 dB is white. 8-bit amplitude is taken as it is.
    input=dict(channels=1, radiometry="amplitude", low=[0.0], high=[1.0], gsd_range=[1.0, 30.0]),
    tile_size=1024,
    max_object_px=128,
    halo_px=32,
    score_threshold=0.3,
)
