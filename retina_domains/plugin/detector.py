"""MMDetection models as Detectors: chips in, boxes out, with nothing of its data pipeline in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from mmdet.models.detectors import BaseDetector
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from torch import Tensor

from retina_domains import __version__
from retina_domains.bundle import Bundle, Calibration, read_bundle
from retina_domains.errors import BundleError, DeviceMemoryError, InvalidValueError
from retina_domains.plugin.hooks.precision import bfloat16_pays
from retina_domains.plugin.models.architecture import build_architecture
from retina_domains.plugin.models.head import SmallObjectHead
from retina_domains.types import Chip, Detections, InputSpec

SCORE_FLOOR = 0.02
# Where a chip holds more candidates than the caps that the model was trained with, up to this many are
# decoded and suppressed; a chip of 1024 px has some 65,000 finest cells.
MAX_CANDIDATES = 50_000
LEVEL_STRIDES = "bbox_head.level_strides"
COUNTERS = "num_batches_tracked"
# What torch says where it does not raise OutOfMemoryError: CPU allocator (Linux, Windows), CUDA, cuBLAS.
SIGNS_OF_FULL = ("can't allocate memory", "not enough memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorTraits:
    """What a model is for, beside its weights; fields as in ``types.Detector`` and ``bundle.Manifest``.

    ``class_thresholds``: see ``retina_domains.thresholds``.
    ``reverse_bands``: the network was trained on BGR, as OpenCV reads; chips are RGB.
    """

    classes: tuple[str, ...]
    input_spec: InputSpec
    mean: tuple[float, ...]
    std: tuple[float, ...]
    max_object_px: int
    halo_px: int
    tile_multiple: int
    tile_size: int
    score_threshold: float
    provenance: Mapping[str, str]
    calibration: Calibration | None = None
    reverse_bands: bool = False
    class_thresholds: tuple[float, ...] | None = None


class MMDetDetector:
    """A built MMDetection model as a ``types.Detector``.

    bfloat16 is used where the hardware computes it and the model's head returns float32 by itself: decoded
    in bfloat16, a 10 px box near column 1000 moves by whole pixels.

    Args:
        model: a detector with its weights.
        traits: what it is for.
        device: ``"auto"`` (CUDA where there is one), ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        threads: of the CPU, or None for torch's own choice.

    Raises:
        InvalidValueError: the device is unknown or not there.
    """

    def __init__(
        self,
        model: BaseDetector,
        traits: DetectorTraits,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        self.device = find_device(device)
        self.classes = traits.classes
        self.input_spec = traits.input_spec
        self.max_object_px = traits.max_object_px
        self.halo_px = traits.halo_px
        self.tile_multiple = traits.tile_multiple
        self.tile_size = traits.tile_size
        self.score_threshold = traits.score_threshold
        self.class_thresholds = traits.class_thresholds
        self.provenance = dict(traits.provenance)
        self._reverse = traits.reverse_bands
        self._calibration = traits.calibration
        self._threads = threads
        self._model = model.to(self.device, memory_format=torch.channels_last).eval()
        self._mean = torch.tensor(traits.mean, device=self.device).view(1, -1, 1, 1)
        self._std = torch.tensor(traits.std, device=self.device).view(1, -1, 1, 1)
        head = getattr(model, "bbox_head", None)
        ours = isinstance(head, SmallObjectHead)
        if ours:
            model.bbox_head.test_cfg["max_candidates"] = MAX_CANDIDATES
        self._bfloat16 = ours and bfloat16_pays(self.device)

    def predict(self, batch: Sequence[Chip]) -> list[Detections]:
        """Detections of each chip, boxes in the frame of its tile, cut at the chip's edges.

        Args:
            batch: chips of one size, float32 pixels in 0..255.

        Raises:
            InvalidValueError: chips of different sizes, or with another number of bands.
            DeviceMemoryError: the device is full; try a smaller batch.
        """
        if not batch:
            return []
        self._check(batch)
        # In this thread: OpenMP keeps the number for each thread apart.
        if self._threads is not None and torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        try:
            return self._predict(batch)
        except (MemoryError, RuntimeError) as error:
            self._raise_if_full(error, len(batch))
            raise

    @torch.inference_mode()
    def _predict(self, batch: Sequence[Chip]) -> list[Detections]:
        inputs = self._inputs(batch)
        height, width = inputs.shape[2:]
        meta = {
            "img_shape": (height, width),
            "ori_shape": (height, width),
            "pad_shape": (height, width),
            "batch_input_shape": (height, width),
            "scale_factor": (1.0, 1.0),
        }
        samples = [DetDataSample(metainfo=meta) for _ in batch]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bfloat16):
            results = self._model.predict(inputs, samples, rescale=False)
        return [self._detections(sample) for sample in results]

    def _inputs(self, batch: Sequence[Chip]) -> Tensor:
        """``(B, C, H, W)`` standardised, channels-last."""
        pixels = torch.from_numpy(np.stack([chip.pixels for chip in batch]))
        if self._reverse:
            pixels = pixels.flip(1)
        pixels = pixels.to(self.device, torch.float32, memory_format=torch.channels_last)
        return pixels.sub_(self._mean).div_(self._std)

    def _detections(self, sample: DetDataSample) -> Detections:
        found = sample.pred_instances
        scores, labels = found.scores.double().cpu().numpy(), found.labels.cpu().numpy()
        if self._calibration is not None:
            scores = self._calibration.apply(scores, labels)
        meta = found.metainfo
        return Detections.of(
            found.bboxes.double().cpu().numpy(),
            scores,
            labels,
            saturated=bool(meta.get("saturated", False)),
            recovered=bool(meta.get("recovered", False)),
        )

    def _check(self, batch: Sequence[Chip]) -> None:
        shapes = {chip.pixels.shape for chip in batch}
        if len(shapes) > 1:
            raise InvalidValueError(f"chips of shapes {sorted(shapes)} in one batch: expected one size")
        bands = next(iter(shapes))[0]
        if bands != self.input_spec.channels:
            raise InvalidValueError(
                f"chips of {bands} bands for a model of {self.input_spec.channels}: choose bands"
            )
        if batch[0].pixels.dtype != np.float32:
            raise InvalidValueError(
                f"chips of {batch[0].pixels.dtype} pixels: expected float32 in 0..255, as BandScaling gives"
            )

    def _raise_if_full(self, error: BaseException, count: int) -> None:
        """Raise ``DeviceMemoryError`` if that is what ``error`` means."""
        full = isinstance(error, MemoryError | torch.OutOfMemoryError) or any(
            sign in str(error) for sign in SIGNS_OF_FULL
        )
        if not full:
            return
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        raise DeviceMemoryError(
            f"{self.device} has no memory left for a batch of {count}: use a smaller batch or tile"
        ) from error


def find_device(name: str) -> torch.device:
    """The device of that name; ``"auto"`` is CUDA where there is one, the CPU otherwise.

    Raises:
        InvalidValueError: no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InvalidValueError(f"device {name!r}: expected auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise InvalidValueError(f"device {name!r}: expected auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InvalidValueError(
            f"device {name!r}: torch {torch.__version__} sees {torch.cuda.device_count()} of them: use cpu"
        )
    return device


def build_model(config: ConfigDict) -> BaseDetector:
    """What MMDetection's registry builds from the ``model`` of a config."""
    # Parts of a part are looked up in the scope of the day, which only mmengine's Runner sets.
    with DefaultScope.overwrite_default_scope("mmdet"):
        return MODELS.build(config)


def model_of(bundle: Bundle, score_floor: float = SCORE_FLOOR) -> BaseDetector:
    """The model of a bundle, on the CPU in float32.

    Raises:
        BundleError: its tensors do not fit its architecture.
    """
    model = build_model(build_architecture(bundle.manifest.architecture, score_floor))
    slots = weight_slots(model)
    tensors = bundle.tensors({name: tuple(slot.shape) for name, slot in slots.items()})
    strides = tensors[LEVEL_STRIDES].tolist()
    if strides != list(bundle.manifest.architecture.strides):
        raise BundleError(
            f"{bundle.folder}: weights for level strides {strides}, its architecture has "
            f"{list(bundle.manifest.architecture.strides)}: make the bundle again"
        )
    with torch.no_grad():
        for name, slot in slots.items():
            slot.copy_(torch.from_numpy(tensors[name]))
    if not all(torch.isfinite(slot).all() for slot in slots.values()):
        raise BundleError(f"{bundle.folder}: its weights hold NaN or infinite values: fetch the bundle again")
    return model


def weight_slots(model: torch.nn.Module) -> dict[str, Tensor]:
    """The tensors of a model that a bundle stores, by name, each once however many modules share it."""
    slots: dict[str, Tensor] = dict(model.named_parameters())
    state = model.state_dict(keep_vars=True)
    slots.update((k, v) for k, v in model.named_buffers() if k in state and not k.endswith(COUNTERS))
    return slots


def load_bundle(
    name_or_path: str,
    device: str = "auto",
    threads: int | None = None,
    score_floor: float | None = None,
) -> MMDetDetector:
    """A shipped model by name, or any bundle by its folder, ready to predict.

    Args:
        name_or_path: such as ``"sar-ship"``, or a folder.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
        threads: of the CPU, or None for torch's own choice.
        score_floor: detections that score less (after calibration, if there is one) are not wanted, and not
            decoded; the fewer candidates, the faster. None for raw scores of 0.02.

    Raises:
        BundleError: the bundle is not found or does not fit its schema.
        InvalidValueError: the device is not there.
    """
    bundle = read_bundle(name_or_path)
    calibration, floor = bundle.manifest.calibration, SCORE_FLOOR
    if score_floor is not None:
        floor = score_floor if calibration is None else calibration.least_raw(score_floor)
    model = model_of(bundle, floor)
    return MMDetDetector(model, traits_of(bundle), device, threads)


def uncalibrated(name_or_path: str, device: str = "auto", threads: int | None = None) -> MMDetDetector:
    """As ``load_bundle``, with the scores as the network gives them: to fit a calibration on."""
    bundle = read_bundle(name_or_path)
    return MMDetDetector(model_of(bundle), replace(traits_of(bundle), calibration=None), device, threads)


def traits_of(bundle: Bundle) -> DetectorTraits:
    """What a bundle's manifest says of its model."""
    manifest = bundle.manifest
    return DetectorTraits(
        classes=manifest.classes,
        input_spec=manifest.input,
        mean=manifest.mean,
        std=manifest.std,
        max_object_px=manifest.max_object_px,
        halo_px=manifest.halo_px,
        tile_multiple=manifest.tile_multiple,
        tile_size=manifest.tile_size,
        score_threshold=manifest.score_threshold,
        class_thresholds=manifest.class_thresholds,
        calibration=manifest.calibration,
        provenance={
            "model": manifest.name,
            "model_version": manifest.version,
            "model_sha256": bundle.sha256,
            "software": f"retina-domains {__version__}",
            "research_only": str(manifest.research_only).lower(),
        },
    )


@dataclass(frozen=True, slots=True)
class BundleFactory:
    """Makes the detector of a bundle, in whatever process it is called; fields as in ``load_bundle``."""

    name: str
    device: str = "auto"
    threads: int | None = None
    score_floor: float | None = None

    def __call__(self) -> MMDetDetector:
        """Load it."""
        return load_bundle(self.name, self.device, self.threads, self.score_floor)
