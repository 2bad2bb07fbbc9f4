# For any set that `retina-domains prepare` wrote:
#     retina-domains train generic/small-object-retinanet_r18-slim_any.py --data FOLDER
# Classes, channels, anchors, loaders and how the model is to be used come from the set. The copy of this
# config in the work folder has them filled in and stands for itself.
_base_ = [
    "../_base_/models/small_object_retinanet_r18.py",
    "../_base_/schedules/adamw_cosine.py",
    "../_base_/default_runtime.py",
]
from_set = dict(
    chip=512,
    batch_size=4,
    num_workers=1,
    negative_share=0.25,
    augment=dict(
        sar=[dict(type="SarRadiometry")],
        optical=[dict(type="OpticalRadiometry")],
        smear=[dict(type="StainJitter"), dict(type="UnevenIllumination"), dict(type="FocusBlur")],
    ),
)
custom_hooks = [
    dict(type="EMAHook", ema_type="ExpMomentumEMA", momentum=0.002, update_buffers=True, priority=49),
    dict(type="RecordScenes"),
    # Four validations without a gain end the training; the best state is kept anyway.
    dict(
        type="EarlyStoppingHook",
        monitor="small_object/AP50",
        rule="greater",
        min_delta=0.002,
        patience=4,
        # A set may have no object to validate on.
        check_finite=False,
    ),
]
