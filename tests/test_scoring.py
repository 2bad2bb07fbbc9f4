"""Scoring: an oracle reaches 1, known mistakes cost what they must, wrong inputs are named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retina_domains.cli import main
from retina_domains.commands import test as command
from retina_domains.errors import InputFileError, InvalidValueError, LabelError
from retina_domains.evaluation.align import AlignSpec
from retina_domains.evaluation.bootstrap import BootstrapSpec
from retina_domains.evaluation.matching import MatchRule
from retina_domains.evaluation.objects import SceneFacts
from retina_domains.evaluation.report import Evaluation, ReportSpec, evaluate
from retina_domains.readers.labels import read_objects
from retina_domains.scoring import compare_detections, detect_images, detect_whole, labelled_images
from retina_domains.types import Chip, Detections, Detector, InputSpec

SIZE = (50, 70)
BOXES = {1: [(4, 5, 14, 13, 1)], 2: [(20, 30, 44, 42, 1), (50, 5, 62, 17, 2)], 3: []}
SPEC = AlignSpec(MatchRule("iou", 0.5))


class Told:
    """A detector that knows the boxes of each image by its brightness, and may shift or forget them."""

    classes: tuple[str, ...] = ("ship", "buoy")
    max_object_px, halo_px, tile_multiple, tile_size, score_threshold = 50, 8, 32, 64, 0.5

    def __init__(self, shift: float = 0.0, forget: tuple[int, ...] = (), saturated: bool = False):
        self.input_spec = InputSpec(1)
        self.provenance = {"model": "told"}
        self.shift, self.forget, self.saturated = shift, forget, saturated
        self.seen: list[Chip] = []

    def predict(self, batch):
        return [self._one(chip) for chip in batch]

    def _one(self, chip: Chip) -> Detections:
        self.seen.append(chip)
        image = round(float(chip.pixels[0, 0, 0]) / 50)
        boxes = [b for b in BOXES[image] if image not in self.forget]
        # One more in the padding, which must not count.
        xyxy = [[b[0] + self.shift, b[1], b[2] + self.shift, b[3]] for b in boxes] + [[71, 51, 80, 60]]
        labels = [b[4] - 1 for b in boxes] + [0]
        return Detections.of(xyxy, [0.9] * len(boxes) + [0.95], labels, saturated=self.saturated)


def coco(scene: bool = False) -> dict:
    images = [{"id": i, "file_name": f"{i}.png", "height": SIZE[0], "width": SIZE[1]} for i in sorted(BOXES)]
    if scene:
        images = [{**image, "scene": "A" if image["id"] < 3 else "B"} for image in images]
    annotations = [
        {
            "id": 10 * i + k,
            "image_id": i,
            "category_id": b[4],
            "bbox": [b[0], b[1], b[2] - b[0], b[3] - b[1]],
            "area": (b[2] - b[0]) * (b[3] - b[1]),
            "iscrowd": 0,
        }
        for i, boxes in BOXES.items()
        for k, b in enumerate(boxes)
    ]
    categories = [{"id": 1, "name": "ship"}, {"id": 2, "name": "buoy"}]
    return {"images": images, "annotations": annotations, "categories": categories}


@pytest.fixture
def labels(tmp_path) -> Path:
    (tmp_path / "images").mkdir()
    for i in BOXES:
        Image.fromarray(np.full(SIZE, 50 * i, np.uint8)).save(tmp_path / "images" / f"{i}.png")
    return write(tmp_path, coco())


def write(folder: Path, content: object) -> Path:
    path = folder / "labels.json"
    path.write_text(json.dumps(content))
    return path


def score(detector: Detector, labels: Path, spec: AlignSpec = SPEC) -> Evaluation:
    truth = read_objects(labels)
    found = detect_images(detector, labelled_images(labels, truth), truth.facts)
    comparison = compare_detections(found.table, truth, detector.classes, spec)
    return evaluate(comparison, ReportSpec(detector.score_threshold, bootstrap=BootstrapSpec(20)))


def test_an_oracle_reaches_one(labels):
    found = score(Told(), labels)
    assert found.coco["AP"] == pytest.approx(1)
    assert found.rates.f1.value == 1
    assert found.ranking["AP50"].value == pytest.approx(1)
    assert len(found.comparison.truth) == 3


def test_known_mistakes(labels):
    # All boxes of image 2 missing: one of two ships is left, no buoy. Of 101 recalls 51 are up to 0.5.
    forgetful = score(Told(forget=(2,)), labels)
    assert forgetful.coco["AP50"] == pytest.approx(51 / 101 / 2)
    assert (forgetful.rates.true_positives, forgetful.rates.false_negatives) == (1, 2)
    # 2 px on widths of 10, 24 and 12 px: IoU 8/12, 22/26 and 10/14.
    shifted = score(Told(shift=2.0), labels)
    assert shifted.coco["AP50"] == pytest.approx(1)
    # At 0.75 one ship of two, after a false one (precision 1/2), and no buoy.
    assert shifted.coco["AP75"] == pytest.approx(51 / 101 / 2 / 2)


def test_images_are_padded_to_the_multiple(labels):
    detector = Told()
    score(detector, labels)
    chip = detector.seen[1]
    assert chip.pixels.shape == (1, 64, 96)
    assert chip.pixels.dtype == np.float32
    assert (chip.pixels[0, :50, :70] == 100).all()
    assert chip.pixels[0, 50:].max() == chip.pixels[0, :, 70:].max() == 0
    assert chip.valid[:50, :70].all()
    assert chip.valid.sum() == 50 * 70


def test_boxes_are_cut_at_the_image(labels):
    found = detect_whole(Told(shift=20.0), labels.parent / "images" / "2.png", SceneFacts())
    # Of (50, 62) shifted by 20 the whole box lies right of column 70; its like in the padding too.
    assert found.xyxy.tolist() == [[40, 30, 64, 42]]
    assert found.labels.tolist() == [0]


def test_scenes_are_the_groups(labels):
    write(labels.parent, coco(scene=True))
    assert score(Told(), labels).group_names == ("A", "B")


def test_progress_and_saturation_are_told(labels):
    steps = []
    truth = read_objects(labels)
    images = labelled_images(labels, truth)
    found = detect_images(
        Told(saturated=True), images, truth.facts, lambda done, total: steps.append((done, total))
    )
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert found.saturated == 3


def test_classes_that_are_not_asked_for_are_left_out(labels):
    content = coco()
    content["annotations"] = [a for a in content["annotations"] if a["category_id"] == 1]
    content["categories"] = content["categories"][:1]
    found = score(Told(), write(labels.parent, content))
    assert found.comparison.classes == ("ship",)
    assert found.rates.precision.value == 1


def test_classes_that_the_detector_does_not_know(labels):
    content = coco()
    content["categories"][1]["name"] = "lighthouse"
    write(labels.parent, content)
    with pytest.raises(
        LabelError, match="has classes lighthouse, the detector finds ship, buoy: rename with"
    ):
        score(Told(), labels)
    renamed = AlignSpec(SPEC.rule, class_map={"lighthouse": "buoy"})
    assert score(Told(), labels, renamed).coco["AP"] == pytest.approx(1)
    dropped = AlignSpec(SPEC.rule, class_map={"lighthouse": ""})
    assert score(Told(), labels, dropped).comparison.classes == ("ship",)
    agnostic = AlignSpec(MatchRule("iou", 0.5, by_class=False))
    assert score(Told(), labels, agnostic).rates.true_positives == 3


def test_images_of_another_size(labels):
    Image.fromarray(np.zeros((10, 12), np.uint8)).save(labels.parent / "images" / "2.png")
    with pytest.raises(InputFileError, match="12 x 10 px, its labels say 70 x 50"):
        score(Told(), labels)


def test_images_that_are_missing(labels):
    (labels.parent / "images" / "2.png").unlink()
    with pytest.raises(
        InputFileError, match=r"1 of 3 images of labels\.json are not there, '2\.png' among them"
    ):
        score(Told(), labels)


def test_where_images_are_looked_for(tmp_path):
    truth = read_objects(write(tmp_path, coco()))
    for name in ("", "JPEGImages", "elsewhere"):
        place = tmp_path / name
        place.mkdir(exist_ok=True)
        for i in BOXES:
            (place / f"{i}.png").write_bytes(b"")
        places = [place] if name == "elsewhere" else []
        assert labelled_images(tmp_path / "labels.json", truth, places)["1.png"].parent == place


def test_labels_without_images(tmp_path):
    truth = read_objects(write(tmp_path, {"images": [], "annotations": [], "categories": []}))
    with pytest.raises(InvalidValueError, match="names no image"):
        labelled_images(tmp_path / "labels.json", truth)


def test_the_command(labels, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "_detector", lambda args: Told(saturated=True))
    out = tmp_path / "figures.json"
    call = ["test", "--model", "told", "--data", str(labels), "--replicates", "20", "--out", str(out)]
    assert main(call) == 0
    told = capsys.readouterr()
    assert "3 images in 3 scenes, 3 objects" in told.out
    assert "AP50" in told.out
    assert "3/3 images" in told.err
    assert "candidates were cut in 3 images" in told.err
    figures = json.loads(out.read_text())
    assert figures["coco"]["AP50"] == pytest.approx(1)
    assert figures["provenance"]["model"] == "told"
    assert figures["score_threshold"] == 0.5


def test_a_class_is_scored_at_its_own_threshold(labels, tmp_path, capsys, monkeypatch):
    strict = Told()
    strict.class_thresholds = (0.5, 0.92)  # the buoy is reported with 0.9
    monkeypatch.setattr(command, "_detector", lambda args: strict)
    out = tmp_path / "figures.json"
    call = ["test", "--model", "told", "--data", str(labels), "--replicates", "20", "--out", str(out)]
    assert main(call) == 0
    assert "3 objects; 2 found, 0 false, 1 missed" in (told := capsys.readouterr()).out
    assert "buoy 0.92, ship 0.5" in told.err
    assert json.loads(out.read_text())["score_threshold"] == {"buoy": 0.92, "ship": 0.5}
    assert main([*call, "--class-map", "ship=thing", "buoy=thing"]) == 0
    assert json.loads(out.read_text())["score_threshold"] == 0.5
    assert main([*call, "--score-thr", "0.93"]) == 0
    assert "0 found" in capsys.readouterr().out


@pytest.mark.parametrize("extra", [[], ["a.py"], ["a.py", "b.pth", "--model", "x"]])
def test_the_command_needs_one_model(labels, capsys, extra):
    assert main(["test", *extra, "--data", str(labels)]) == 2
    assert "either --model NAME|BUNDLE or CONFIG CHECKPOINT" in capsys.readouterr().err


def test_real_labels(shared_data):
    path = shared_data / "sar_ships_hrsid" / "val.json"
    truth = read_objects(path)
    images = labelled_images(path, truth)
    assert len(images) == 66
    first = next(iter(images))

    class Blind(Told):
        def _one(self, chip: Chip) -> Detections:
            self.seen.append(chip)
            return Detections.none()

    blind = Blind()
    detect_images(blind, {first: images[first]}, truth.facts)
    assert blind.seen[0].pixels.shape == (1, 800, 800)
