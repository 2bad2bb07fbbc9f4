"""A model bundle: a folder that says all about a model without running any code.

=====================  ==========================================================================
``bundle.json``        the manifest below; architecture by name with typed fields
``model.safetensors``  weights, matrices in float16, vectors in float32
``card.md``            how it was made, what it scores, where it fails
``scores.json``        optional, what was measured of its scores: see ``score_report``
``reliability.svg``    optional, a figure of it that the card shows
``confusion.json``     optional, what it makes of each class of cells: see ``cells.confusion``
``model.onnx``         optional, the same network exported
=====================  ==========================================================================

Reading one executes nothing and unpickles nothing: the manifest is checked field by field against the
classes here, and only architectures that are written here can be named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn

from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from retina_domains.architecture import SmallObjectRetinaNetSpec as SmallObjectRetinaNetSpec
from retina_domains.cells.confusion import CONFUSION_FILE
from retina_domains.errors import BundleError, InvalidValueError
from retina_domains.schema import Variants, from_json, to_json
from retina_domains.score_calibration import Calibration as Calibration
from retina_domains.score_report import SCORES_FILE, ScoreReport, parse_scores
from retina_domains.thresholds import ScoreThresholds
from retina_domains.types import InputSpec

FORMAT_VERSION = 1
MANIFEST = "bundle.json"
WEIGHTS = "model.safetensors"
CARD = "card.md"
ONNX = "model.onnx"
FIGURE = "reliability.svg"
WEIGHT_TYPES = ("F16", "F32", "I64")

Architecture = SmallObjectRetinaNetSpec
ARCHITECTURES: Mapping[str, type[Architecture]] = {"SmallObjectRetinaNet": SmallObjectRetinaNetSpec}
_VARIANTS: Variants = {Architecture: ARCHITECTURES}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """One data set that a model has learned from.

    Args:
        name: of the data set.
        licence: SPDX name, or in words; "unclear" where it is.
        split: which part was used.
        images: how many, or None.
        source: where it is published, or None.
    """

    name: str
    licence: str
    split: str
    images: int | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One measured figure.

    Args:
        name: such as ``AP50``.
        value: the figure.
        data: what it was measured on.
        command: that measured it.
        interval: 95 % interval, or None.
    """

    name: str
    value: float
    data: str
    command: str
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectSizes:
    """Training objects of one class, by size: the square root of the area of the box.

    Args:
        name: of the class.
        objects: all of them.
        below: those that are smaller than the network's ``object_size_range``.
        above: those that are larger.
    """

    name: str
    objects: int
    below: int
    above: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """``bundle.json``, field by field. A field may be left out only where None is allowed.

    Args:
        format_version: of this schema.
        name: of the bundle.
        version: of the model, free text.
        architecture: the network.
        classes: names, in the order of labels.
        input: bands, radiometry and sampling it was trained on.
        mean: subtracted from each band of 0..255 pixels.
        std: each band is then divided by.
        tile_size: recommended side of a tile, px.
        overlap: recommended overlap of tiles, px.
        score_threshold: recommended for all classes as one, on calibrated scores where there is a
            calibration.
        max_object_px: longest side of an object that it can find.
        halo_px: context an object needs for a stable answer.
        tile_multiple: coarsest level_stride.
        research_only: licences of the training data allow no other use.
        training: data it learned from.
        metrics: what it scores.
        weights_sha256: of ``model.safetensors``, hexadecimal.
        onnx_sha256: of ``model.onnx`` where there is one.
        calibration: of the scores, or None.
        command: that trained it.
        seed: that it was trained with.
        class_thresholds: recommended, one a class, on calibrated scores; None: ``score_threshold`` for all.
        object_sizes: how many training objects of each class lie outside the range of sizes; None: not told.
        scores_sha256: of ``scores.json`` where there is one.
        confusion_sha256: of ``confusion.json`` where there is one.
    """

    format_version: int
    name: str
    version: str
    architecture: Architecture
    classes: tuple[str, ...]
    input: InputSpec
    mean: tuple[float, ...]
    std: tuple[float, ...]
    tile_size: int
    overlap: int
    score_threshold: float
    max_object_px: int
    halo_px: int
    tile_multiple: int
    research_only: bool
    training: tuple[TrainingData, ...]
    metrics: tuple[Metric, ...]
    weights_sha256: str
    onnx_sha256: str | None = None
    calibration: Calibration | None = None
    command: str | None = None
    seed: int | None = None
    class_thresholds: tuple[float, ...] | None = None
    object_sizes: tuple[ObjectSizes, ...] | None = None
    scores_sha256: str | None = None
    confusion_sha256: str | None = None

    def __post_init__(self) -> None:
        net, channels = self.architecture, self.input.channels
        if len(self.classes) != net.num_classes or len(set(self.classes)) != len(self.classes):
            raise InvalidValueError(
                f"classes {', '.join(self.classes)} for an architecture of {net.num_classes}: "
                "expected as many, each once"
            )
        if net.in_channels != channels or len(self.mean) != channels or len(self.std) != channels:
            raise InvalidValueError(
                f"input of {channels} channels, architecture of {net.in_channels}, {len(self.mean)} means, "
                f"{len(self.std)} stds: expected the same number of each"
            )
        if min(self.std) <= 0:
            raise InvalidValueError(f"std {self.std}: expected above 0")
        if self.tile_multiple != net.strides[-1]:
            raise InvalidValueError(
                f"tile_multiple {self.tile_multiple}, coarsest level_stride {net.strides[-1]}: expected equal"
            )
        if self.tile_size < 1 or self.tile_size % self.tile_multiple:
            raise InvalidValueError(
                f"tile_size {self.tile_size} px: expected a multiple of {self.tile_multiple}"
            )
        if not 0 <= self.overlap < self.tile_size:
            raise InvalidValueError(
                f"overlap {self.overlap} px for tiles of {self.tile_size}: expected 0 or more, below a tile"
            )
        if not 0 <= self.score_threshold <= 1:
            raise InvalidValueError(f"score_threshold {self.score_threshold}: expected in [0, 1]")
        _ = self.thresholds  # which refuses what is not one a class in [0, 1]
        fitted = None if self.calibration is None else self.calibration.by_class
        if fitted is not None and len(fitted) != len(self.classes):
            raise InvalidValueError(
                f"calibration of {len(fitted)} classes for {', '.join(self.classes)}: expected one a class"
            )
        if self.max_object_px < 1 or self.halo_px < 0:
            raise InvalidValueError(
                f"max_object_px {self.max_object_px}, halo_px {self.halo_px}: expected 1 and 0 or more"
            )

    @property
    def thresholds(self) -> ScoreThresholds:
        """The recommended ones, class by class."""
        each = self.class_thresholds
        values = (self.score_threshold,) * len(self.classes) if each is None else each
        return ScoreThresholds(self.classes, values)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was found, checked and not yet loaded.

    Args:
        folder: where it lies.
        manifest: its ``bundle.json``.
        sha256: of ``bundle.json``, which names the hashes of the other files: it identifies the bundle.
    """

    folder: Path
    manifest: Manifest
    sha256: str

    @property
    def card(self) -> str:
        """The model card, Markdown."""
        return (self.folder / CARD).read_text(encoding="utf-8")

    @property
    def scores(self) -> ScoreReport | None:
        """What was measured of its scores, or None.

        Raises:
            InvalidValueError: the file breaks its schema.
        """
        if self.manifest.scores_sha256 is None:
            return None
        path = self.folder / SCORES_FILE
        return parse_scores(path.read_text(encoding="utf-8"), str(path))

    def tensors(self, expected: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[Any]]:
        """The weights, each checked against the shape that the architecture gives it.

        Args:
            expected: name to shape.

        Raises:
            BundleError: a tensor is missing, not expected, of another shape, or of an odd type.
        """
        path = self.folder / WEIGHTS
        found: dict[str, NDArray[Any]] = {}
        try:
            with safe_open(path, framework="numpy") as weights:
                names = set(weights.keys())
                for name in sorted(names ^ set(expected)):
                    _fail(path, f"tensor {name!r} is {'missing' if name in expected else 'not expected'}")
                for name, shape in expected.items():
                    part = weights.get_slice(name)
                    if tuple(part.get_shape()) != tuple(shape) or part.get_dtype() not in WEIGHT_TYPES:
                        _fail(
                            path,
                            f"tensor {name!r} is {part.get_dtype()} {tuple(part.get_shape())}, expected "
                            f"{' or '.join(WEIGHT_TYPES)} {tuple(shape)}",
                        )
                    found[name] = weights.get_tensor(name)
        except SafetensorError as error:
            raise BundleError(f"{path}: not a safetensors file ({error}): fetch the bundle again") from error
        return found


def shipped_bundles() -> dict[str, Path]:
    """Name and folder of each bundle inside the package."""
    root = Path(str(files("retina_domains"))) / "bundles"
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{MANIFEST}"))}


def bundle_folder(name_or_path: str | Path) -> Path:
    """The folder of a shipped bundle by its name, or of any other by its path.

    Raises:
        BundleError: neither; the message lists the names there are.
    """
    shipped = shipped_bundles()
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    path = Path(name_or_path)
    if (path / MANIFEST).is_file():
        return path
    names = ", ".join(shipped) or "none in this installation"
    found = f"a folder without {MANIFEST}" if path.is_dir() else "neither a shipped bundle nor a folder"
    raise BundleError(f"model {str(name_or_path)!r} is {found}: name a bundle's folder or one of: {names}")


def read_bundle(name_or_path: str | Path) -> Bundle:
    """Find a bundle and check everything but its tensors.

    Raises:
        BundleError: it is not found, a file is missing or damaged, or the manifest breaks the schema.
    """
    folder = bundle_folder(name_or_path)
    raw = (folder / MANIFEST).read_bytes()
    manifest = parse_manifest(raw, folder / MANIFEST)
    expected = {WEIGHTS: manifest.weights_sha256, CARD: None}
    optional = {
        ONNX: manifest.onnx_sha256,
        SCORES_FILE: manifest.scores_sha256,
        CONFUSION_FILE: manifest.confusion_sha256,
    }
    expected |= {name: digest for name, digest in optional.items() if digest is not None}
    for name, digest in expected.items():
        path = folder / name
        if not path.is_file():
            _fail(path, "missing from the bundle: fetch the bundle again")
        if digest is not None and file_sha256(path) != digest:
            _fail(path, f"its sha256 is not the one in {MANIFEST}: fetch the bundle again")
    return Bundle(folder, manifest, hashlib.sha256(raw).hexdigest())


def parse_manifest(raw: bytes, path: Path) -> Manifest:
    """Check the text of a ``bundle.json``; ``path`` is for messages.

    Raises:
        BundleError: it is not JSON, of another version, or a field is unknown, missing or of a wrong type.
    """
    try:
        data = json.loads(raw, parse_constant=_no_constant)
    except ValueError as error:
        raise BundleError(f"{path}: not valid JSON ({error})") from error
    version = data.get("format_version") if isinstance(data, dict) else None
    if version != FORMAT_VERSION:
        _fail(
            path, f"format_version {version!r}, this release reads {FORMAT_VERSION}: use a release that fits"
        )
    try:
        return from_json(Manifest, data, _VARIANTS)
    except InvalidValueError as error:
        raise BundleError(f"{path}: {error}") from error


def format_manifest(manifest: Manifest) -> str:
    """The text of a ``bundle.json``; ``parse_manifest`` reads it back."""
    return json.dumps(to_json(manifest, _VARIANTS), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _fail(path: Path, message: str) -> NoReturn:
    raise BundleError(f"{path}: {message}")
