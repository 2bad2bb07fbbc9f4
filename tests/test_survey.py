"""A labelled set as a whole: its images, its objects, its pixels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import Affine

from retina_domains.errors import BlockReadError, InputFileError, LabelError
from retina_domains.samples import SceneObjects
from retina_domains.scene_labels import LabelSpec
from retina_domains.survey import Survey, band_samples, label_shift, survey_set


def voc(name: str, boxes: list[tuple[int, int, int, int]], width: int = 120, height: int = 90) -> str:
    objects = "".join(
        f"<object><name>ship</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax>"
        "</bndbox></object>"
        for a, b, c, d in boxes
    )
    size = f"<size><width>{width}</width><height>{height}</height></size>"
    return f"<annotation><filename>{name}</filename>{size}{objects}</annotation>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Thirty images with one bright square each, and VOC labels beside them."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    (tmp_path / "Annotations").mkdir()
    for k in range(30):
        pixels = rng.normal(60, 8, (90, 120)).clip(0, 255).astype(np.uint8)
        x, y = int(rng.integers(20, 90)), int(rng.integers(20, 60))
        pixels[y : y + 10, x : x + 10] = 220
        Image.fromarray(pixels).save(tmp_path / "images" / f"i{k:02}.png")
        (tmp_path / "Annotations" / f"i{k:02}.xml").write_text(voc(f"i{k:02}.png", [(x, y, x + 10, y + 10)]))
    return tmp_path


def test_blocks_of_one_big_scene_are_looked_at(tmp_path: Path) -> None:
    """As ``prepare --split blocks`` leaves them: virtual rasters that hold no pixels."""
    (tmp_path / "images").mkdir()
    Image.fromarray(np.full((90, 120), 60, np.uint8)).save(tmp_path / "whole.png")
    (tmp_path / "images" / "b.vrt").write_text(
        '<VRTDataset rasterXSize="40" rasterYSize="30"><VRTRasterBand dataType="Byte" band="1">'
        f"<SimpleSource><SourceFilename>{tmp_path / 'whole.png'}</SourceFilename><SourceBand>1</SourceBand>"
        '<SrcRect xOff="5" yOff="5" xSize="40" ySize="30"/><DstRect xOff="0" yOff="0" xSize="40" ySize="30"/>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    data = {
        "images": [{"id": 1, "file_name": "b.vrt", "width": 40, "height": 30}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9]}],
        "categories": [{"id": 1, "name": "ship"}],
    }
    (tmp_path / "train.json").write_text(json.dumps(data))
    survey = survey_set(tmp_path / "train.json")
    assert [Path(image.path).name for image in survey.images] == ["b.vrt"]
    assert {int(v) for band in band_samples(survey) for v in band} == {60}


def moved(survey: Survey, dx: float, dy: float) -> Survey:
    """The same set with labels beside their objects."""
    images = tuple(
        replace(
            image,
            placed=replace(
                image.placed,
                objects=SceneObjects.of(
                    image.objects.xyxy + np.array([dx, dy, dx, dy]), image.objects.labels
                ),
            ),
        )
        for image in survey.images
    )
    return replace(survey, images=images)


def test_images_beside_the_labels_are_found(folder: Path) -> None:
    survey = survey_set(folder)
    assert (survey.kind, survey.classes, len(survey.images), survey.missing) == (
        "Pascal VOC",
        ("ship",),
        30,
        (),
    )
    assert {(i.height, i.width, i.gsd) for i in survey.images} == {(90, 120, None)}
    assert all(i.path for i in survey.images)
    sizes = survey.object_sizes()
    assert len(sizes) == 30
    assert set(map(tuple, sizes.image_sizes.tolist())) == {(120.0, 90.0)}


def test_shifted_labels_are_found_and_true_ones_are_not(folder: Path) -> None:
    survey = survey_set(folder)
    assert not label_shift(survey).certain
    found = label_shift(moved(survey, -5, 3))
    assert (found.dx, found.dy, found.certain) == (5, -3, True)


def test_band_samples_are_the_pixels(folder: Path) -> None:
    (band,) = band_samples(survey_set(folder))
    assert band.dtype == np.uint8
    assert np.median(band) == pytest.approx(60, abs=1)
    # A hundred of 10,800 pixels of every image are bright.
    assert (band == 220).mean() == pytest.approx(100 / 10_800, rel=0.15)


def test_labelled_images_without_a_file_are_told(folder: Path) -> None:
    (folder / "images" / "i07.png").unlink()
    survey = survey_set(folder)
    assert survey.missing == ("i07.png",)
    assert len(survey.images) == 29


def test_labels_alone_serve(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("image,label,x1,y1,x2,y2\na.tif,ship,1,2,30.5,40\nb.tif,buoy,1,1,3,3\n")
    survey = survey_set(tmp_path / "l.csv")
    assert survey.classes == ("buoy", "ship")
    assert [(i.name, i.path, i.height, i.width) for i in survey.images] == [
        ("a.tif", "", 40, 31),
        ("b.tif", "", 3, 3),
    ]
    assert band_samples(survey) == []
    assert label_shift(survey).objects == 0


def test_ground_labels_take_the_sampling_of_their_raster(tmp_path: Path) -> None:
    with rasterio.open(
        tmp_path / "s.tif",
        "w",
        driver="GTiff",
        height=50,
        width=60,
        count=1,
        dtype="uint8",
        crs="EPSG:32633",
        transform=Affine(10, 0, 500_000, 0, -10, 5_000_000),
    ) as file:
        file.write(np.zeros((50, 60), np.uint8), 1)
    feature = {
        "type": "Feature",
        "properties": {},
        "geometry": {"type": "Point", "coordinates": [15.001, 45.151]},
    }
    (tmp_path / "p.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    survey = survey_set(tmp_path / "p.geojson", tmp_path / "s.tif", spec=LabelSpec(point_size_m=100))
    assert survey.images[0].gsd == pytest.approx(10, rel=1e-3)
    assert not survey.named
    assert survey.classes == ("object",)
    box = survey.object_sizes().boxes[0]
    assert box[2] - box[0] == pytest.approx(10, rel=1e-3)
    with pytest.raises(LabelError, match="name the rasters with --images"):
        survey_set(_alone(tmp_path))


def _alone(folder: Path) -> Path:
    """The ground labels where no raster lies beside them."""
    (folder / "alone").mkdir()
    path = folder / "alone" / "p.geojson"
    path.write_text((folder / "p.geojson").read_text())
    return path


def test_nothing_to_look_at_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("image,label,x1,y1,x2,y2\n")
    with pytest.raises(LabelError, match="holds no objects"):
        survey_set(tmp_path / "l.csv")


@pytest.mark.parametrize(
    ("labels", "images", "objects"), [("trees_geotiff_voc", 10, 91), ("sar_ships_hrsid/val.json", 66, 148)]
)
def test_real_sets_are_not_accused(shared_data: Path, labels: str, images: int, objects: int) -> None:
    survey = survey_set(shared_data / labels)
    assert (len(survey.images), len(survey.object_sizes())) == (images, objects)
    assert not label_shift(survey).certain


def test_labels_in_the_wrong_crs_are_an_error_and_not_an_empty_set(tmp_path: Path) -> None:
    place = Affine(10, 0, 500_000, 0, -10, 5_000_000)
    profile = {
        "driver": "GTiff",
        "height": 64,
        "width": 64,
        "count": 1,
        "dtype": "uint8",
        "crs": "EPSG:32633",
    }
    with rasterio.open(tmp_path / "s.tif", "w", transform=place, **profile) as file:
        file.write(np.ones((1, 64, 64), np.uint8))
    ring = [[500100, 4999900], [500200, 4999900], [500200, 4999800], [500100, 4999800], [500100, 4999900]]
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"label": "ship"},
    }
    for crs in ("EPSG:32633", "EPSG:32632"):
        member = {"type": "name", "properties": {"name": crs}}
        data = {"type": "FeatureCollection", "features": [feature], "crs": member}
        (tmp_path / "l.geojson").write_text(json.dumps(data))
        if crs == "EPSG:32633":
            assert len(survey_set(tmp_path / "l.geojson", tmp_path / "s.tif").object_sizes()) == 1
    with pytest.raises(
        LabelError, match=r"l\.geojson: none of 1 objects lies on any of 1 rasters: its CRS is"
    ):
        survey_set(tmp_path / "l.geojson", tmp_path / "s.tif")


def test_an_image_that_does_not_decode_is_named_with_a_remedy(folder: Path) -> None:
    damaged = folder / "images" / "i00.png"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:200])
    with pytest.raises(InputFileError, match=r"images/i00\.png: damaged: .* copy or download it again"):
        survey_set(folder / "Annotations")
    # Spoilt within, it opens.
    damaged.write_bytes(whole[:200] + bytes(len(whole) - 400) + whole[-200:])
    survey = survey_set(folder / "Annotations")
    with pytest.raises(
        BlockReadError, match=r"images/i00\.png: does not decode .*replace it with a whole copy"
    ):
        band_samples(survey)
