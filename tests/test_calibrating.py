"""What is told of scores on invented fields of which everything is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from score_cases import CLASSES, labelled_fields

from retina_domains.calibrating import measure_scores
from retina_domains.commands.calibrate import preferences
from retina_domains.errors import InvalidValueError
from retina_domains.evaluation.bootstrap import BootstrapSpec
from retina_domains.evaluation.score_fit import FitSpec
from retina_domains.failure_pictures import MOST_BYTES, write_failures
from retina_domains.score_report import ScoreReport, format_scores, parse_scores
from retina_domains.score_text import score_table, told_choice
from retina_domains.writers.reliability import reliability_svg

FEW = BootstrapSpec(30)
AS_ONE = FitSpec((("ring", "gametocyte"),), bootstrap=FEW)


@pytest.fixture(scope="module")
def report() -> ScoreReport:
    return measure_scores(labelled_fields(), AS_ONE).report


def test_figures_by_hand(report: ScoreReport) -> None:
    red, infected = report.judged
    assert (red.classes, infected.classes) == (("RBC",), ("ring", "gametocyte"))
    assert (red.objects, red.predictions, red.right) == (200, 200, 180)
    assert (infected.objects, infected.predictions, infected.right) == (60, 80, 60)
    # What is right and what is wrong lie apart, so that the cut is between them.
    assert red.precision is not None
    assert red.recall is not None
    assert (red.precision[0], red.recall[0]) == (1.0, pytest.approx(0.9))
    assert infected.f1 is not None
    assert infected.f1[0] == 1.0
    # All red cells score .6 and are right, one of ten .3 and is wrong; rings .3 and right, .1 and wrong.
    assert red.error_before == pytest.approx((180 * 0.4 + 20 * 0.3) / 200)
    assert infected.error_before == pytest.approx((60 * 0.7 + 20 * 0.1) / 80)
    assert red.error_after is not None
    assert red.error_after < 0.05


def test_thresholds_divide_what_is_right_from_what_is_wrong(report: ScoreReport) -> None:
    limits = dict(zip(CLASSES, report.class_thresholds, strict=True))
    assert limits["ring"] == limits["gametocyte"]
    for name, wrong, right in (("RBC", 0.3, 0.6), ("ring", 0.1, 0.3)):
        label = np.full(2, CLASSES.index(name))
        low, high = report.calibration.apply(np.array([wrong, right]), label)
        assert low < limits[name] < high
    assert report.data == "invented/val.json: 20 images of 5 scenes, 260 objects"
    assert report.folds == "5 folds of 5 scenes"


def test_thresholds_that_stay_keep_their_raw_scores() -> None:
    raw = (0.25, 0.05, 0.5)
    kept = measure_scores(labelled_fields(), replace(AS_ONE, together=()), raw).report
    back = [kept.calibration.raw(v, label) for label, v in enumerate(kept.class_thresholds)]
    assert back == pytest.approx(raw)
    red = kept.judged[0]
    assert red.precision is not None
    assert red.precision[0] == pytest.approx(0.9)


def test_confusion_is_that_of_cells_at_the_thresholds(report: ScoreReport) -> None:
    confusion = report.confusion
    assert confusion is not None
    assert confusion.classes == CLASSES
    assert confusion.class_thresholds == report.class_thresholds
    # Rows and columns: RBC, ring, gametocyte, nothing.
    assert confusion.fields[0].table == ((9, 0, 0, 1), (0, 1, 1, 0), (0, 0, 1, 0), (0, 0, 0, 0))
    assert [one.slide for one in confusion.fields[:6]] == [f"slide{k % 5}" for k in range(6)]


def test_errors_at_the_thresholds(report: ScoreReport) -> None:
    assert {one.what: one.count for one in report.errors} == {"missed": 20, "classification": 20}
    assert [one.what for one in report.failures] == ["classification"] * 6 + ["missed"] * 6
    first = report.failures[0]
    assert (first.class_name, first.x, first.size) == ("gametocyte", 2105.0, 10.0)


def test_there_and_back(report: ScoreReport) -> None:
    assert parse_scores(format_scores(report)) == report
    with pytest.raises(InvalidValueError, match=r"a\.json: .*reads 1"):
        parse_scores(format_scores(report).replace('"format_version": 1', '"format_version": 9', 1), "a.json")
    with pytest.raises(InvalidValueError, match="not valid JSON"):
        parse_scores("{")


def test_the_table_and_the_figure(report: ScoreReport) -> None:
    text = score_table(report)
    assert "ring, gametocyte" in text
    assert "errors: " in text
    drawing = reliability_svg(report)
    assert len(drawing) < 12_000
    root = ElementTree.fromstring(drawing)
    shapes = [part.tag.split("}")[1] for part in root.iter()]
    # Raw scores: two bins each; and as many marks of calibrated ones, one of each in the key.
    assert shapes.count("rect") == 1 + 4 + 1
    assert shapes.count("circle") >= 4 + 1


def test_a_class_without_labels_has_what_all_have() -> None:
    labelled = labelled_fields()
    never = measure_scores(replace(labelled, classes=(*CLASSES, "schizont")), AS_ONE).report
    assert never.calibration.by_class is not None
    assert never.calibration.by_class[3] is None
    assert never.class_thresholds[3] == never.score_threshold
    assert any(note.startswith("schizont: the labels hold none") for note in never.notes)


def test_labels_of_another_kind_are_refused() -> None:
    labelled = labelled_fields()
    renamed = replace(labelled, align=replace(labelled.align, class_map={"RBC": "cell"}))
    with pytest.raises(InvalidValueError, match="class 'cell' is none of the model's"):
        measure_scores(renamed, FitSpec(bootstrap=FEW))


def test_a_class_that_is_none_of_the_models_cannot_be_judged() -> None:
    with pytest.raises(InvalidValueError, match=r"class 'pf' .* expected some of RBC, ring, gametocyte"):
        measure_scores(labelled_fields(), FitSpec((("ring", "pf"),)))


def test_what_thresholds_are_chosen_by() -> None:
    assert preferences([]) == ("f1", ())
    assert preferences(["ring=recall", "count"]) == ("count", (("ring", "recall"),))
    with pytest.raises(
        InvalidValueError, match="--prefer f2: expected f1, precision, recall, count, expected, or "
    ):
        preferences(["f2"])
    with pytest.raises(InvalidValueError, match="--prefer =f1: expected"):
        preferences(["=f1"])
    with pytest.raises(InvalidValueError, match="--prefer recall: all classes is named twice"):
        preferences(["f1", "recall"])
    with pytest.raises(InvalidValueError, match="--prefer ring=count: ring is named twice"):
        preferences(["ring=f1", "ring=count"])


def test_a_preference_of_one_class_is_told() -> None:
    labelled = labelled_fields()
    own = replace(AS_ONE, prefer_of=(("ring", "count"), ("RBC", "f1")))
    report = measure_scores(labelled, own).report
    assert [one.prefer for one in report.judged] == [None, "count"]
    assert parse_scores(format_scores(report)) == report
    assert told_choice(report) == (
        "A threshold is where F1 is largest; "
        "for ring, gametocyte where as many are kept as there are objects."
    )
    with pytest.raises(InvalidValueError, match="class 'pf' is to have a threshold of its own kind"):
        measure_scores(labelled, replace(AS_ONE, prefer_of=(("pf", "count"),)))


def test_a_sheet_of_the_worst_errors(tmp_path: Path) -> None:
    labelled = labelled_fields()
    rng = np.random.default_rng(0)
    images = {}
    for name in labelled.truth.scenes:
        images[name] = tmp_path / name
        Image.fromarray(rng.integers(0, 256, (60, 2200, 3), np.uint8)).save(images[name])
    measured = measure_scores(labelled, AS_ONE)
    write_failures(tmp_path / "sheet.png", measured.errors, images)
    assert (tmp_path / "sheet.png").stat().st_size <= MOST_BYTES
    with Image.open(tmp_path / "sheet.png") as sheet:
        colors = {color for _, color in sheet.convert("RGB").getcolors(1 << 24) or []}
    # Labelled and reported, in two colours that all can tell apart.
    assert {(86, 180, 233), (230, 159, 0)} <= colors
