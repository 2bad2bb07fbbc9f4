"""Bundles made anew of others: same weights, what is told of them as it was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from score_cases import MANIFEST, labelled_fields, write_bundle

from retina_domains.bundle import read_bundle
from retina_domains.bundle_making import Facts, Measured, read_scores, remake_bundle
from retina_domains.calibrating import measure_scores
from retina_domains.card import notes_of
from retina_domains.cli import main
from retina_domains.counting import bundle_options
from retina_domains.errors import BundleError, InvalidValueError, LabelError, OutputError
from retina_domains.evaluation.bootstrap import BootstrapSpec
from retina_domains.evaluation.score_fit import FitSpec
from retina_domains.score_report import ScoreReport, format_scores


@pytest.fixture(scope="module")
def scores() -> ScoreReport:
    spec = FitSpec((("ring", "gametocyte"),), bootstrap=BootstrapSpec(30))
    return measure_scores(labelled_fields(), spec, command="retina-domains calibrate …").report


def train_labels(path: Path, sides: list[float], name: str = "ring") -> str:
    """COCO: one object of each side."""
    objects = [
        {"id": k + 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, s, s], "area": s * s, "iscrowd": 0}
        for k, s in enumerate(sides)
    ]
    images = [{"id": 1, "file_name": "a.png", "width": 500, "height": 500}]
    path.write_text(
        json.dumps({"images": images, "annotations": objects, "categories": [{"id": 1, "name": name}]})
    )
    return str(path)


def test_scores_become_calibration_thresholds_card_figure_and_confusion(
    tmp_path: Path, scores: ScoreReport
) -> None:
    source = write_bundle(tmp_path / "a", notes="Fails on clumps.")
    made = remake_bundle(source, tmp_path / "b", measured=Measured(scores=scores))
    assert made.manifest.calibration == scores.calibration
    assert made.manifest.class_thresholds == scores.class_thresholds
    assert made.manifest.training == MANIFEST.training
    assert (made.folder / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
    assert made.scores == replace(scores, confusion=None)
    assert bundle_options(made.folder).confusion == scores.confusion
    assert (made.folder / "reliability.svg").read_text().startswith("<svg")
    assert "](reliability.svg)" in made.card
    assert scores.thresholds.text in made.card
    assert "ring, gametocyte are judged as one" in made.card
    assert "| f0.png |" in made.card
    assert notes_of(made.card) == "Fails on clumps."


def test_in_its_own_place_and_again_without_a_change(tmp_path: Path, scores: ScoreReport) -> None:
    folder = write_bundle(tmp_path / "a", notes="Once.")
    first = remake_bundle(folder, folder, measured=Measured(scores=scores))
    again = remake_bundle(folder, folder)
    assert again.sha256 == first.sha256
    assert again.card == first.card
    assert bundle_options(folder).confusion == scores.confusion
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_bundle_s_own_scores_given_again_keep_what_counts_are_corrected_by(
    tmp_path: Path, scores: ScoreReport
) -> None:
    folder = write_bundle(tmp_path / "a")
    first = remake_bundle(folder, folder, measured=Measured(scores=scores))
    again = remake_bundle(folder, folder, measured=Measured(scores=read_scores(folder / "scores.json")))
    assert again.sha256 == first.sha256
    assert bundle_options(folder).confusion == scores.confusion


def test_errors_that_were_measured_at_other_thresholds_go(tmp_path: Path, scores: ScoreReport) -> None:
    folder = write_bundle(tmp_path / "a")
    remake_bundle(folder, folder, measured=Measured(scores=scores))
    facts = Facts(research_only=True, training=(), metrics=(), score_threshold=0.7, notes="By hand.")
    by_hand = remake_bundle(folder, tmp_path / "b", facts)
    assert by_hand.manifest.thresholds.values == (0.7, 0.7, 0.7)
    assert by_hand.scores is None
    assert bundle_options(by_hand.folder).confusion is None
    assert notes_of(by_hand.card) == "By hand."


@pytest.mark.parametrize("name", ["scores.json", "confusion.json"])
def test_a_file_that_was_changed_is_noticed(tmp_path: Path, scores: ScoreReport, name: str) -> None:
    folder = write_bundle(tmp_path / "a")
    remake_bundle(folder, folder, measured=Measured(scores=scores))
    (folder / name).write_text("{}")
    with pytest.raises(BundleError, match=r"its sha256 is not the one in bundle\.json"):
        read_bundle(folder)


def test_sizes_of_training_objects(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "a")
    # The network is made for 12 to 60 px.
    labels = train_labels(tmp_path / "train.json", [5, 11.9, 12, 60, 60.1, 30])
    made = remake_bundle(folder, tmp_path / "b", measured=Measured(train_labels=(labels, labels)))
    assert made.manifest.object_sizes is not None
    told = {s.name: (s.objects, s.below, s.above) for s in made.manifest.object_sizes}
    assert told == {"RBC": (0, 0, 0), "ring": (12, 4, 2), "gametocyte": (0, 0, 0)}
    assert "Of the 12 training objects 4 are smaller than 12 px and 2 larger than 60 px" in made.card
    strange = train_labels(tmp_path / "other.json", [20], name="schizont")
    with pytest.raises(LabelError, match="class 'schizont', the model has RBC, ring, gametocyte"):
        remake_bundle(folder, tmp_path / "c", measured=Measured(train_labels=(strange,)))


def test_what_does_not_go_together(tmp_path: Path, scores: ScoreReport) -> None:
    folder = write_bundle(tmp_path / "a")
    other = Measured(scores=replace(scores, model="other"))
    with pytest.raises(InvalidValueError, match=r"scores of other .* for a bundle test-thin"):
        remake_bundle(folder, tmp_path / "b", measured=other)
    facts = Facts(research_only=True, training=(), metrics=(), score_threshold=0.7)
    with pytest.raises(InvalidValueError, match="facts tell score_threshold and so do the scores"):
        remake_bundle(folder, tmp_path / "b", facts, Measured(scores=scores))
    (tmp_path / "full").mkdir()
    with pytest.raises(OutputError, match="exists and is not a bundle"):
        remake_bundle(folder, tmp_path / "full")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "full"]


def test_the_command(tmp_path: Path, scores: ScoreReport, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_bundle(tmp_path / "a")
    (tmp_path / "scores.json").write_text(format_scores(scores))
    call = ["make-bundle", "--model", str(folder), str(tmp_path / "b"), "--scores"]
    assert main([*call, str(tmp_path / "scores.json")]) == 0
    assert "test-thin 1" in capsys.readouterr().out
    assert main([*call, str(tmp_path / "none.json")]) == 2
    assert main(["make-bundle", "--model", str(folder), "a", "b"]) == 2
    assert "expected OUT alone" in capsys.readouterr().err
    assert main(["make-bundle", "a.py", "b.pth", "out"]) == 2
    assert "--card" in capsys.readouterr().err
