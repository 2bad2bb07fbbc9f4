"""An MMDetection model as a Detector: the same boxes as MMDetection's own path, and honest failures."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.structures import DetDataSample

from retina_domains.bundle import Calibration, format_manifest, read_bundle
from retina_domains.errors import BundleError, DeviceMemoryError, InvalidValueError
from retina_domains.plugin.detector import (
    BundleFactory,
    MMDetDetector,
    find_device,
    load_bundle,
    model_of,
    traits_of,
    uncalibrated,
    weight_slots,
)
from retina_domains.types import Chip, Detector, Tile, Window


def chip(height: int = 96, width: int = 128, channels: int = 1, dtype=np.float32) -> Chip:
    pixels = np.random.default_rng(height + width).uniform(0, 255, (channels, height, width)).astype(dtype)
    window = Window(0, 0, height, width)
    return Chip(pixels, np.ones((height, width), bool), Tile(0, 0, window, window))


@pytest.fixture
def detector(tiny_bundle) -> MMDetDetector:
    found = load_bundle(str(tiny_bundle), device="cpu", threads=1, score_floor=0.05)
    # To compare with float32 references; see the test of bfloat16 below.
    found._bfloat16 = False
    return found


def test_is_a_detector_that_says_what_it_is(detector):
    assert isinstance(detector, Detector)
    assert detector.classes == ("ship", "buoy")
    assert detector.input_spec.radiometry == "amplitude"
    assert (detector.tile_size, detector.tile_multiple) == (256, 32)
    assert (detector.max_object_px, detector.halo_px) == (60, 16)
    assert detector.score_threshold == 0.3
    assert detector.provenance["model"] == "tiny"
    assert detector.provenance["research_only"] == "true"
    assert len(detector.provenance["model_sha256"]) == 64


def test_finds_what_mmdetections_own_path_finds(detector, tiny_bundle):
    model = model_of(read_bundle(tiny_bundle), score_floor=0.05).eval()
    model.data_preprocessor = DetDataPreprocessor(mean=[40.0], std=[50.0], pad_size_divisor=32)
    ours = chip()
    sample = DetDataSample(metainfo={"img_shape": (96, 128), "ori_shape": (96, 128), "scale_factor": (1, 1)})
    data = {"inputs": [torch.from_numpy(ours.pixels)], "data_samples": [sample]}
    with torch.no_grad():
        theirs = model.test_step(data)[0].pred_instances
    found = detector.predict([ours])[0]
    assert len(found) > 20
    assert found.frame == "tile"
    assert found.xyxy == pytest.approx(theirs.bboxes.numpy(), abs=1e-3)
    assert found.scores == pytest.approx(theirs.scores.numpy(), abs=1e-5)
    assert found.labels.tolist() == theirs.labels.tolist()
    assert (found.xyxy.min(0) >= 0).all()
    assert (found.xyxy.max(0) <= [128, 96, 128, 96]).all()


def test_a_batch_is_its_chips(detector):
    chips = [chip(), replace(chip(), pixels=chip().pixels[:, ::-1].copy())]
    together = detector.predict(chips)
    alone = [detector.predict([c])[0] for c in chips]
    for a, b in zip(together, alone, strict=True):
        assert a.xyxy == pytest.approx(b.xyxy, abs=1e-3)
        assert a.scores == pytest.approx(b.scores, abs=1e-5)
    assert len(together[0]) != len(together[1]) or not np.allclose(together[0].xyxy, together[1].xyxy)


def test_a_higher_floor_leaves_the_rest_as_it_is(detector, tiny_bundle):
    floored = load_bundle(str(tiny_bundle), device="cpu", threads=1, score_floor=0.08)
    floored._bfloat16 = False
    everything, strong = detector.predict([chip()])[0], floored.predict([chip()])[0]
    expected = everything.take(everything.scores > 0.08)
    assert 0 < len(strong) < len(everything)
    assert strong.xyxy == pytest.approx(expected.xyxy)
    assert strong.scores == pytest.approx(expected.scores)


def test_no_chips_no_work(detector):
    assert detector.predict([]) == []


def test_chips_are_not_changed(detector):
    ours = chip()
    before = ours.pixels.copy()
    detector.predict([ours])
    assert np.array_equal(ours.pixels, before)


def test_bfloat16_moves_no_box_by_half_a_pixel(detector):
    """Around x = 1000 bfloat16 itself has steps of 4 px: decoding must happen in float32."""
    wide = chip(64, 1088)
    exact = detector.predict([wide])[0]
    detector._bfloat16 = True
    rough = detector.predict([wide])[0]
    right = exact.xyxy[:, 0] > 900
    strong = np.flatnonzero(right & (exact.scores > np.quantile(exact.scores[right], 0.8)))
    assert len(strong) >= 5
    apart = np.abs(exact.xyxy[strong, None] - rough.xyxy[None]).max(2)
    apart[exact.labels[strong, None] != rough.labels[None]] = np.inf
    # Suppression may choose another of two near-equals: nearly all, not all.
    assert np.mean(apart.min(1) < 0.5) >= 0.8
    assert np.median(apart.min(1)) < 0.25


def test_caps_that_are_met_are_told(tiny_bundle):
    bundle = read_bundle(tiny_bundle)
    model = model_of(bundle, score_floor=0.0)
    model.bbox_head.test_cfg.nms_pre = 10
    detector = MMDetDetector(model, traits_of(bundle), "cpu", 1)
    found = detector.predict([chip()])[0]
    assert found.recovered
    assert not found.saturated
    model.bbox_head.test_cfg.max_candidates = 0
    found = detector.predict([chip()])[0]
    assert found.saturated
    assert not found.recovered


def test_a_full_processor_is_told(detector, monkeypatch):
    def greedy(*_args: object, **_kwargs: object) -> None:
        torch.empty(2**60, dtype=torch.uint8)

    monkeypatch.setattr(detector._model, "predict", greedy)
    with pytest.raises(DeviceMemoryError, match="cpu has no memory left for a batch of 2"):
        detector.predict([chip(), chip()])


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), RuntimeError("CUDA error: out of memory")],
)
def test_a_full_device_is_told(detector, monkeypatch, error):
    def full(*_args: object, **_kwargs: object) -> None:
        raise error

    monkeypatch.setattr(detector._model, "predict", full)
    with pytest.raises(DeviceMemoryError):
        detector.predict([chip()])


def test_other_faults_stay_what_they_are(detector, monkeypatch):
    def broken(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(detector._model, "predict", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        detector.predict([chip()])


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([chip(), chip(64, 64)], "in one batch: expected one size"),
        ([chip(channels=3)], "chips of 3 bands for a model of 1"),
        ([chip(dtype=np.uint8)], "chips of uint8 pixels: expected float32"),
    ],
)
def test_chips_that_do_not_fit(detector, batch, message):
    with pytest.raises(InvalidValueError, match=message):
        detector.predict(batch)


def test_bands_are_reversed_for_a_network_of_blue_first(tiny_bundle):
    bundle = read_bundle(tiny_bundle)
    traits = replace(traits_of(bundle), mean=(1.0, 2.0, 3.0), std=(1.0, 1.0, 1.0), reverse_bands=True)
    detector = MMDetDetector(model_of(bundle), traits, "cpu", 1)
    colour = chip(channels=3)
    expected = colour.pixels[::-1] - np.array([1, 2, 3], np.float32)[:, None, None]
    assert detector._inputs([colour])[0].numpy() == pytest.approx(expected)


def test_calibrated_scores_come_out(tiny_bundle, detector):
    bundle = read_bundle(tiny_bundle)
    traits = replace(traits_of(bundle), calibration=Calibration(slope=0.5))
    calibrated = MMDetDetector(model_of(bundle, 0.05), traits, "cpu", 1)
    calibrated._bfloat16 = False
    raw = detector.predict([chip()])[0].scores
    odds = np.sqrt(raw / (1 - raw))
    assert calibrated.predict([chip()])[0].scores == pytest.approx(odds / (1 + odds), abs=1e-6)


def test_scores_of_the_network_itself(tiny_bundle, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, folder)
    manifest = replace(read_bundle(folder).manifest, calibration=Calibration(slope=0.5))
    (folder / "bundle.json").write_text(format_manifest(manifest))
    given, raw = load_bundle(str(folder), "cpu", 1), uncalibrated(str(folder), "cpu", 1)
    odds = np.sqrt(1 / (1 / raw.predict([chip()])[0].scores - 1))
    assert given.predict([chip()])[0].scores == pytest.approx(odds / (1 + odds), abs=1e-6)
    assert raw.provenance == given.provenance


def test_threads_are_set_where_the_work_is_done(tiny_bundle):
    before = torch.get_num_threads()
    try:
        detector = load_bundle(str(tiny_bundle), device="cpu", threads=2)
        detector.predict([chip()])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_find_device():
    assert find_device("cpu") == torch.device("cpu")
    assert find_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("gpu", "meta", "cuda:99"):
        with pytest.raises(InvalidValueError, match=f"device '{name}'"):
            find_device(name)


def test_factory_travels(tiny_bundle):
    factory = pickle.loads(pickle.dumps(BundleFactory(str(tiny_bundle), "cpu", 1, 0.05)))
    assert factory == BundleFactory(str(tiny_bundle), "cpu", 1, 0.05)
    assert factory().classes == ("ship", "buoy")


def test_unknown_bundle():
    with pytest.raises(BundleError, match="'no-such-model' is neither a shipped bundle nor a folder"):
        load_bundle("no-such-model")


def test_shared_convolutions_are_stored_once(tiny_model):
    slots = weight_slots(tiny_model)
    assert "bbox_head.cls_tower.0.0.conv.weight" in slots
    assert "bbox_head.cls_tower.1.0.conv.weight" not in slots
    assert "bbox_head.reg_tower.0.0.conv.weight" not in slots
    assert "bbox_head.cls_tower.1.0.bn.running_mean" in slots
    stored = {slot.data_ptr() for slot in slots.values()}
    counters = {k for k in tiny_model.state_dict() if k.endswith("num_batches_tracked")}
    assert {v.data_ptr() for k, v in tiny_model.state_dict().items() if k not in counters} == stored
