"""COCO-layout images with defaults that do not lose small objects."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmdet.datasets import BaseDetDataset
from mmdet.registry import DATASETS

from retina_domains.errors import InputFileError, LabelError


@DATASETS.register_module()
class CocoObjects(BaseDetDataset):  # type: ignore[misc]
    """Objects in COCO json, one image a sample, of any kind that ``LoadPixels`` reads.

    Unlike MMDetection's ``CocoDataset``: images without objects are kept (empty sea teaches), no object is
    dropped for being small, a class that the file does not know is an error instead of a set without boxes,
    objects of a class that nobody asked for are one too unless they are named in ``drop``, and boxes that
    stick out are clipped. Boxes marked ``iscrowd`` or ``ignore`` stay as ignored regions.

    Args:
        ann_file: COCO json, relative to ``data_root``.
        classes: names in the order of labels.
        data_root: folder that ``ann_file`` and ``images`` are relative to.
        images: folder of the images, relative to ``data_root``.
        pipeline: transforms.
        test_mode: evaluation.
        drop: names of the file's classes whose objects are left out.

    Raises:
        InputFileError: the file is missing or not json.
        LabelError: it is not COCO, or its classes do not match.
    """

    def __init__(
        self,
        ann_file: str,
        classes: Sequence[str],
        data_root: str = "",
        images: str = "images",
        pipeline: Sequence[Mapping[str, Any]] = (),
        test_mode: bool = False,
        drop: Sequence[str] = (),
    ) -> None:
        self.drop = tuple(drop)
        super().__init__(
            ann_file=ann_file,
            metainfo={"classes": tuple(classes)},
            data_root=data_root,
            data_prefix={"img": images},
            pipeline=list(pipeline),
            test_mode=test_mode,
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """One record an image: path, size and instances (xyxy, label, ignore flag)."""
        coco = read_coco(Path(self.ann_file))
        label_of = category_labels(coco["categories"], self.metainfo["classes"], self.ann_file)
        self._check_left_out(coco, label_of)
        records = {
            image["id"]: {
                "img_path": str(Path(self.data_prefix["img"]) / image["file_name"]),
                "img_id": image["id"],
                "height": image["height"],
                "width": image["width"],
                "scene": str(image.get("scene", image.get("patient", ""))),
                "instances": [],
            }
            for image in coco["images"]
        }
        for annotation in coco["annotations"]:
            record = records.get(annotation["image_id"])
            if record is None:
                raise LabelError(
                    f"{self.ann_file}: annotation {annotation.get('id')} names image "
                    f"{annotation['image_id']}, which is not in the file: mend the file"
                )
            instance = _instance(annotation, label_of, record["width"], record["height"])
            if instance is not None:
                record["instances"].append(instance)
        return list(records.values())

    def _check_left_out(self, coco: Mapping[str, Any], label_of: Mapping[int, int]) -> None:
        name_of = {c["id"]: c["name"] for c in coco["categories"]}
        left_out = Counter(
            str(name_of.get(a["category_id"], a["category_id"]))
            for a in coco["annotations"]
            if a["category_id"] not in label_of
        )
        if wrong := {name: count for name, count in left_out.items() if name not in self.drop}:
            told = ", ".join(f"{count} of {name}" for name, count in wrong.items())
            raise LabelError(
                f"{self.ann_file}: {told} would be left out, which classes "
                f"({', '.join(self.metainfo['classes'])}) do not name: add them, or name them in drop"
            )

    def filter_data(self) -> list[dict[str, Any]]:
        """Nothing is filtered: see the class."""
        return list(self.data_list)


def read_coco(path: Path) -> dict[str, Any]:
    """The parsed file; raises ``InputFileError`` or ``LabelError`` in one line where it cannot serve."""
    try:
        coco = json.loads(path.read_text())
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}): check the path") from error
    except ValueError as error:
        raise LabelError(f"{path}: is not JSON ({error}): expected a COCO file") from error
    if not isinstance(coco, dict) or not {"images", "annotations", "categories"} <= coco.keys():
        raise LabelError(f"{path}: expected the COCO keys images, annotations and categories")
    return coco


def category_labels(
    categories: Sequence[Mapping[str, Any]], classes: Sequence[str], path: object
) -> dict[int, int]:
    """COCO category_id to 0-based label; classes that the file does not have are an error."""
    names = {c["name"]: c["id"] for c in categories}
    missing = [c for c in classes if c not in names]
    if missing:
        raise LabelError(
            f"{path}: no category {', '.join(missing)}; the file has {', '.join(names)} "
            "(names must match in case too): set classes to these, or mend the file"
        )
    return {names[c]: label for label, c in enumerate(classes)}


def _instance(
    annotation: Mapping[str, Any], label_of: Mapping[int, int], width: int, height: int
) -> dict[str, Any] | None:
    if annotation["category_id"] not in label_of:
        return None
    x, y, w, h = annotation["bbox"]
    x1, y1, x2, y2 = max(0.0, x), max(0.0, y), min(float(width), x + w), min(float(height), y + h)
    if x2 <= x1 or y2 <= y1:
        return None
    ignored = bool(annotation.get("iscrowd") or annotation.get("ignore"))
    return {
        "bbox": [x1, y1, x2, y2],
        "bbox_label": label_of[annotation["category_id"]],
        "ignore_flag": int(ignored),
    }
