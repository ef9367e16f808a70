"""How images are prepared, as parameters of known operations, applied with one of them changed.

A source's own code decides what its images look like; these operations are never used in its place. They compute
what the result would be if the source did one thing differently. That takes the same operations with one parameter
changed, and so first the source's own parameters: those whose result equals the source's bit for bit.
Pillow and OpenCV are both optional; a library that an environment does not have cannot be tried in it.
"""

from __future__ import annotations

import importlib.util
import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from harness.adapters.base import STEPS, Steps

Numbers = npt.NDArray[Any]
#: the parameters of one step; see the function of the same name
Parameters = Mapping[str, Any]
#: step -> its parameters; None where no known operation gives the source's result
Recipe = Mapping[str, Parameters | None]

#: Largest difference of normalised values that counts as none. Sources scale, shift and divide in different
#: orders, which float32 rounds differently by up to 7e-7; one step of a pixel value is 0.017.
NORMALISE_ROUNDING = 1e-5
OPENCV_FILTERS = {
    "bilinear": "INTER_LINEAR",
    "bicubic": "INTER_CUBIC",
    "lanczos": "INTER_LANCZOS4",
    "area": "INTER_AREA",
    "nearest": "INTER_NEAREST",
}


class NotIdentified(Exception):
    """No known operation does what the source does in a step; the message says what was seen."""


def libraries() -> list[str]:
    """Which of the two image libraries this environment has."""
    modules = {"PIL": "PIL", "OpenCV": "cv2"}
    return [name for name, module in modules.items() if importlib.util.find_spec(module)]


# -- the operations ------------------------------------------------------------------------------


def decode(image: bytes, library: str, orientation: str, channels: str) -> Numbers:
    """Encoded image -> (H, W, 3) uint8 in the order "RGB" or "BGR" of the channels.

    `orientation`: whether the EXIF tag is "applied" or "ignored".
    """
    pixels = _decoded(image, library, orientation)
    return pixels if channels == "RGB" else np.ascontiguousarray(pixels[:, :, ::-1])


def _decoded(image: bytes, library: str, orientation: str) -> Numbers:
    if library == "PIL":
        from PIL import Image, ImageOps

        held: Image.Image = Image.open(io.BytesIO(image))
        held = ImageOps.exif_transpose(held) if orientation == "applied" else held
        return np.asarray(held.convert("RGB"))
    import cv2

    flags = cv2.IMREAD_COLOR | (cv2.IMREAD_IGNORE_ORIENTATION if orientation == "ignored" else 0)
    pixels = cv2.imdecode(np.frombuffer(image, np.uint8), flags)
    if pixels is None:
        raise ValueError("OpenCV cannot decode it")
    return np.ascontiguousarray(pixels[:, :, ::-1])


def resize(
    pixels: Numbers, short_side: int, aspect_ratio: str, long_side: str, library: str, filter: str, antialias: bool
) -> Numbers:
    """(H, W, 3) uint8 -> resized. `aspect_ratio`: "kept", `long_side` being rounded as one of LONG_SIDES says;
    or "square", where the result is `short_side` either way. Without `antialias` Pillow's filters sample points; in
    OpenCV it goes with the filter."""  # fmt: skip
    height, width = resized_shape(pixels.shape[:2], short_side, aspect_ratio, long_side)
    if (height, width) == pixels.shape[:2]:
        return pixels
    if library == "PIL":
        from PIL import Image

        held = Image.fromarray(np.ascontiguousarray(pixels))
        kind = Image.Resampling[filter.upper()]
        if antialias:
            return np.asarray(held.resize((width, height), kind))
        to_source = (held.width / width, 0, 0, 0, held.height / height, 0)
        return np.asarray(held.transform((width, height), Image.Transform.AFFINE, to_source, kind))
    import cv2

    kind = getattr(cv2, OPENCV_FILTERS[filter])
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), (width, height), interpolation=kind))


def resized_shape(shape: Sequence[int], short_side: int, aspect_ratio: str, long_side: str) -> tuple[int, int]:
    """Height and width in pixels after the resize of an image of `shape` (height, width)."""
    if aspect_ratio == "square":
        return short_side, short_side
    long = LONG_SIDES[long_side](short_side, max(shape), min(shape))
    return (long, short_side) if shape[0] > shape[1] else (short_side, long)


#: pixels of the long side from the short one and the image's; exact ratios come out whole, halves go to the even side
LONG_SIDES: Mapping[str, Callable[[int, int, int], int]] = {
    "floor": lambda side, long, short: math.floor(round(side * long / short, 9)),
    "round": lambda side, long, short: round(round(side * long / short, 9)),
    "round after scaling": lambda side, long, short: round(long * (side / short)),  # halves go where floats go
    "ceil": lambda side, long, short: math.ceil(round(side * long / short, 9)),
}


def crop(pixels: Numbers, size: int, offset: str) -> Numbers:
    """A square of `size` pixels out of (H, W, 3): in the centre, half of an odd rest being rounded by `offset`
    ("floor", "ceil" or "half to even"), or in the upper left "corner"."""  # fmt: skip
    spare = [pixels.shape[axis] - size for axis in (0, 1)]
    if min(spare) < 0:
        raise ValueError(f"a crop of {size} pixels from an image of {pixels.shape[1]} x {pixels.shape[0]}")
    top, left = (OFFSETS[offset](rest) for rest in spare)
    return pixels[top : top + size, left : left + size]


OFFSETS: Mapping[str, Callable[[int], int]] = {
    "half to even": lambda rest: round(rest / 2),
    "floor": lambda rest: rest // 2,
    "ceil": lambda rest: -(-rest // 2),
    "corner": lambda rest: 0 * rest,
}


def normalise(
    pixels: Numbers, channels: str, scale: float, mean: Sequence[float], std: Sequence[float]
) -> npt.NDArray[np.float32]:
    """(H, W, 3) uint8 -> (3, H, W) float32: (pixel / scale - mean) / std, channels in the order "RGB" or "BGR".

    mean and std are in the order of the result.
    """
    ordered = pixels[:, :, ::-1] if channels == "BGR" else pixels
    values = (ordered.astype(np.float64) / scale - np.asarray(mean)) / np.asarray(std)
    return np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.float32)


_OPERATIONS: Mapping[str, Callable[..., Numbers]] = {
    "decode": decode,
    "resize": resize,
    "crop": crop,
    "normalise": normalise,
}


# -- with something changed ----------------------------------------------------------------------


def prepare(image: bytes, own: Steps, recipe: Recipe, changed: Mapping[str, Parameters]) -> Numbers | None:
    """The input of the network if the source did the `changed` steps with those parameters.

    `own` is what it did, `recipe` how; the steps before the first changed one are its own. None where the result
    is the source's own, so that nothing has to be computed again.
    """
    first = next(step for step in STEPS if step in changed)
    position = STEPS.index(first)
    held: Any = own[STEPS[position - 1]] if position else image
    last = max(STEPS.index(step) for step in changed)
    for index, step in enumerate(STEPS[position:], position):
        parameters = changed.get(step, recipe[step])
        if parameters is None:
            raise NotIdentified(f"how the source does the {step} step is not known")
        held = _OPERATIONS[step](held, **parameters)
        # a result that is the source's own stays so; normalised values differ by rounding, which does not count
        if index >= last and index < len(STEPS) - 1 and np.array_equal(held, own[step]):
            return None
    assert isinstance(held, np.ndarray)
    return None if same_values(held, own["normalise"]) else held


def same_values(one: Numbers, other: Numbers) -> bool:
    """Whether normalised values differ by no more than rounding, which is larger for larger values."""
    allowed = NORMALISE_ROUNDING * max(1.0, float(np.abs(other).max()))
    return one.shape == other.shape and float(np.abs(one - other).max()) <= allowed
