"""From a file's pixel values to what a detector takes: float32 in 0..255, one stretch a scene.

A model of SAR images is fed linear amplitude: decibels become ``10 ** (dB / 20)``, intensity its square
root, complex samples their modulus. Then ``[low, high]`` is drawn linearly as ``[0, 255]``, clipped.

Which ``low`` and ``high``:

* ``identity``: 8-bit pixels are a display amplitude already, 0..255.
* ``fixed``: calibrated values (decibels, or a reader that knows them to be sigma0) take the bundle's range.
* ``scene``: everything else takes one stretch of the whole scene, never of a tile. For SAR ``low`` is 0 and
  ``high`` the larger of the 99.5th percentile and eight times the median, so that an open sea is not blown
  up to the brightness of ships; for an optical model the 0.5th and 99.5th percentile of each band.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from retina_domains.errors import RadiometryError
from retina_domains.types import RADIOMETRIES, BoolArray, InputSpec, Radiometry

Stretch = Literal["identity", "fixed", "scene"]
RadiometryChoice = Literal["auto", "uint8", "amplitude", "intensity", "db"]
HIGH_PERCENTILE = 99.5
LOW_PERCENTILE = 0.5
MEDIANS_TO_WHITE = 8.0
# Backscatter in decibels lies far inside these limits; heights, temperatures and counts do not.
DB_FLOOR, DB_CEILING = -100.0, 60.0
_DB_TO_AMPLITUDE = float(np.log(10.0) / 20.0)
_DISPLAY_WHITE = 255.0


@dataclass(frozen=True, slots=True)
class BandScaling:
    """How the pixels of one scene become a detector's input; made by :func:`resolve_scaling`.

    Args:
        radiometry: what the pixels are.
        low: amplitude drawn as 0, one a band.
        high: amplitude drawn as 255, one a band.
        stretch: where ``low`` and ``high`` come from.
        note: why this radiometry, for the run summary.
    """

    radiometry: Radiometry
    low: tuple[float, ...]
    high: tuple[float, ...]
    stretch: Stretch
    note: str = ""

    def __post_init__(self) -> None:
        if self.radiometry not in RADIOMETRIES:
            raise RadiometryError(
                f"radiometry {self.radiometry!r}: expected one of {', '.join(RADIOMETRIES)}"
            )
        if len(self.low) != len(self.high) or not self.low:
            raise RadiometryError(
                f"{len(self.low)} low and {len(self.high)} high values: expected one a band"
            )
        if not all(
            lo < hi and np.isfinite([lo, hi]).all() for lo, hi in zip(self.low, self.high, strict=True)
        ):
            raise RadiometryError(f"band range {self.low} to {self.high}: expected finite, high above low")

    def apply(self, pixels: NDArray[Any], valid: BoolArray) -> NDArray[np.float32]:
        """``(C, H, W)`` raw pixels to float32 in 0..255; 0 where ``valid`` ``(H, W)`` is false.

        Raises:
            RadiometryError: the number of bands is not that of the scaling.
        """
        if pixels.shape[0] != len(self.low):
            raise RadiometryError(f"{pixels.shape[0]} bands to scale: expected {len(self.low)}")
        value = to_amplitude(pixels, self.radiometry)
        gains = [_DISPLAY_WHITE / (h - lo) for lo, h in zip(self.low, self.high, strict=True)]
        with np.errstate(over="ignore", invalid="ignore"):
            # A pass over the pixels that would change nothing costs as much as one that does.
            if any(self.low):
                value -= np.asarray(self.low, value.dtype).reshape(-1, 1, 1)
            if any(gain != 1 for gain in gains):
                value *= np.asarray(gains, value.dtype).reshape(-1, 1, 1)
        np.clip(value, 0.0, _DISPLAY_WHITE, out=value)
        scaled = value.astype(np.float32, copy=False)
        if not valid.all():
            scaled[:, ~valid] = 0.0
        return scaled

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "low": list(self.low), "high": list(self.high)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> BandScaling:
        """The inverse of :meth:`to_dict`."""
        return cls(
            radiometry=values["radiometry"],
            low=tuple(float(v) for v in values["low"]),
            high=tuple(float(v) for v in values["high"]),
            stretch=values["stretch"],
            note=str(values.get("note", "")),
        )

    def describe(self) -> str:
        """One line for the run summary."""
        ranges = ", ".join(f"{lo:.6g} to {hi:.6g}" for lo, hi in zip(self.low, self.high, strict=True))
        return f"{self.radiometry}, {self.stretch} stretch {ranges}" + (
            f" ({self.note})" if self.note else ""
        )


def to_amplitude(pixels: NDArray[Any], radiometry: Radiometry) -> NDArray[np.floating[Any]]:
    """A fresh floating array of linear amplitude; 8-bit and amplitude values are taken as they are.

    float64 for 32- and 64-bit integers and float64, whose values float32 would round; float32 otherwise.
    """
    if np.iscomplexobj(pixels):
        modulus: NDArray[np.floating[Any]] = np.abs(pixels)
        return modulus
    wide = pixels.dtype.kind in "iuf" and pixels.dtype.itemsize >= (8 if pixels.dtype.kind == "f" else 4)
    value: NDArray[np.floating[Any]] = pixels.astype(np.float64 if wide else np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        if radiometry == "db":
            value *= _DB_TO_AMPLITUDE
            np.exp(value, out=value)
        elif radiometry == "intensity":
            np.maximum(value, 0.0, out=value)
            np.sqrt(value, out=value)
    return value


def resolve_scaling(
    spec: InputSpec,
    radiometry: RadiometryChoice,
    dtype: str,
    overview: NDArray[Any],
    overview_valid: BoolArray,
    calibrated: bool = False,
) -> BandScaling:
    """Decide, once a scene, how its pixels become the detector's input.

    Args:
        spec: what the detector takes.
        radiometry: what the user says the pixels are, or ``"auto"``.
        dtype: numpy name of the file's pixel type.
        overview: ``(C, H, W)`` raw pixels that stand for the whole scene.
        overview_valid: ``(H, W)``.
        calibrated: the reader knows the pixels to be sigma0 (amplitude or intensity, not raw counts).

    Raises:
        RadiometryError: the bands do not fit the detector, or the values contradict the radiometry.
    """
    if overview.shape[0] != spec.channels:
        ask = ",".join(str(min(i + 1, overview.shape[0])) for i in range(spec.channels))
        raise RadiometryError(
            f"{overview.shape[0]} bands are read and the detector takes {spec.channels}: "
            f"choose them with --bands, for example --bands {ask}"
        )
    usable = overview_valid & np.isfinite(overview).all(axis=0)
    samples = overview[:, usable]
    kind = np.dtype(dtype)
    if radiometry == "auto":
        chosen, note = _guess(kind, samples)
    else:
        chosen, note = radiometry, "as declared"
        _check_declared(chosen, kind, samples)
    if chosen == "uint8":
        return BandScaling(
            chosen, (0.0,) * spec.channels, (_DISPLAY_WHITE,) * spec.channels, "identity", note
        )
    optical = spec.radiometry == "uint8"
    if not optical and (chosen == "db" or calibrated):
        return BandScaling(chosen, spec.low, spec.high, "fixed", note)
    low, high = _scene_range(to_amplitude(samples, chosen), optical)
    return BandScaling(chosen, low, high, "scene", note)


def _scene_range(amplitude: NDArray[Any], optical: bool) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Range of each band of ``(C, N)`` amplitudes."""
    lows, highs = [], []
    for band in amplitude:
        if band.size == 0:
            low, high = 0.0, 1.0
        elif optical:
            low, high = (float(p) for p in np.percentile(band, [LOW_PERCENTILE, HIGH_PERCENTILE]))
        else:
            median, bright = np.percentile(band, [50.0, HIGH_PERCENTILE])
            low, high = 0.0, float(max(bright, MEDIANS_TO_WHITE * median))
        if band.size and high <= low:
            high = float(band.max())
        if high <= low:
            # A constant scene: any range will do, and everything is drawn as black.
            high = low + 1.0
        lows.append(low)
        highs.append(high)
    return tuple(lows), tuple(highs)


def _guess(kind: np.dtype[Any], samples: NDArray[Any]) -> tuple[Radiometry, str]:
    """Radiometry by type and values of ``(C, N)`` samples, and why."""
    if kind == np.uint8:
        return "uint8", "auto: 8-bit pixels"
    if kind.kind == "c":
        return "amplitude", "auto: modulus of complex pixels"
    if samples.size == 0:
        return "amplitude", "auto: no valid pixel to judge by"
    negative = float((samples < 0).mean())
    if kind.kind == "f" and negative > 0.5:
        low, high = np.percentile(samples, [1.0, 99.0])
        if low >= DB_FLOOR and high <= DB_CEILING:
            return "db", f"auto: {negative:.0%} of the values are negative and none is beyond decibels"
    if negative > 0.5:
        raise RadiometryError(
            f"{negative:.0%} of the values are negative ({kind}, {samples.min():g} to {samples.max():g}), "
            "which is neither amplitude nor decibels: declare it with --radiometry, or set the file's nodata"
        )
    if kind.kind == "f" and float(np.percentile(samples, 99.0)) < 3.0:
        return "amplitude", (
            "auto: small positive values, taken as uncalibrated amplitude; linear sigma0 is better declared "
            "with --radiometry intensity"
        )
    return "amplitude", "auto: uncalibrated amplitude"


def _check_declared(radiometry: Radiometry, kind: np.dtype[Any], samples: NDArray[Any]) -> None:
    """Raise where the values cannot be what was declared."""
    if radiometry == "uint8" and kind.kind not in "iu":
        raise RadiometryError(
            f"--radiometry uint8 on {kind} pixels: 8-bit display values are integers; use amplitude, "
            "intensity or db"
        )
    if kind.kind == "c":
        if radiometry != "amplitude":
            raise RadiometryError(f"--radiometry {radiometry} on complex pixels: use amplitude or auto")
        return
    if samples.size == 0:
        return
    smallest, largest = float(samples.min()), float(samples.max())
    found = f"the values run from {smallest:g} to {largest:g}"
    if radiometry == "uint8" and (smallest < 0 or largest > _DISPLAY_WHITE):
        raise RadiometryError(f"--radiometry uint8, but {found}: use amplitude (one stretch of the scene)")
    if radiometry == "db" and (smallest >= DB_CEILING or float(np.median(samples)) > DB_CEILING):
        raise RadiometryError(
            f"--radiometry db, but {found}: these are no decibels; use amplitude or intensity"
        )
    if radiometry in ("amplitude", "intensity") and float((samples < 0).mean()) > 0.5:
        raise RadiometryError(
            f"--radiometry {radiometry}, but most values are negative ({found}): decibels are --radiometry db"
        )
