"""A detector's confusion: made from matches, summed by hand, there and back as JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from retina_domains.cells.confusion import (
    DetectorConfusion,
    FieldConfusion,
    FieldInfo,
    confusion_of,
    format_confusion,
    parse_confusion,
)
from retina_domains.errors import InvalidValueError
from retina_domains.evaluation.matching import MatchRule, match_objects
from retina_domains.evaluation.values import ImagePredictions, ImageTruth

CLASSES = ("RBC", "ring", "trophozoite")


def confusion(*fields):
    return DetectorConfusion(
        format_version=1, classes=CLASSES, score_threshold=0.5, match="iou:0.5", data="val", fields=fields
    )


def field(name, slide, table, **more):
    return FieldConfusion(field=name, slide=slide, table=tuple(tuple(row) for row in table), **more)


A = field("a", "s1", [[90, 1, 0, 4], [2, 6, 1, 1], [0, 1, 3, 0], [5, 1, 0, 0]], area_mm2=0.01)
B = field("b", "s1", [[80, 0, 2, 8], [1, 4, 0, 0], [0, 0, 2, 1], [3, 0, 1, 0]], area_mm2=0.01)
C = field("c", "s2", [[70, 1, 0, 1], [0, 5, 0, 2], [1, 0, 1, 0], [0, 0, 0, 0]], area_mm2=0.02)
STAGES = ("ring", "trophozoite")


def test_a_stage_taken_for_another_is_no_miss_of_an_infected_cell():
    found = confusion(A, B, C).found(STAGES)
    # Slide 1: 6 + 1 + 1 + 3 and 4 + 2 of 10 + 4 and 5 + 3; slide 2: 5 + 1 of 7 + 2.
    assert found.part.tolist() == [17, 6]
    assert found.whole.tolist() == [22, 9]
    assert found.ratio == pytest.approx(23 / 31)
    assert confusion(A, B, C).found(("ring",)).part.tolist() == [10, 5]


def test_false_reports_are_those_where_no_infected_cell_is():
    both = confusion(A, B, C)
    per_healthy = both.false(STAGES, per=("RBC",))
    assert per_healthy.part.tolist() == [1 + 1 + 2 + 1, 1]
    assert per_healthy.whole.tolist() == [95 + 90, 72]
    by_field = both.false_by_field(STAGES)
    assert by_field.whole.tolist() == [2, 1]
    assert both.false_by_field(STAGES, per_mm2=True).whole.tolist() == pytest.approx([0.02, 0.02])


def test_all_reports_against_all_that_are_there():
    counts = confusion(A, B, C).reported(CLASSES)
    assert counts.part.tolist() == [90 + 1 + 2 + 6 + 1 + 1 + 3 + 5 + 1 + 80 + 2 + 1 + 4 + 2 + 3 + 1, 78]
    assert counts.whole.tolist() == [95 + 10 + 4 + 90 + 5 + 3, 81]
    assert confusion(A, B, C).totals().sum() == sum(np.sum(one.table) for one in (A, B, C))


def test_fields_in_which_a_class_is_not_labelled_do_not_judge_it():
    unjudged = field("d", "s3", [[9, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 30, 0, 0]], judged=("RBC",))
    both = confusion(A, unjudged)
    assert both.false_by_field(STAGES).fields == 1
    assert both.reported(("RBC",)).fields == 2
    with pytest.raises(InvalidValueError, match="no field of the confusion has ring, trophozoite labelled"):
        confusion(unjudged).found(STAGES)


def test_there_and_back_as_json():
    both = confusion(A, B, C)
    assert parse_confusion(format_confusion(both)) == both
    data = json.loads(format_confusion(both))
    data["fields"][1]["table"][0][0] = -1
    with pytest.raises(InvalidValueError, match=r"val/confusion.json: fields\[1\].*negative"):
        parse_confusion(json.dumps(data), "val/confusion.json")
    with pytest.raises(InvalidValueError, match="not valid JSON"):
        parse_confusion("{")
    data = json.loads(format_confusion(both)) | {"format_version": 2}
    with pytest.raises(InvalidValueError, match="this release reads 1"):
        parse_confusion(json.dumps(data))


def test_from_matches_across_classes():
    cells = [[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [60, 0, 70, 10]]
    truth = [ImageTruth.of("f1", cells, [0, 1, 2, 0], ignore=[0, 0, 0, 1]), ImageTruth.of("f2", (), ())]
    seen = [[0, 0, 10, 10], [20, 0, 30, 10], [60, 0, 70, 10], [80, 0, 90, 10], [0, 0, 9, 9]]
    predictions = [
        ImagePredictions.of("f1", seen, [0.9, 0.8, 0.9, 0.7, 0.2], [1, 1, 0, 2, 0]),
        ImagePredictions.of("f2", [[0, 0, 5, 5]], [0.6], [0]),
    ]
    matched = match_objects(truth, predictions, CLASSES, MatchRule("iou", 0.5, by_class=False), 0.5)
    made = confusion_of(matched, [FieldInfo("s1", 0.01), FieldInfo("s2")], 0.5, "iou:0.5", "val")
    assert made.fields[0].table == ((0, 1, 0, 0), (0, 1, 0, 0), (0, 0, 0, 1), (0, 0, 1, 0))
    assert made.fields[1].table == ((0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0), (1, 0, 0, 0))
    assert [one.slide for one in made.fields] == ["s1", "s2"]
    by_class = match_objects(truth, predictions, CLASSES, MatchRule("iou", 0.5))
    with pytest.raises(InvalidValueError, match="by_class=False"):
        confusion_of(by_class, [FieldInfo("s1"), FieldInfo("s2")], 0.5, "iou:0.5", "val")
    with pytest.raises(InvalidValueError, match="1 infos for 2 images"):
        confusion_of(matched, [FieldInfo("s1")], 0.5, "iou:0.5", "val")


def test_thresholds_a_class():
    apart = replace(confusion(A), score_threshold=0.3, class_thresholds=(0.5, 0.3, 0.4))
    assert parse_confusion(format_confusion(apart)) == apart
    assert apart.thresholds.text == "RBC 0.5, ring 0.3, trophozoite 0.4"
    with pytest.raises(InvalidValueError, match="expected the lowest of them"):
        replace(apart, score_threshold=0.4)
    with pytest.raises(InvalidValueError, match="2 score thresholds for 3 classes"):
        replace(apart, class_thresholds=(0.5, 0.3))


def test_what_makes_no_sense_is_refused():
    with pytest.raises(InvalidValueError, match="expected a square table"):
        field("a", "s", [[1, 2]])
    with pytest.raises(InvalidValueError, match="no object"):
        field("a", "s", [[1, 2], [0, 1]])
    with pytest.raises(InvalidValueError, match="of 2 rows for 3 classes"):
        confusion(field("a", "s", [[1, 2], [0, 0]]))
    with pytest.raises(InvalidValueError, match="one or more labelled fields"):
        confusion()
    with pytest.raises(InvalidValueError, match="class 'WBC'"):
        confusion(A).found(("WBC",))
    with pytest.raises(InvalidValueError, match="not all fields of the confusion have an area"):
        confusion(A, field("b", "s", A.table)).false_by_field(STAGES, per_mm2=True)
