"""The plugin comes before anything of MMDetection, in every test of this room; a tiny model for all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_model import CONFIG, FACTS, TINY, randomised

import retina_domains.plugin  # noqa: F401
from retina_domains.bundle_making import read_facts
from retina_domains.plugin.bundling import make_bundle
from retina_domains.plugin.detector import build_model
from retina_domains.plugin.models.architecture import build_architecture
from retina_domains.plugin.models.detector import SmallObjectRetinaNet

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_model() -> SmallObjectRetinaNet:
    """A model of 60,000 weights, random but always the same."""
    return randomised(build_model(build_architecture(TINY, score_floor=0.05)))


@pytest.fixture(scope="session")
def tiny_files(tmp_path_factory: pytest.TempPathFactory, tiny_model: SmallObjectRetinaNet) -> Path:
    """A folder with its ``config.py``, ``weights.pth`` and ``facts.json``."""
    folder = tmp_path_factory.mktemp("tiny")
    model = build_architecture(TINY, score_floor=0.05).to_dict()
    (folder / "config.py").write_text(CONFIG.format(model=repr(model)))
    torch.save({"state_dict": tiny_model.state_dict()}, folder / "weights.pth")
    (folder / "facts.json").write_text(json.dumps(FACTS))
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tiny_files: Path) -> Path:
    """The bundle of the tiny model."""
    facts = read_facts(tiny_files / "facts.json")
    return make_bundle(
        tiny_files / "config.py", tiny_files / "weights.pth", tiny_files / "bundle", facts
    ).folder
