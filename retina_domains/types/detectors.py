"""What finds objects, whatever it runs on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from retina_domains.types.detections import Detections
from retina_domains.types.specs import InputSpec
from retina_domains.types.tiles import Chip


@runtime_checkable
class Detector(Protocol):
    """Finds objects in chips. ``predict`` gives one ``Detections(frame="tile")`` a chip, in order.

    Attributes:
        classes: names, in the order of labels.
        input_spec: what it takes.
        max_object_px: longest side of an object that it can find.
        halo_px: context, in px, that an object needs around it for a stable answer.
        tile_multiple: coarsest level_stride; tile steps must be multiples of it.
        tile_size: side of the tiles it prefers, px.
        score_threshold: the recommended one; a detector may have ``class_thresholds`` besides, see
            ``retina_domains.thresholds``.
        provenance: name, hash and the like, for every output.
    """

    classes: tuple[str, ...]
    input_spec: InputSpec
    max_object_px: int
    halo_px: int
    tile_multiple: int
    tile_size: int
    score_threshold: float
    provenance: dict[str, str]

    def predict(self, batch: Sequence[Chip]) -> Sequence[Detections]:
        """Detections of each chip; raises ``DeviceMemoryError`` when the device is full."""
        ...


class DetectorFactory(Protocol):
    """A picklable maker of a detector, for workers."""

    def __call__(self) -> Detector:
        """Make the detector."""
        ...
