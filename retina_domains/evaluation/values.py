"""What is compared: the true objects and the predicted ones of each image, by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retina_domains.errors import InvalidValueError, LabelError
from retina_domains.types import BoolArray, FloatArray, IntArray

ImageKey = str | int


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def box_areas(xyxy: FloatArray) -> FloatArray:
    """``(N, 4)`` half-open boxes to ``(N,)`` areas."""
    areas: FloatArray = (xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1])
    return areas


def _check_columns(what: str, image: ImageKey, boxes: FloatArray, columns: dict[str, NDArray[Any]]) -> None:
    n = len(boxes)
    if boxes.shape != (n, 4):
        raise InvalidValueError(f"{what} of image {image!r}: boxes of shape {boxes.shape}, expected (N, 4)")
    for name, column in columns.items():
        if column.shape != (n,):
            raise InvalidValueError(
                f"{what} of image {image!r}: {name} of shape {column.shape}, expected ({n},) like its boxes"
            )
    if n and not np.isfinite(boxes).all():
        raise InvalidValueError(f"{what} of image {image!r} hold NaN or infinite box corners")
    if n and ((boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])).any():
        raise InvalidValueError(f"{what} of image {image!r} hold boxes with a right or lower edge first")


@dataclass(frozen=True, slots=True)
class ImageTruth:
    """The true objects of one image or scene.

    Args:
        image: its key; any predictions name it by the same.
        boxes: ``(N, 4)`` float64, half-open ``xyxy`` pixels; points are boxes without area.
        labels: ``(N,)`` int64, 0-based.
        crowd: ``(N,)`` bool; regions that may hold any number of objects, as COCO's ``iscrowd``.
        ignore: ``(N,)`` bool; single objects that count neither when found nor when missed.
        area: ``(N,)`` float64, in the unit of the area ranges it will be sliced by.
    """

    image: ImageKey
    boxes: FloatArray
    labels: IntArray
    crowd: BoolArray
    ignore: BoolArray
    area: FloatArray

    def __post_init__(self) -> None:
        columns = {
            "labels": self.labels,
            "crowd": self.crowd,
            "ignore": self.ignore,
            "area": self.area,
        }
        _check_columns("true objects", self.image, self.boxes, columns)
        for name in ("boxes", *columns):
            object.__setattr__(self, name, _read_only(getattr(self, name)))

    @classmethod
    def of(
        cls,
        image: ImageKey,
        boxes: ArrayLike,
        labels: ArrayLike,
        crowd: ArrayLike | None = None,
        ignore: ArrayLike | None = None,
        area: ArrayLike | None = None,
    ) -> ImageTruth:
        """From anything array-like; nothing is crowd or ignored, and areas are the boxes', unless given."""
        xyxy = np.asarray(boxes, np.float64).reshape(-1, 4)
        none = np.zeros(len(xyxy), np.bool_)
        return cls(
            image,
            xyxy,
            np.asarray(labels, np.int64).reshape(-1),
            none if crowd is None else np.asarray(crowd, np.bool_).reshape(-1),
            none if ignore is None else np.asarray(ignore, np.bool_).reshape(-1),
            box_areas(xyxy) if area is None else np.asarray(area, np.float64).reshape(-1),
        )

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class ImagePredictions:
    """The predicted objects of one image or scene, in any order.

    Args:
        image: its key, as in its :class:`ImageTruth`.
        boxes: ``(N, 4)`` float64, half-open ``xyxy`` pixels.
        scores: ``(N,)`` float64.
        labels: ``(N,)`` int64, 0-based.
        area: ``(N,)`` float64, in the unit of the truth's areas.
    """

    image: ImageKey
    boxes: FloatArray
    scores: FloatArray
    labels: IntArray
    area: FloatArray

    def __post_init__(self) -> None:
        columns = {"scores": self.scores, "labels": self.labels, "area": self.area}
        _check_columns("predictions", self.image, self.boxes, columns)
        if len(self) and not np.isfinite(self.scores).all():
            raise InvalidValueError(f"predictions of image {self.image!r} hold NaN or infinite scores")
        for name in ("boxes", *columns):
            object.__setattr__(self, name, _read_only(getattr(self, name)))

    @classmethod
    def of(
        cls,
        image: ImageKey,
        boxes: ArrayLike,
        scores: ArrayLike,
        labels: ArrayLike,
        area: ArrayLike | None = None,
    ) -> ImagePredictions:
        """From anything array-like; areas are the boxes' unless given."""
        xyxy = np.asarray(boxes, np.float64).reshape(-1, 4)
        return cls(
            image,
            xyxy,
            np.asarray(scores, np.float64).reshape(-1),
            np.asarray(labels, np.int64).reshape(-1),
            box_areas(xyxy) if area is None else np.asarray(area, np.float64).reshape(-1),
        )

    def __len__(self) -> int:
        return len(self.labels)


def take_truth(truth: ImageTruth, index: IntArray | BoolArray) -> ImageTruth:
    """The objects picked by an index or boolean array."""
    t = truth
    return ImageTruth(
        t.image, t.boxes[index], t.labels[index], t.crowd[index], t.ignore[index], t.area[index]
    )


def take_predictions(predictions: ImagePredictions, index: IntArray | BoolArray) -> ImagePredictions:
    """The predictions picked by an index or boolean array."""
    p = predictions
    return ImagePredictions(p.image, p.boxes[index], p.scores[index], p.labels[index], p.area[index])


def reaching(predictions: ImagePredictions, least: float | Sequence[float]) -> BoolArray:
    """``(N,)`` which predictions score at least ``least``: one number for all, or one a label."""
    own = least if isinstance(least, float | int) else np.asarray(least)[predictions.labels]
    kept: BoolArray = predictions.scores >= own
    return kept


@dataclass(frozen=True, slots=True)
class AreaRange:
    """Objects of ``low <= area <= high``; both ends belong to it, as in COCO's own evaluation."""

    name: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise InvalidValueError(f"area range {self.name!r}: {self.low} to {self.high} is empty")


ALL_AREAS = AreaRange("all", 0.0, 1e10)
COCO_AREAS = (
    ALL_AREAS,
    AreaRange("small", 0.0, 32.0**2),
    AreaRange("medium", 32.0**2, 96.0**2),
    AreaRange("large", 96.0**2, 1e10),
)
"""The ranges of COCO (Lin et al. 2014), square pixels."""
AITOD_AREAS = (
    ALL_AREAS,
    AreaRange("very_tiny", 0.0, 8.0**2),
    AreaRange("tiny", 8.0**2, 16.0**2),
    AreaRange("small", 16.0**2, 32.0**2),
    AreaRange("medium", 32.0**2, 1e10),
)
"""The ranges of AI-TOD (Wang et al. 2021, "Tiny object detection in aerial images"), square pixels."""
METRE_AREAS = (
    ALL_AREAS,
    AreaRange("under_10_m", 0.0, 10.0**2),
    AreaRange("10_to_50_m", 10.0**2, 50.0**2),
    AreaRange("50_to_150_m", 50.0**2, 150.0**2),
    AreaRange("over_150_m", 150.0**2, 1e10),
)
"""Ranges of the side of a square of the box's area, for boxes in metres: square metres."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Truth and predictions of many images laid end to end; used by every measure.

    ``*_image`` are positions in ``images``, which follows the order of the truth that was given.
    Predictions are in descending order of score within an image; equal scores keep their order, and
    ``pred_index`` is where each stood among its image's.
    """

    images: tuple[ImageKey, ...]
    truth_image: IntArray
    truth_boxes: FloatArray
    truth_labels: IntArray
    truth_crowd: BoolArray
    truth_ignore: BoolArray
    truth_area: FloatArray
    pred_index: IntArray
    pred_image: IntArray
    pred_boxes: FloatArray
    pred_scores: FloatArray
    pred_labels: IntArray
    pred_area: FloatArray


def _check_labels(labels: IntArray, n_classes: int, what: str) -> None:
    if len(labels) and (labels.min() < 0 or labels.max() >= n_classes):
        bad = labels.min() if labels.min() < 0 else labels.max()
        raise LabelError(f"{what} hold label {bad}: expected 0 to {n_classes - 1} for {n_classes} classes")


def _aligned(truth: Sequence[ImageTruth], predictions: Sequence[ImagePredictions]) -> list[ImagePredictions]:
    """Predictions in the order of the truth's images; an image without any gets an empty one."""
    by_image = {p.image: p for p in predictions}
    if len(by_image) != len(predictions):
        raise LabelError("the predictions name an image twice: give all of an image's predictions at once")
    known = {t.image for t in truth}
    if len(known) != len(truth):
        raise LabelError("the truth names an image twice: give all of an image's objects at once")
    strange = [key for key in by_image if key not in known]
    if strange:
        raise LabelError(
            f"predictions for {len(strange)} of {len(by_image)} images that the truth does not hold "
            f"(first: {strange[0]!r}): are truth and predictions of the same images?"
        )
    return [by_image.get(t.image, ImagePredictions.of(t.image, (), (), ())) for t in truth]


def _join(parts: Sequence[NDArray[Any]], like: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else like


def columns_of(
    truth: Sequence[ImageTruth], predictions: Sequence[ImagePredictions], n_classes: int
) -> Columns:
    """Lay all images end to end.

    Raises:
        LabelError: an image is named twice, predictions are for unknown images, or a label is not below
            ``n_classes``.
    """
    ordered = _aligned(truth, predictions)
    by_score = [np.argsort(-p.scores, kind="stable") for p in ordered]
    empty_truth = ImageTruth.of("", (), ())
    empty_preds = ImagePredictions.of("", (), (), ())

    def of_truth(name: str) -> NDArray[Any]:
        return _join([getattr(t, name) for t in truth], getattr(empty_truth, name))

    def of_preds(name: str) -> NDArray[Any]:
        parts = [getattr(p, name)[order] for p, order in zip(ordered, by_score, strict=True)]
        return _join(parts, getattr(empty_preds, name))

    columns = Columns(
        images=tuple(t.image for t in truth),
        truth_image=np.repeat(np.arange(len(truth)), [len(t) for t in truth]).astype(np.int64),
        truth_boxes=of_truth("boxes"),
        truth_labels=of_truth("labels"),
        truth_crowd=of_truth("crowd"),
        truth_ignore=of_truth("ignore"),
        truth_area=of_truth("area"),
        pred_index=_join([order.astype(np.int64) for order in by_score], np.zeros(0, np.int64)),
        pred_image=np.repeat(np.arange(len(ordered)), [len(p) for p in ordered]).astype(np.int64),
        pred_boxes=of_preds("boxes"),
        pred_scores=of_preds("scores"),
        pred_labels=of_preds("labels"),
        pred_area=of_preds("area"),
    )
    _check_labels(columns.truth_labels, n_classes, "true objects")
    _check_labels(columns.pred_labels, n_classes, "predictions")
    return columns
