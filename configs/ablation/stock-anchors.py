# Tuned anchors off: MMDetection's for RetinaNet (4 strides wide, 3 scales, 3 ratios, one centre a cell) on
# P2-P5. From this range the generator makes just these: 16, 20.2 and 25.4 px on P2, doubled on every level.
_base_ = ["../paired/ours_r18_malaria-thick.py"]
model = dict(
    bbox_head=dict(
        anchor_generator=dict(
            object_size_range=(16.0, 128.0), scales_per_octave=3, ratios=[0.5, 1.0, 2.0], centres_per_cell=1
        )
    )
)
