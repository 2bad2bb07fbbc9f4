"""Exports of label tools, from files written by hand after their published description."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from label_files import HEADER, only, put, put_image

from retina_domains.readers.datasets import (
    read_cvat,
    read_label_studio,
    read_pixel_table,
    read_qupath,
    read_xview3,
)


def rectangle(x: float, y: float, w: float, h: float, turn: float, name: str) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": w, "height": h, "rotation": turn, "rectanglelabels": [name]}
    return {"type": "rectanglelabels", "original_width": 200, "original_height": 100, "value": value}


def test_label_studio(tmp_path: Path) -> None:
    put_image(tmp_path / "images" / "field one.png")
    put_image(tmp_path / "images" / "b.png")
    polygon = {
        "type": "polygonlabels",
        "value": {"points": [[0, 0], [10, 0], [10, 20]], "polygonlabels": ["wbc"]},
    }
    results = [rectangle(10, 20, 5, 10, 0, "rbc"), rectangle(50, 50, 10, 10, 90, "rbc"), polygon]
    path = put(
        tmp_path / "export.json",
        [
            {
                "id": 1,
                "data": {"image": "/data/upload/3/1a2b3c4d-field%20one.png"},
                "annotations": [{"was_cancelled": True, "result": []}, {"result": results}],
            },
            {"id": 2, "data": {"image": "/data/local-files/?d=set/b.png"}, "annotations": []},
        ],
    )
    a, b = read_label_studio(path, tmp_path / "images")
    assert a.path.name == "field one.png"
    np.testing.assert_allclose(a.objects[0].xyxy, (20, 20, 30, 30))
    assert a.objects[0].polygon == ()
    # 20 x 10 px turned a quarter clockwise about (100, 50): it hangs down and to the left.
    np.testing.assert_allclose(a.objects[1].xyxy, (90, 50, 100, 70))
    np.testing.assert_allclose(a.objects[2].polygon, ((0, 0), (20, 0), (20, 20)))
    assert (b.path.name, b.source) == ("b.png", "")


def test_label_studio_regions_with_two_labels_keep_both(tmp_path: Path) -> None:
    put_image(tmp_path / "a.png")
    region = rectangle(10, 20, 5, 10, 0, "rbc")
    region["value"]["rectanglelabels"] = ["rbc", "ring"]
    path = put(tmp_path / "e.json", [{"data": {"image": "a.png"}, "annotations": [{"result": [region]}]}])
    assert only(read_label_studio(path)).objects[0].source_label == "rbc + ring"


CVAT = """<annotations><version>1.1</version>
<image id="0" name="set/a.png" subset="train" width="200" height="100">
  <box label="ship" xtl="10" ytl="20" xbr="30" ybr="40.5" occluded="0"/>
  <box label="ship" xtl="90" ytl="40" xbr="110" ybr="60" rotation="45">
    <attribute name="difficult">true</attribute></box>
  <polygon label="tree" points="1,2;9,2;9,8"/>
  <ellipse label="cell" cx="50" cy="50" rx="20" ry="10" rotation="90"/>
  <mask label="cell" rle="3" left="5" top="6" width="7" height="8"/>
  <tag label="cloudy"/>
</image></annotations>"""


def test_cvat(tmp_path: Path) -> None:
    put_image(tmp_path / "set" / "a.png")
    image = only(read_cvat(put(tmp_path / "annotations.xml", CVAT)))
    box, turned, polygon, ellipse, mask = image.objects
    assert (image.split, image.width) == ("train", 200)
    assert box.xyxy == (10, 20, 30, 40.5)
    # A square turned by 45 degrees about its centre stands on a corner, half a diagonal away.
    half = 10 * math.sqrt(2)
    np.testing.assert_allclose(turned.xyxy, (100 - half, 50 - half, 100 + half, 50 + half))
    assert turned.ignored
    assert polygon.polygon == ((1, 2), (9, 2), (9, 8))
    np.testing.assert_allclose(ellipse.xyxy, (40, 30, 60, 70), atol=1e-9)
    assert mask.xyxy == (5, 6, 12, 14)


def test_qupath(tmp_path: Path) -> None:
    put_image(tmp_path / "a.png")

    def feature(coordinates: list[list[int]], **properties: Any) -> dict[str, Any]:
        geometry = {"type": "Polygon", "coordinates": [coordinates]}
        return {
            "type": "Feature",
            "geometry": geometry,
            "properties": {"objectType": "annotation", **properties},
        }

    square = [[10, 20], [30, 20], [30, 40], [10, 40], [10, 20]]
    triangle = [[1, 2], [9, 2], [9, 8], [1, 2]]
    features = [feature(square, classification={"name": "ring"}), feature(triangle)]
    path = put(tmp_path / "a.geojson", {"type": "FeatureCollection", "features": features})
    image = only(read_qupath(path))
    assert (image.objects[0].source_label, image.objects[0].xyxy) == ("ring", (10, 20, 30, 40))
    assert image.objects[0].polygon == ()
    assert (image.objects[1].source_label, len(image.objects[1].polygon)) == ("unclassified", 3)


def test_xview3(tmp_path: Path) -> None:
    put_image(tmp_path / "scenes" / "05bc" / "VH_dB.tif")
    rows = [
        "1,2,120,ais,10,50,True,False,3.5,05bc,HIGH,,,,,a",
        "1,2,,ais,10,60,True,True,,05bc,LOW,,,,,b",
        "1,2,12,ais,10,60,True,,,05bc,MEDIUM,,,,,c",
        "1,2,,ais,10,60,False,,,05bc,HIGH,,,,,d",
        "1,2,,ais,10,60,,,,05bc,HIGH,,,,,e",
    ]
    image = only(
        read_xview3(put(tmp_path / "validation.csv", HEADER + "\n".join(rows)), tmp_path, split="val")
    )
    kinds = ["other vessel", "fishing vessel", "vessel", "fixed", "unknown"]
    assert (image.scene, image.gsd, image.split) == ("05bc", 10, "val")
    assert [o.source_label for o in image.objects] == kinds
    # Row 10, column 50 is the pixel whose centre is (50.5, 10.5); 120 m are 12 px.
    assert image.objects[0].xyxy == (44.5, 4.5, 56.5, 16.5)
    assert image.objects[0].facts == {"length_m": 120, "distance_from_shore_km": 3.5}
    # 60 m where the length is not told, 3 px at least.
    assert image.objects[1].xyxy == (57.5, 7.5, 63.5, 13.5)
    assert image.objects[2].xyxy == (59, 9, 62, 12)
    assert [o.ignored for o in image.objects] == [False, True, False, False, False]


def test_xview3_keeps_numbers_that_are_none_out_of_the_facts(tmp_path: Path) -> None:
    put_image(tmp_path / "05bc" / "VH_dB.tif")
    row = "1,2,nan,ais,10,50,nan,nan,nan,05bc,HIGH,,,,,a"
    item = only(read_xview3(put(tmp_path / "v.csv", HEADER + row), tmp_path)).objects[0]
    assert (item.source_label, item.facts) == ("unknown", {})
    assert item.xyxy == (47.5, 7.5, 53.5, 13.5)


def test_a_table_of_pixels(tmp_path: Path) -> None:
    put_image(tmp_path / "a.png")
    put_image(tmp_path / "b.png")
    path = put(tmp_path / "boxes.csv", "image,xmin,ymin,xmax,ymax,label\na.png,1,2,3,4,tree\n")
    a, b = read_pixel_table(path)
    assert (a.path.name, a.objects[0].xyxy, a.objects[0].source_label) == ("a.png", (1, 2, 3, 4), "tree")
    assert (b.path.name, b.source) == ("b.png", "")
