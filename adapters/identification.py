"""How a source prepares images: the parameters of the operations in `recipe` whose results equal the source's."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from harness.adapters.base import Preprocessing, Steps
from harness.adapters.recipe import (
    LONG_SIDES,
    NORMALISE_ROUNDING,
    OFFSETS,
    OPENCV_FILTERS,
    NotIdentified,
    Numbers,
    Parameters,
    Recipe,
    crop,
    decode,
    libraries,
    normalise,
    resize,
    resized_shape,
    same_values,
)

#: std of pixels scaled to 0..1 is above this; that of pixels 0..255, if read as scaled, is below
_LEAST_STD = 1e-2

_PIL_FILTERS = ("bilinear", "bicubic", "lanczos", "box", "hamming", "nearest")
#: point sampling; Pillow has no others without antialiasing
_PIL_POINT_FILTERS = ("bilinear", "bicubic")


def identify(images: Sequence[bytes], results: Sequence[Steps], said: Preprocessing) -> tuple[Recipe, dict[str, str]]:
    """The parameters with which each step gives the source's results for all of these images; where none do, why.

    Where several do (two decoders often give the same pixels), those that fit the description by the source.
    """
    identified: dict[str, Parameters | None] = {}
    reasons: dict[str, str] = {}
    for step, find in (("decode", _decode), ("resize", _resize), ("crop", _crop), ("normalise", _normalise)):
        try:
            identified[step] = find(images, results, said)
        except NotIdentified as error:
            identified[step] = None
            reasons[step] = str(error)
    return identified, reasons


def _decode(images: Sequence[bytes], results: Sequence[Steps], said: Preprocessing) -> Parameters:
    opencv_first = "cv" in said.decoder.lower()
    order = sorted(libraries(), key=lambda name: (name == "OpenCV") != opencv_first)
    applied_first = "applied" in said.decoder.lower()
    orientations = sorted(("applied", "ignored"), key=lambda one: (one == "applied") != applied_first)
    for channels, library, orientation in itertools.product(("RGB", "BGR"), order, orientations):
        parameters: dict[str, Any] = {"library": library, "orientation": orientation, "channels": channels}
        if _gives(functools.partial(decode, **parameters), images, results, "decode"):
            return parameters
    raise NotIdentified(f"the decoded pixels are not those of {' or '.join(order) or 'the missing libraries'}")


def _resize(_images: Sequence[bytes], results: Sequence[Steps], said: Preprocessing) -> Parameters:
    shapes = [(one["decode"].shape[:2], one["resize"].shape[:2]) for one in results]
    short_sides = {min(after) for _, after in shapes}
    if len(short_sides) != 1:
        raise NotIdentified(f"the short side is not one size but {', '.join(map(str, sorted(short_sides)))} pixels")
    short_side = short_sides.pop()
    geometries = [*(("kept", rounding) for rounding in LONG_SIDES), ("square", "floor")]
    fitting = [
        geometry
        for geometry in geometries
        if all(resized_shape(before, short_side, *geometry) == after for before, after in shapes)
    ]
    if not fitting:
        before, after = next(
            (shape for shape in shapes if resized_shape(shape[0], short_side, "kept", "floor") != shape[1]), shapes[0]
        )
        raise NotIdentified(f"{before[1]} x {before[0]} pixels become {after[1]} x {after[0]}")
    aspect_ratio, long_side = fitting[0]
    geometry = {"short_side": short_side, "aspect_ratio": aspect_ratio, "long_side": long_side}
    for library, kind, antialias in _resamplings(said.resize.lower()):
        parameters: dict[str, Any] = {**geometry, "library": library, "filter": kind, "antialias": antialias}
        decoded = [one["decode"] for one in results]
        if _gives(functools.partial(resize, **parameters), decoded, results, "resize"):
            return parameters
    raise NotIdentified(f"no known filter of {' or '.join(libraries()) or 'the missing libraries'} gives these pixels")


def _resamplings(said: str) -> Iterator[tuple[str, str, bool]]:
    """Library, filter and whether it is antialiased; what the source itself says first."""
    found: list[tuple[str, str, bool]] = []
    if "PIL" in libraries():
        found += [("PIL", kind, True) for kind in _PIL_FILTERS]
        found += [("PIL", kind, False) for kind in _PIL_POINT_FILTERS]
    if "OpenCV" in libraries():
        found += [("OpenCV", kind, kind == "area") for kind in OPENCV_FILTERS]
    opencv_first = "cv" in said
    yield from sorted(found, key=lambda one: ((one[0] == "OpenCV") != opencv_first, one[1] not in said))


def _crop(_images: Sequence[bytes], results: Sequence[Steps], _said: Preprocessing) -> Parameters:
    sizes = {one["crop"].shape[:2] for one in results}
    if len(sizes) != 1 or len(set(next(iter(sizes)))) != 1:
        raise NotIdentified("the crop is not a square of one size")
    size = next(iter(sizes))[0]
    if any(min(one["resize"].shape[:2]) < size for one in results):
        raise NotIdentified(f"the crop of {size} pixels is larger than the resized image")
    resized = [one["resize"] for one in results]
    for offset in OFFSETS:
        if _gives(functools.partial(crop, size=size, offset=offset), resized, results, "crop"):
            return {"size": size, "offset": offset}
    raise NotIdentified("the crop is neither in the centre nor in the upper left corner")


def _normalise(_images: Sequence[bytes], results: Sequence[Steps], _said: Preprocessing) -> Parameters:
    pixels = np.concatenate([one["crop"].reshape(-1, 3) for one in results]).astype(np.float64)
    values = np.concatenate([one["normalise"].reshape(3, -1).T for one in results]).astype(np.float64)
    if len(pixels) != len(values) or not np.isfinite(values).all():
        raise NotIdentified("the normalised values are not one per pixel, or not finite")
    for channels in ("RGB", "BGR"):
        entered = pixels[:, ::-1] if channels == "BGR" else pixels
        lines = [_line(entered[:, channel], values[:, channel]) for channel in range(3)]
        if all(lines):
            slopes, shifts = (np.array(part) for part in zip(*(line for line in lines if line), strict=True))
            # (pixel / scale - mean) / std: the size of std shows the scale
            scale = 255.0 if (1 / (255 * np.abs(slopes)) > _LEAST_STD).all() else 1.0
            std = 1 / (scale * slopes)
            mean = -shifts * std
            parameters: dict[str, Any] = {"channels": channels, "scale": scale}
            parameters |= {"mean": _short(mean), "std": _short(std)}
            if all(same_values(normalise(one["crop"], **parameters), one["normalise"]) for one in results):
                return parameters
    raise NotIdentified("the normalised values are not scaled and shifted pixels, in either order of the channels")


def _line(pixels: Numbers, values: Numbers) -> tuple[float, float] | None:
    """Slope and shift of values = slope x pixels + shift; None if they are not on a line, or all pixels are equal."""
    low, high = int(pixels.argmin()), int(pixels.argmax())
    if pixels[low] == pixels[high] or values[low] == values[high]:
        return None
    slope, shift = np.polyfit(pixels, values, 1)
    allowed = NORMALISE_ROUNDING * max(1.0, float(np.abs(values).max()))
    return (float(slope), float(shift)) if np.abs(slope * pixels + shift - values).max() <= allowed else None


def _short(values: Numbers) -> tuple[float, ...]:
    """As a document would print them: float32 rounding gives no more than six digits."""
    return tuple(float(f"{value:.6g}") if abs(value) > 1e-6 else 0.0 for value in values)


def _gives(operation: Callable[[Any], Numbers], entered: Sequence[Any], results: Sequence[Steps], step: str) -> bool:
    """Whether the operation's results are the source's, bit for bit."""
    try:
        return all(np.array_equal(operation(one), own[step]) for one, own in zip(entered, results, strict=True))
    except Exception:  # a decoder may raise anything; then it is not what the source does
        return False
