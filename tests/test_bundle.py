"""Bundles: what is read back is what was written, and nothing odd gets through."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from retina_domains import bundle as bundles
from retina_domains.architecture import BackboneSpec, SmallObjectRetinaNetSpec
from retina_domains.bundle import (
    Calibration,
    Manifest,
    Metric,
    TrainingData,
    bundle_folder,
    file_sha256,
    format_manifest,
    parse_manifest,
    read_bundle,
    shipped_bundles,
)
from retina_domains.errors import BundleError, InvalidValueError
from retina_domains.types import InputSpec

PATH = Path("somewhere/bundle.json")
SPEC = SmallObjectRetinaNetSpec(num_classes=2, object_size_range=(5.0, 60.0), in_channels=1)
MANIFEST = Manifest(
    format_version=1,
    name="test-ship",
    version="0.1",
    architecture=SPEC,
    classes=("ship", "buoy"),
    input=InputSpec(1, "amplitude", (0.0,), (1.5,), gsd_range=(1.0, 30.0)),
    mean=(40.0,),
    std=(50.0,),
    tile_size=640,
    overlap=96,
    score_threshold=0.3,
    max_object_px=60,
    halo_px=16,
    tile_multiple=32,
    research_only=True,
    training=(TrainingData(name="HRSID", licence="unclear", split="train", images=291),),
    metrics=(Metric(name="AP50", value=0.6, data="val", command="tools/test.py", interval=(0.5, 0.7)),),
    weights_sha256="0" * 64,
    calibration=Calibration(slope=1.5, intercept=-0.25),
)
TENSORS = {"a.weight": np.ones((2, 3), np.float16), "a.count": np.array([4, 8], np.int64)}
SHAPES = {"a.weight": (2, 3), "a.count": (2,)}


def write(folder: Path, tensors=TENSORS, onnx: bytes | None = None) -> Path:
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    manifest = replace(MANIFEST, weights_sha256=file_sha256(folder / "model.safetensors"))
    if onnx is not None:
        (folder / "model.onnx").write_bytes(onnx)
        manifest = replace(manifest, onnx_sha256=file_sha256(folder / "model.onnx"))
    (folder / "bundle.json").write_text(format_manifest(manifest))
    (folder / "card.md").write_text("# card\n")
    return folder


def edited(path: tuple[str | int, ...], value: object) -> bytes:
    """The manifest's JSON with the value at ``path`` replaced."""
    data = json.loads(format_manifest(MANIFEST))
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(data).encode()


def backbone(name: str, widths: tuple[int, ...] | list[int] = (8, 16, 32, 64)) -> dict[str, object]:
    return {"library": "timm", "name": name, "widths": list(widths)}


def test_another_backbone_back_and_forth():
    spec = replace(
        SPEC,
        depth=None,
        base_channels=None,
        backbone=BackboneSpec(library="torchvision", name="swin_t", widths=(96, 192, 384, 768)),
        level_ratios=((1.0,), (0.5, 2.0), (0.5, 2.0), (0.5, 2.0)),
    )
    manifest = replace(MANIFEST, architecture=spec)
    assert parse_manifest(format_manifest(manifest).encode(), PATH) == manifest


def test_fields_that_came_later_may_be_left_out():
    data = json.loads(format_manifest(MANIFEST))
    later = "backbone stem_channels centres_per_cell level_scales level_ratios level_convs separable_tower"
    for name in later.split():
        assert data["architecture"].pop(name) is None
    assert parse_manifest(json.dumps(data).encode(), PATH) == MANIFEST


def test_manifest_back_and_forth():
    assert parse_manifest(format_manifest(MANIFEST).encode(), PATH) == MANIFEST


def test_architecture_is_named():
    architecture = json.loads(format_manifest(MANIFEST))["architecture"]
    assert architecture["name"] == "SmallObjectRetinaNet"
    assert SPEC.strides == (4, 8, 16, 32)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (edited(("format_version",), 2), "format_version 2, this release reads 1"),
        (edited(("format_version",), "1"), "format_version '1'"),
        (edited(("evil",), "x"), "evil: unknown field"),
        (edited(("architecture", "name"), "torch.nn.Linear"), "architecture.name: expected one of SmallObj"),
        (edited(("architecture", "init_cfg"), {"type": "X"}), "architecture.init_cfg: unknown field"),
        (edited(("architecture", "depth"), 19), "architecture.depth: expected one of 18, 34, 50, 101"),
        (edited(("architecture", "num_classes"), True), "architecture.num_classes: expected a whole number"),
        (edited(("architecture", "norm"), "GN"), "architecture.norm: expected one of 'BN'"),
        (edited(("architecture", "num_levels"), 3), "num_levels 3 for 4 stages"),
        (edited(("architecture", "object_size_range"), [9, 9]), "object_size_range 9.0 to 9.0 px"),
        (edited(("architecture", "nms_iou"), 0), "nms_iou 0.0: expected above 0"),
        (edited(("architecture", "ratios"), []), "ratios"),
        (edited(("architecture", "depth"), None), "neither a ResNet's depth"),
        (edited(("architecture", "centres_per_cell"), 3), "centres_per_cell: expected one of 1, 2"),
        (edited(("architecture", "level_scales"), [1]), "level_scales of 1 levels for 4"),
        (edited(("architecture", "level_ratios"), [[1.0], [], [1.0], [1.0]]), "ratios \\(\\)"),
        (edited(("architecture", "level_convs"), [1, 1, -1, 1]), "level_convs .* expected 0 or more each"),
        (edited(("architecture", "backbone"), backbone("../x")), "backbone name '../x'"),
        (edited(("architecture", "backbone"), backbone("hf-hub:x/y")), "backbone name 'hf-hub:x/y'"),
        (edited(("architecture", "backbone"), backbone("swin_t")), "swin_t with depth, base_channels"),
        (edited(("architecture", "backbone"), backbone("x", [8, 8])), "backbone widths"),
        (edited(("classes",), ["ship"]), "classes ship for an architecture of 2"),
        (edited(("classes",), ["ship", "ship"]), "classes ship, ship"),
        (edited(("mean",), [1, 2]), "input of 1 channels"),
        (edited(("input", "channels"), 3), "input: expected 3 low and high values"),
        (edited(("input", "radiometry"), "dn"), "input.radiometry: expected one of"),
        (edited(("std",), [0]), "std .* expected above 0"),
        (edited(("tile_multiple",), 64), "tile_multiple 64, coarsest level_stride 32"),
        (edited(("tile_size",), 650), "tile_size 650 px: expected a multiple of 32"),
        (edited(("overlap",), 640), "overlap 640 px for tiles of 640"),
        (edited(("score_threshold",), 1.5), "score_threshold 1.5"),
        (edited(("class_thresholds",), [0.4]), "1 score thresholds for 2 classes"),
        (edited(("class_thresholds",), [0.4, 1.1]), "score threshold 1.1 of class buoy"),
        (edited(("max_object_px",), 0), "max_object_px 0"),
        (edited(("calibration", "slope"), 0), "calibration: calibration slope 0.0"),
        (edited(("training", 0, "licence"), None), r"training\[0\].licence: expected text"),
        (edited(("metrics", 0, "interval"), [1]), r"metrics\[0\].interval: expected a list of 2"),
        (edited(("metrics", 0, "value"), float("nan")), "NaN is not a JSON number"),
        (b'{"format_version": 1e999}', "format_version inf"),
        (b"[]", "format_version None"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
    ],
)
def test_a_manifest_that_is_refused(raw, message):
    with pytest.raises(BundleError, match=message) as raised:
        parse_manifest(raw, PATH)
    assert str(raised.value).startswith(str(PATH))
    assert "\n" not in str(raised.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 700) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


def leaves(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(p for key, inner in items for p in leaves(inner, (*path, key)))]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_change_is_read_right_or_refused(data):
    document = json.loads(format_manifest(MANIFEST))
    path = data.draw(st.sampled_from(leaves(document)[1:]))
    raw = edited(path, data.draw(json_values))
    try:
        manifest = parse_manifest(raw, PATH)
    except BundleError:
        return
    again = json.loads(format_manifest(manifest))
    assert again == json.loads(raw) or json.loads(json.dumps(again)) == json.loads(raw)


def test_spec_checks_itself():
    with pytest.raises(InvalidValueError, match="head_convs -1"):
        replace(SPEC, head_convs=-1)
    with pytest.raises(InvalidValueError, match="nms_pre 0: expected 1 or more"):
        replace(SPEC, nms_pre=0)


def test_read_bundle(tmp_path):
    folder = write(tmp_path / "b", onnx=b"graph")
    found = read_bundle(folder)
    assert found.manifest.name == "test-ship"
    assert found.card == "# card\n"
    assert found.sha256 == file_sha256(folder / "bundle.json")
    tensors = found.tensors(SHAPES)
    assert tensors["a.weight"].dtype == np.float16
    assert tensors["a.count"].tolist() == [4, 8]


def test_the_hash_follows_the_weights(tmp_path):
    one = read_bundle(write(tmp_path / "one"))
    other = read_bundle(write(tmp_path / "other", {**TENSORS, "a.weight": np.zeros((2, 3), np.float16)}))
    assert one.sha256 != other.sha256


@pytest.mark.parametrize("name", ["model.safetensors", "card.md", "model.onnx"])
def test_a_missing_file(tmp_path, name):
    folder = write(tmp_path / "b", onnx=b"graph")
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name}: missing from the bundle"):
        read_bundle(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "model.onnx"])
def test_a_damaged_file(tmp_path, name):
    folder = write(tmp_path / "b", onnx=b"graph")
    data = bytearray((folder / name).read_bytes())
    data[-1] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(BundleError, match=f"{name}: its sha256 is not the one in bundle.json"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({**SHAPES, "b": (1,)}, "tensor 'b' is missing"),
        ({"a.weight": (2, 3)}, "tensor 'a.count' is not expected"),
        ({**SHAPES, "a.weight": (3, 2)}, r"'a.weight' is F16 \(2, 3\), expected .* \(3, 2\)"),
    ],
)
def test_tensors_that_do_not_fit(tmp_path, shapes, message):
    found = read_bundle(write(tmp_path / "b"))
    with pytest.raises(BundleError, match=message):
        found.tensors(shapes)


def test_tensors_of_an_odd_type(tmp_path):
    found = read_bundle(write(tmp_path / "b", {**TENSORS, "a.count": np.ones(2, np.uint8)}))
    with pytest.raises(BundleError, match=r"'a\.count' is U8"):
        found.tensors(SHAPES)


def test_weights_that_are_something_else(tmp_path):
    folder = write(tmp_path / "b")
    (folder / "model.safetensors").write_bytes(b"\x80\x04cos\nsystem\n.")
    manifest = replace(MANIFEST, weights_sha256=file_sha256(folder / "model.safetensors"))
    (folder / "bundle.json").write_text(format_manifest(manifest))
    with pytest.raises(BundleError, match="not a safetensors file"):
        read_bundle(folder).tensors(SHAPES)


def test_bundle_folder(tmp_path, monkeypatch):
    root = tmp_path / "package"
    (root / "bundles").mkdir(parents=True)
    shipped = write(root / "bundles" / "sar-x")
    (root / "bundles" / "not-one").mkdir()
    monkeypatch.setattr(bundles, "files", lambda _: root)
    assert shipped_bundles() == {"sar-x": shipped}
    assert bundle_folder("sar-x") == shipped
    own = write(tmp_path / "own")
    assert bundle_folder(str(own)) == own
    with pytest.raises(BundleError, match=r"'sar-y' is neither .* one of: sar-x"):
        bundle_folder("sar-y")
    with pytest.raises(BundleError, match=r"is a folder without bundle.json: .* one of: sar-x"):
        bundle_folder(tmp_path)


def test_every_shipped_bundle_reads():
    for name in shipped_bundles():
        assert read_bundle(name).manifest.name == name


def test_a_manifest_of_before_has_one_threshold_for_all_classes():
    data = json.loads(format_manifest(MANIFEST))
    del data["class_thresholds"]
    before = parse_manifest(json.dumps(data).encode(), PATH)
    assert before == MANIFEST
    assert before.thresholds.values == (0.3, 0.3)


def test_thresholds_a_class_there_and_back():
    ours = replace(MANIFEST, class_thresholds=(0.4, 0.25))
    read = parse_manifest(format_manifest(ours).encode(), PATH)
    assert read.thresholds.text == "ship 0.4, buoy 0.25"
