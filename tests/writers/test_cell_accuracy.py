"""How good the model is, as the report page tells it: figures by hand; what is told where little is known."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from html import unescape

import numpy as np
from cell_cases import CLASSES

from retina_domains.bundle import Metric, TrainingData, read_bundle, shipped_bundles
from retina_domains.cells.accuracy import count_accuracy
from retina_domains.cells.confusion import DetectorConfusion, FieldConfusion
from retina_domains.score_calibration import Calibration, LogitCurve
from retina_domains.score_report import JudgedScores, ScoreReport
from retina_domains.writers.cell_accuracy import (
    Accuracy,
    LabelErrors,
    ModelRecord,
    accuracy_section,
    judged_totals,
    licence_of,
)

TRAINING = (
    TrainingData(name="My Smears", licence="CC BY 4.0", split="train of prepare_my_smears.py", images=120),
    TrainingData(name="simulated", licence="Apache-2.0", split="all"),
)
CURVE = LogitCurve(slope=1.0, intercept=0.0)


def judged(classes: tuple[str, ...], precision: tuple[float, float, float] | None) -> JudgedScores:
    return JudgedScores(
        classes=classes,
        objects=40,
        predictions=90,
        right=40,
        curve=CURVE,
        own_curve=True,
        threshold=0.4,
        own_threshold=True,
        precision=precision,
        recall=None if precision is None else (0.75, 0.61, 0.86),
        f1=None,
        error_before=None,
        error_after=None,
        kept_error_before=None,
        kept_error_after=None,
        before=(),
        after=(),
    )


def scores() -> ScoreReport:
    return ScoreReport(
        format_version=1,
        model="m",
        classes=CLASSES,
        data="my_smears/val.json: 30 images of 3 scenes, 80 objects",
        folds="3 folds of 3 scenes",
        match="iou:0.5",
        prefer="f1",
        kept_thresholds=False,
        calibration=Calibration(slope=1.0, intercept=0.0, data=""),
        score_threshold=0.4,
        class_thresholds=(0.4, 0.4, 0.4),
        judged=(judged(("RBC",), (0.875, 0.801, 0.92)), judged(("WBC", "ring"), None)),
        errors=(),
        failures=(),
        notes=(),
    )


def confusion() -> DetectorConfusion:
    """Of 1,234 red cells 1,200 are told, in the second field WBC are not labelled, and 7 are reported."""
    first = ((1200, 0, 4, 30), (0, 9, 0, 1), (3, 0, 11, 2), (50, 2, 5, 0))
    second = ((0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0), (0, 7, 0, 0))
    fields = (
        FieldConfusion(field="a", slide="a", table=first),
        FieldConfusion(field="b", slide="b", table=second, judged=("RBC", "ring")),
    )
    return DetectorConfusion(
        format_version=1,
        classes=CLASSES,
        score_threshold=0.4,
        match="iou:0.5",
        data="my_smears/val.json, 2 fields",
        fields=fields,
    )


def record() -> ModelRecord:
    metrics = (Metric(name="AP50", value=0.8765, data="val", command="c", interval=(0.81, 0.92)),)
    return ModelRecord(training=TRAINING, metrics=metrics, scores=scores(), confusion=confusion())


def rows_of(html: str) -> list[list[str]]:
    """Texts of all table rows."""
    plain = [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<t[dh].*?</t[dh]>|</tr>", html)]
    rows: list[list[str]] = [[]]
    for cell in plain:
        if cell:
            rows[-1].append(unescape(cell))
        elif rows[-1]:
            rows.append([])
    return rows


def test_precision_recall_confusion_and_licences_are_told() -> None:
    html = accuracy_section(Accuracy(record=record()), "0.4")
    assert "my_smears/val.json: 30 images of 3 scenes, 80 objects" in html
    assert "licence of these data: CC BY 4.0" in html
    assert "3 folds of 3 scenes" in html
    rows = rows_of(html)
    assert ["RBC", "40", "0.4", "0.88 (0.80 to 0.92)", "0.75 (0.61 to 0.86)"] in rows
    assert ["WBC, ring", "40", "0.4", "-", "-"] in rows
    assert ["there: RBC", "1,200", "0", "4", "30"] in rows
    # Reports of WBC count as false only where WBC are labelled.
    assert ["there: nothing", "50", "2", "5"] in rows
    assert judged_totals(confusion())[-1].tolist() == [50, 2, 5, 0]
    assert ["AP50", "0.876", "0.810 to 0.920", "val"] in rows
    assert ["My Smears", "120", "train of prepare_my_smears.py", "CC BY 4.0"] in rows
    assert "not known" not in html


def test_another_threshold_than_the_measured_one_is_told() -> None:
    assert "This count was made at 0.25" in accuracy_section(Accuracy(record=record()), "0.25")


def test_little_is_told_where_little_is_known() -> None:
    assert "Nothing is known of its accuracy" in accuracy_section(Accuracy(), "0.4")
    bare = ModelRecord(training=TRAINING[1:], metrics=())
    html = accuracy_section(Accuracy(record=bare), "0.4")
    assert "no precision and recall" in html
    assert "Apache-2.0" in html
    assert "What it takes for what" not in html


def test_the_licence_is_that_of_the_data_set_measured_on_or_not_told() -> None:
    assert licence_of("my_smears/val.json: 3 images", TRAINING) == "CC BY 4.0"
    renamed = (replace(TRAINING[0], name="something else"), TRAINING[1])
    assert licence_of("my_smears/val.json: 3 images", renamed) == "CC BY 4.0"
    assert licence_of("other/val.json", TRAINING) == "not told"
    assert licence_of("labels.json", ()) == "not told"


def test_shipped_models_of_cells_tell_the_licence_of_what_they_were_measured_on() -> None:
    for folder in shipped_bundles().values():
        bundle = read_bundle(folder)
        if bundle.scores is not None and bundle.manifest.confusion_sha256 is not None:
            assert licence_of(bundle.scores.data, bundle.manifest.training) != "not told", folder.name


def test_errors_against_labels_are_those_of_the_count() -> None:
    figures = (
        count_accuracy("RBC", [11, 18, 30], [10, 20, 30], [None] * 3),
        count_accuracy("ring <b>", [1, 0, 0], [0, 0, 0], [None] * 3, note="where any is labelled"),
    )
    errors = LabelErrors(
        labels="val.json",
        figures={"all objects": figures, "whole objects": figures[:1], "none": ()},
        notes=(),
    )
    html = accuracy_section(Accuracy(errors=errors), "")
    rows = rows_of(html)
    told = next(row for row in rows if row[:4] == ["RBC", "3", "59", "60"])
    assert told[4].startswith("-1.7 (")
    assert told[5].startswith("6.7 (")
    expected = np.corrcoef([11, 18, 30], [10, 20, 30])[0, 1]
    assert told[6].startswith(f"{expected:.3f}")
    ring = next(row for row in rows if row[0].startswith("ring <b>"))
    assert math.isnan(figures[1].signed_percent.value)
    assert ring[4:] == ["-", "-", "-"]
    assert "val.json: all objects; 95 % bootstrap intervals over 3 fields" in html
    assert html.count("<details>") == 1
    assert "ring <b>" not in html
