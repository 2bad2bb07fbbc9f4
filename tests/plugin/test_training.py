from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from safetensors.torch import load_file, save_file
from tiny_model import TINY
from torch import nn

from retina_domains.cli import main
from retina_domains.commands.settings import parse_setting
from retina_domains.errors import BundleError, ConfigError, InputFileError, InvalidValueError
from retina_domains.plugin import training
from retina_domains.plugin.detector import build_model
from retina_domains.plugin.hooks.precision import AutocastOptimWrapper
from retina_domains.plugin.models.architecture import build_architecture
from retina_domains.plugin.training import load_config, load_start_weights, train


def test_options_are_set_over_the_config(tmp_path: Path) -> None:
    path = tmp_path / "c.py"
    path.write_text("a = dict(b=1, c=2)\n")
    assert load_config(path, {"a.b": 5}).a == {"b": 5, "c": 2}


def test_a_config_that_cannot_serve_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputFileError, match="no such file"):
        load_config(tmp_path / "no.py")
    broken = tmp_path / "broken.py"
    broken.write_text("a = = 1\n")
    with pytest.raises(ConfigError, match="cannot be loaded as a config"):
        load_config(broken)
    assert main(["train", str(tmp_path / "no.py")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b=3", ("a.b", 3)),
        ("a=[1, 2]", ("a", [1, 2])),
        ("a=some/path", ("a", "some/path")),
        ("a=x=y", ("a", "x=y")),
    ],
)
def test_settings_are_literals_or_text(text: str, expected: tuple[str, object]) -> None:
    assert parse_setting(text) == expected


@pytest.mark.parametrize("text", ["a", "=3"])
def test_settings_without_key_or_value_are_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="expected KEY=VALUE"):
        parse_setting(text)


def bundle(folder: Path, tensors: dict[str, torch.Tensor]) -> str:
    save_file(tensors, folder / "model.safetensors")
    (folder / "bundle.json").write_text("{}")
    return str(folder)


def test_a_bundle_s_half_precision_weights_start_a_model(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    wanted = {"weight": torch.rand(2, 3).half(), "bias": torch.rand(2).half()}
    load_start_weights(model, bundle(tmp_path, wanted))
    assert model.weight.dtype == torch.float32
    assert torch.equal(model.weight.data, wanted["weight"].float())


def test_a_shipped_kind_of_bundle_starts_the_model_that_it_was_made_of(tiny_bundle: Path) -> None:
    """Its file holds tensors that levels share once, and no counts of batches."""
    stored = load_file(tiny_bundle / "model.safetensors")
    model = build_model(build_architecture(TINY))
    assert len(stored) < len(model.state_dict())
    load_start_weights(model, str(tiny_bundle))
    state = model.state_dict()
    for name, value in stored.items():
        assert torch.equal(state[name], value.to(state[name].dtype)), name
    towers = [chain[0].conv.weight for chain in model.bbox_head.cls_tower]
    assert torch.equal(towers[1], stored["bbox_head.cls_tower.0.0.conv.weight"].float())


def test_weights_that_do_not_fit_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r'2 tensors do not fit.*first bias.*--set "init_parts='):
        load_start_weights(nn.Linear(3, 2), bundle(tmp_path, {"weight": torch.rand(2, 4).half()}))


def test_named_parts_alone_start_from_a_checkpoint(tmp_path: Path) -> None:
    model = nn.ModuleDict({"backbone": nn.Linear(3, 2), "head": nn.Linear(2, 1)})
    before = model["head"].weight.detach().clone()
    # The other model's head has more classes.
    other = nn.ModuleDict({"backbone": nn.Linear(3, 2), "head": nn.Linear(2, 5)})
    torch.save({"state_dict": other.state_dict()}, tmp_path / "iter_10.pth")
    load_start_weights(model, str(tmp_path / "iter_10.pth"), ("backbone",))
    assert torch.equal(model["backbone"].weight, other["backbone"].weight)
    assert torch.equal(model["head"].weight, before)
    with pytest.raises(BundleError, match=r"there is no such part \(neck"):
        load_start_weights(model, str(tmp_path / "iter_10.pth"), ("neck",))


@pytest.mark.parametrize(("precision", "dtype"), [("bfloat16", torch.bfloat16), ("float32", torch.float32)])
def test_the_forward_pass_runs_in_the_precision_asked_for(precision: str, dtype: torch.dtype) -> None:
    model = nn.Linear(3, 2)
    wrapper = AutocastOptimWrapper(torch.optim.SGD(model.parameters(), 0.1), precision=precision)
    with wrapper.optim_context(model):
        out = model(torch.rand(1, 3))
    assert out.dtype == dtype
    before = model.weight.detach().clone()
    wrapper.update_params(out.float().sum())
    assert model.weight.dtype == torch.float32
    assert not torch.equal(before, model.weight)


def test_unknown_precision_is_refused() -> None:
    with pytest.raises(ConfigError, match="float16"):
        AutocastOptimWrapper(torch.optim.SGD(nn.Linear(1, 1).parameters(), 0.1), precision="float16")


def test_resuming_goes_on_from_the_work_dir_whatever_the_config_starts_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[bool, str]] = []

    class Runner:
        def train(self) -> None:
            pass

        @classmethod
        def from_cfg(cls, config: Config) -> Runner:
            asked.append((config.resume, config.load_from))
            return cls()

    monkeypatch.setattr(training, "PluginRunner", Runner)
    config = Config({"load_from": "elsewhere.pth"})
    train(config, tmp_path, resume=True)
    (tmp_path / "last_checkpoint").write_text("mine.pth")
    train(config, tmp_path, resume=True)
    assert asked == [(False, "elsewhere.pth"), (True, "mine.pth")]
