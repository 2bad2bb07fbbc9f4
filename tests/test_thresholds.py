"""Which detections reach the threshold of their class, and what a detector without such thresholds gets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stub_detectors import Blobs, blob_scene, write_scene

from retina_domains.errors import InvalidValueError
from retina_domains.inference import InferenceOptions, infer_scene
from retina_domains.job import JobOutputs, OutputFile, run_job
from retina_domains.thresholds import ScoreThresholds, thresholds_of

BLOOD = ("RBC", "ring", "gametocyte")


@dataclass
class Choosy(Blobs):
    """Blobs whose classes have thresholds of their own: dots, of a score of about .4, are not meant."""

    class_thresholds: tuple[float, ...] | None = (0.6, 0.5)


def test_each_class_has_its_own() -> None:
    limits = ScoreThresholds(BLOOD, (0.38, 0.27, 0.5))
    scores = np.array([0.37, 0.38, 0.27, 0.26, 0.5, 0.49])
    assert limits.reached(scores, np.array([0, 0, 1, 1, 2, 2])).tolist() == [
        *(False, True),
        *(True, False),
        *(True, False),
    ]
    assert limits.lowest == 0.27
    assert limits.single is None
    assert limits.text == "RBC 0.38, ring 0.27, gametocyte 0.5"
    assert limits.facts == {"RBC": 0.38, "ring": 0.27, "gametocyte": 0.5}


def test_one_for_all_is_told_as_one() -> None:
    limits = thresholds_of(Blobs())
    assert (limits.values, limits.single, limits.text, limits.facts) == ((0.3, 0.3), 0.3, "0.3", 0.3)


def test_what_is_asked_goes_before_what_a_class_recommends() -> None:
    assert thresholds_of(Choosy()).values == (0.6, 0.5)
    assert thresholds_of(Choosy(class_thresholds=None)).values == (0.3, 0.3)
    assert thresholds_of(Choosy(), 0.1).values == (0.1, 0.1)
    assert thresholds_of(Blobs(), (0.1, 0.9)).values == (0.1, 0.9)


def test_classes_that_became_one_are_judged_by_the_lowest() -> None:
    limits = ScoreThresholds(BLOOD, (0.38, 0.27, 0.5))
    both = {"ring": "infected", "gametocyte": "infected"}
    assert limits.named(("infected", "RBC"), both) == (0.27, 0.38)
    assert limits.named(("object",), {}) == (0.27,)


@pytest.mark.parametrize("values", [(0.3,), (0.3, 0.4, 1.2), (0.3, -0.1, 0.4), (float("nan"), 0.1, 0.2)])
def test_what_makes_no_sense_is_refused(values: tuple[float, ...]) -> None:
    with pytest.raises(InvalidValueError, match="score threshold"):
        ScoreThresholds(BLOOD, values)


def test_an_asked_one_a_class_must_fit_the_detector() -> None:
    with pytest.raises(InvalidValueError, match="3 score thresholds for 2 classes"):
        thresholds_of(Blobs(), (0.1, 0.2, 0.3))


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 2)), max_size=20),
    st.tuples(*[st.floats(0, 1)] * 3),
)
def test_as_if_each_class_were_alone(found: list[tuple[float, int]], values: tuple[float, ...]) -> None:
    kept = ScoreThresholds(BLOOD, values).reached(
        np.array([score for score, _ in found], float), np.array([label for _, label in found], int)
    )
    assert kept.tolist() == [score >= values[label] for score, label in found]


def test_a_scene_is_searched_by_them() -> None:
    pixels, _ = blob_scene(300, 300, seed=2)
    pixels[0:3, 60:63] = 255
    loose = infer_scene(pixels, Blobs()).detections.merged.detections
    strict = infer_scene(pixels, Choosy())
    kept = strict.detections.merged.detections
    wanted = loose.scores >= np.array([0.6, 0.5])[loose.labels]
    assert 0 < wanted.sum() < len(loose)
    assert np.array_equal(kept.xyxy, loose.xyxy[wanted])
    assert strict.summary["score_threshold"] == {"blob": 0.6, "dot": 0.5}
    again = infer_scene(pixels, Choosy(), options=InferenceOptions(score_threshold=0.3))
    assert len(again.detections.merged.detections) == len(loose)


def test_outputs_say_which_were_used(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "scene.tif", blob_scene(200, 200)[0])
    out = tmp_path / "found.geojson"
    result = run_job([scene], Choosy, JobOutputs(files=(OutputFile(out),)))
    assert '"blob 0.6, dot 0.5"' in out.read_text()
    assert result.facts["inputs"][0]["score_threshold"] == {"blob": 0.6, "dot": 0.5}
