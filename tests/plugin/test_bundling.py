"""Bundles out of configs and checkpoints, and what cannot become one."""

from __future__ import annotations

import json
import shutil
import stat
from dataclasses import replace

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from tiny_model import CONFIG, TINY, randomised

from retina_domains.bundle import Calibration, file_sha256, format_manifest, read_bundle
from retina_domains.bundle_making import Facts, read_facts
from retina_domains.card import format_card
from retina_domains.cli import main
from retina_domains.errors import BundleError, ConfigError, InputFileError, InvalidValueError, OutputError
from retina_domains.plugin.bundling import check_same, make_bundle
from retina_domains.plugin.detector import build_model, load_bundle, model_of
from retina_domains.plugin.from_config import detector_from_config
from retina_domains.plugin.models.architecture import build_architecture, spec_of_model
from retina_domains.types import Chip, Tile, Window


def facts(tiny_files) -> Facts:
    return read_facts(tiny_files / "facts.json")


def variant(tiny_files, tmp_path, old: str, new: str):
    """The tiny config with one piece of text replaced."""
    text = (tiny_files / "config.py").read_text()
    assert old in text
    path = tmp_path / "config.py"
    path.write_text(text.replace(old, new))
    return path


def test_what_is_in_it(tiny_bundle):
    bundle = read_bundle(tiny_bundle)
    manifest = bundle.manifest
    assert manifest.architecture == TINY
    assert manifest.classes == ("ship", "buoy")
    assert (manifest.mean, manifest.std) == ((40.0,), (50.0,))
    # 2 (60 / 2 + 16 + 4) = 100, and the step must be a multiple of 32.
    assert manifest.overlap == 128
    assert manifest.tile_multiple == 32
    assert manifest.research_only
    assert manifest.metrics[0].interval == (0.5, 0.7)
    assert manifest.seed == 3
    mode = (tiny_bundle / "model.safetensors").stat().st_mode
    assert mode & stat.S_IROTH


def test_how_weights_are_stored(tiny_bundle, tiny_model):
    with safe_open(tiny_bundle / "model.safetensors", framework="numpy") as weights:
        stored = {name: weights.get_tensor(name) for name in weights.keys()}
    assert stored["backbone.conv1.weight"].dtype == np.float16
    assert stored["backbone.bn1.running_var"].dtype == np.float32
    assert stored["bbox_head.level_strides"].tolist() == [4, 8, 16, 32]
    state = tiny_model.state_dict()
    for name, value in stored.items():
        assert value == pytest.approx(state[name].numpy(), rel=1e-3, abs=1e-7)


def test_card_tells_what_matters(tiny_bundle):
    card = read_bundle(tiny_bundle).card
    for text in ("Research use only", "HRSID", "unclear", "0.61", "0.5 to 0.7", "seed 3", "Finds buoys too."):
        assert text in card


def test_card_of_a_free_model_with_calibration(tiny_bundle):
    manifest = replace(
        read_bundle(tiny_bundle).manifest,
        research_only=False,
        calibration=Calibration(slope=2.0, data="val | test"),
        command=None,
    )
    card = format_card(manifest, "f" * 64)
    assert "Research use only" not in card
    assert "val \\| test: slope 2" in card
    assert "Trained with" not in card


@pytest.mark.parametrize(
    "changes",
    [
        {"depth": 50, "num_stages": 4, "base_channels": 4},
        {"scales_per_octave": 2, "ratios": (1.0,), "num_levels": 4},
        {"shared_tower": False, "head_convs": 2, "in_channels": 3, "num_classes": 1},
        {
            "num_levels": 3,
            "object_size_range": (5.0, 40.0),
            "nms_pre": 500,
            "nms_iou": 0.3,
            "max_per_img": 70,
        },
        {"centres_per_cell": 2, "stem_channels": 4},
        {"level_ratios": ((1.0,), (0.5, 1.0, 2.0), (0.5, 1.0, 2.0), (0.5, 1.0, 2.0))},
        {"level_scales": (1, 2, 2, 1)},
        {"level_convs": (1, 3, 2, 2), "head_convs": 2, "separable_tower": True},
        {"finest_stride": 8, "num_levels": 2, "object_size_range": (20.0, 60.0)},
        {"finest_stride": 2, "object_size_range": (5.0, 40.0)},
        {"num_classes": 5, "exclusive_classes": ((1, 2), (0, 4))},
    ],
)
def test_spec_of_model_is_the_spec_it_was_built_from(changes):
    spec = replace(TINY, **changes)
    assert spec_of_model(build_model(build_architecture(spec))) == spec


def test_detections_through_a_config_are_those_through_its_bundle(tiny_files, tmp_path):
    """With every setting that has a field of its own, written into the config by hand."""
    model = build_architecture(TINY, score_floor=0.05).to_dict()
    model["backbone"]["stem_channels"] = 4
    model["bbox_head"].update(level_convs=[1, 2, 2, 2], separable_tower=True)
    model["bbox_head"]["anchor_generator"].update(
        centres_per_cell=2,
        level_scales=[1, 2, 2, 2],
        level_ratios=[[1.0], [0.5, 2.0], [0.5, 2.0], [1.0, 2.0]],
    )
    config, weights = tmp_path / "config.py", tmp_path / "weights.pth"
    config.write_text(CONFIG.format(model=repr(model)))
    built = randomised(build_model(ConfigDict(model)))
    torch.save({"state_dict": built.state_dict()}, weights)
    made = make_bundle(config, weights, tmp_path / "bundle", facts(tiny_files))
    assert made.manifest.architecture.centres_per_cell == 2
    assert made.manifest.architecture.stem_channels == 4
    assert [p.out_channels for p in built.bbox_head.retina_reg] == [8, 32, 32, 32]
    ours = detector_from_config(config, weights, "cpu", 1)
    theirs = load_bundle(str(made.folder), "cpu", 1, score_floor=0.05)
    # The same numbers, as a bundle stores matrices in float16.
    with torch.no_grad():
        for value in ours._model.parameters():
            value.copy_(value.half().float() if value.ndim > 1 else value)
    ours._bfloat16 = theirs._bfloat16 = False
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 128, 160)).astype(np.float32)
    window = Window(0, 0, 128, 160)
    chip = Chip(pixels, np.ones((128, 160), bool), Tile(0, 0, window, window))
    found, again = ours.predict([chip])[0], theirs.predict([chip])[0]
    assert len(found) > 20
    assert np.array_equal(found.xyxy, again.xyxy)
    assert np.array_equal(found.scores, again.scores)
    assert np.array_equal(found.labels, again.labels)


def test_bundles_made_before_a_field_was_there_still_load(tiny_bundle, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, folder)
    data = json.loads((folder / "bundle.json").read_text())
    architecture = {name: value for name, value in data["architecture"].items() if value is not None}
    assert "centres_per_cell" not in architecture
    before = {name: value for name, value in data.items() if value is not None}
    (folder / "bundle.json").write_text(json.dumps({**before, "architecture": architecture}))
    assert read_bundle(folder).manifest == read_bundle(tiny_bundle).manifest
    assert load_bundle(str(folder), "cpu", 1).classes == ("ship", "buoy")


def test_a_new_bundle_takes_the_place_of_the_old(tiny_files, tmp_path):
    args = tiny_files / "config.py", tiny_files / "weights.pth", tmp_path / "b"
    first = make_bundle(*args, facts(tiny_files))
    again = make_bundle(*args, facts(tiny_files))
    assert again.sha256 == first.sha256
    other = make_bundle(*args, replace(facts(tiny_files), version="0.2", score_threshold=0.4))
    assert other.sha256 != first.sha256
    assert other.manifest.score_threshold == 0.4
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b"]


def test_a_folder_of_something_else_is_left_alone(tiny_files, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("x")
    with pytest.raises(OutputError, match="exists and is not a bundle"):
        make_bundle(
            tiny_files / "config.py", tiny_files / "weights.pth", tmp_path / "precious", facts(tiny_files)
        )
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "x"


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ('name="tiny",', "", ConfigError, "a bundle needs bundle=dict"),
        ("halo_px=16,", "", ConfigError, "bundle has no halo_px"),
        ("score_threshold=0.3,", "", ConfigError, "bundle has no score_threshold"),
        ('"ship", "buoy"', '"ship",', ConfigError, "classes ship for an architecture of 2"),
        ('type="CocoObjects"', 'type="CocoObjects", x=dict()', None, ""),
        ("pipeline=[]", 'pipeline=[dict(type="LoadImageFromFile")]', ConfigError, "trains on BGR"),
        (
            "'target_stds': [0.1, 0.1,",
            "'target_stds': [0.2, 0.1,",
            BundleError,
            "decoded or suppressed otherwise",
        ),
        ("'type': 'nms',", "'type': 'soft_nms',", BundleError, "decoded or suppressed otherwise"),
        ("'style': 'pytorch'", "'style': 'pytorch', 'deep_stem': True", InputFileError, "does not fit"),
    ],
)
def test_configs_whose_settings_have_no_field(tiny_files, tmp_path, old, new, error, message):
    config = variant(tiny_files, tmp_path, old, new)
    args = config, tiny_files / "weights.pth", tmp_path / "b", facts(tiny_files)
    if error is None:
        assert make_bundle(*args).manifest.name == "tiny"
        return
    with pytest.raises(error, match=message):
        make_bundle(*args)
    assert not (tmp_path / "b").exists()


def test_other_weights_are_not_the_same(tiny_model):
    other = randomised(build_model(build_architecture(TINY)), seed=1)
    with pytest.raises(BundleError, match="scores differ by"):
        check_same(tiny_model, other)


def test_weights_beyond_float16_are_refused(tiny_files, tmp_path, tiny_model):
    state = {k: v.clone() for k, v in tiny_model.state_dict().items()}
    state["backbone.conv1.weight"][0, 0, 0, 0] = 1e6
    torch.save({"state_dict": state}, tmp_path / "loud.pth")
    with pytest.raises(BundleError, match=r"'backbone\.conv1\.weight' is not finite in float16"):
        make_bundle(tiny_files / "config.py", tmp_path / "loud.pth", tmp_path / "b", facts(tiny_files))


def test_weights_of_other_strides_are_refused(tiny_bundle, tmp_path):
    bundle = read_bundle(tiny_bundle)
    weights = load_file(tiny_bundle / "model.safetensors")
    save_file(
        {**weights, "bbox_head.level_strides": np.array([8, 16, 32, 64])}, tmp_path / "model.safetensors"
    )
    manifest = replace(bundle.manifest, weights_sha256=file_sha256(tmp_path / "model.safetensors"))
    (tmp_path / "bundle.json").write_text(format_manifest(manifest))
    (tmp_path / "card.md").write_text("")
    with pytest.raises(BundleError, match=r"weights for level strides \[8, 16, 32, 64\]"):
        model_of(read_bundle(tmp_path))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (None, InputFileError, "No such file"),
        ("{", InputFileError, "not JSON"),
        ('{"version": "1"}', InvalidValueError, "missing field"),
        ('{"research_only": 1}', InvalidValueError, "research_only: expected true or false"),
    ],
)
def test_facts_that_are_none(tmp_path, text, error, message):
    path = tmp_path / "facts.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(error, match=message):
        read_facts(path)


def test_the_command(tiny_files, tmp_path, capsys):
    files = [str(tiny_files / name) for name in ("config.py", "weights.pth")]
    card = str(tiny_files / "facts.json")
    assert main(["make-bundle", *files, str(tmp_path / "b"), "--card", card]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "tiny 0.1" in out
    (tmp_path / "facts.json").write_text(json.dumps({"evil": 1}))
    assert main(["make-bundle", *files, str(tmp_path / "c"), "--card", str(tmp_path / "facts.json")]) == 2
    assert "evil: unknown field" in capsys.readouterr().err
