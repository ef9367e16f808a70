"""How images are prepared, as parameters of known operations: told from a source's results, applied with one changed.

A source's own code decides what its images look like; these operations are never used in its place. They answer
what would have come out had the source done one thing otherwise, which takes the same operations with one parameter
changed, and so first the parameters that the source has: those whose result equals the source's bit for bit.
Pillow and OpenCV are both optional; what an environment lacks cannot be tried in it.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from harness.adapters.base import STEPS, Preprocessing, Steps

Numbers = npt.NDArray[Any]
#: the parameters of one step; see the function of the same name
Parameters = Mapping[str, Any]
#: step -> its parameters; None where no known operation gives the source's result
Recipe = Mapping[str, Parameters | None]

#: Largest difference of normalised values that is no difference. Sources scale, shift and divide in orders of their
#: own, which float32 rounds differently by up to 7e-7; one step of a pixel value is 0.017.
NORMALISE_ROUNDING = 1e-5
#: std of pixels scaled to 0..1 is above this, and that of pixels which were not, taken for such, below
_LEAST_STD = 1e-2

_PIL_FILTERS = ("bilinear", "bicubic", "lanczos", "box", "hamming", "nearest")
#: point sampling; Pillow has no others without antialiasing
_PIL_POINT_FILTERS = ("bilinear", "bicubic")
_OPENCV_FILTERS = {
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
    """(H, W, 3) uint8 -> resized. `aspect_ratio`: "kept", `long_side` being rounded as one of _LONG_SIDES says;
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

    kind = getattr(cv2, _OPENCV_FILTERS[filter])
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), (width, height), interpolation=kind))


def resized_shape(shape: Sequence[int], short_side: int, aspect_ratio: str, long_side: str) -> tuple[int, int]:
    """Height and width in pixels after the resize of an image of `shape` (height, width)."""
    if aspect_ratio == "square":
        return short_side, short_side
    long = _LONG_SIDES[long_side](short_side, max(shape), min(shape))
    return (long, short_side) if shape[0] > shape[1] else (short_side, long)


#: pixels of the long side from the short one and the image's; exact ratios come out whole, halves go to the even side
_LONG_SIDES: Mapping[str, Callable[[int, int, int], int]] = {
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
    top, left = (_OFFSETS[offset](rest) for rest in spare)
    return pixels[top : top + size, left : left + size]


_OFFSETS: Mapping[str, Callable[[int], int]] = {
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
    """What the network would have been given had the source done the `changed` steps with those parameters.

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
        # a result that is the source's own stays so; normalised values differ by rounding, which is no change
        if index >= last and index < len(STEPS) - 1 and np.array_equal(held, own[step]):
            return None
    assert isinstance(held, np.ndarray)
    return None if same_values(held, own["normalise"]) else held


def same_values(one: Numbers, other: Numbers) -> bool:
    """Whether normalised values differ by no more than rounding, which is larger for larger values."""
    allowed = NORMALISE_ROUNDING * max(1.0, float(np.abs(other).max()))
    return one.shape == other.shape and float(np.abs(one - other).max()) <= allowed


# -- what a source does --------------------------------------------------------------------------


def identify(images: Sequence[bytes], results: Sequence[Steps], said: Preprocessing) -> tuple[Recipe, dict[str, str]]:
    """The parameters with which each step gives the source's results for all of these images, and where none do why.

    Where several do (two decoders often give the same pixels), those that fit what the source says of itself.
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
    raise NotIdentified(f"the decoded pixels are those of neither of {' and '.join(order) or 'the missing libraries'}")


def _resize(_images: Sequence[bytes], results: Sequence[Steps], said: Preprocessing) -> Parameters:
    shapes = [(one["decode"].shape[:2], one["resize"].shape[:2]) for one in results]
    short_sides = {min(after) for _, after in shapes}
    if len(short_sides) != 1:
        raise NotIdentified(f"the short side is not one size but {', '.join(map(str, sorted(short_sides)))} pixels")
    short_side = short_sides.pop()
    geometries = [*(("kept", rounding) for rounding in _LONG_SIDES), ("square", "floor")]
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
    """Library, filter and whether it is antialiased; what the source says of itself first."""
    found: list[tuple[str, str, bool]] = []
    if "PIL" in libraries():
        found += [("PIL", kind, True) for kind in _PIL_FILTERS]
        found += [("PIL", kind, False) for kind in _PIL_POINT_FILTERS]
    if "OpenCV" in libraries():
        found += [("OpenCV", kind, kind == "area") for kind in _OPENCV_FILTERS]
    opencv_first = "cv" in said
    yield from sorted(found, key=lambda one: ((one[0] == "OpenCV") != opencv_first, one[1] not in said))


def _crop(_images: Sequence[bytes], results: Sequence[Steps], _said: Preprocessing) -> Parameters:
    sizes = {one["crop"].shape[:2] for one in results}
    if len(sizes) != 1 or len(set(next(iter(sizes)))) != 1:
        raise NotIdentified("the crop is no square of one size")
    size = next(iter(sizes))[0]
    if any(min(one["resize"].shape[:2]) < size for one in results):
        raise NotIdentified(f"the crop of {size} pixels is larger than what it is taken from")
    resized = [one["resize"] for one in results]
    for offset in _OFFSETS:
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
            # (pixel / scale - mean) / std: the scale is told by the size of std
            scale = 255.0 if (1 / (255 * np.abs(slopes)) > _LEAST_STD).all() else 1.0
            std = 1 / (scale * slopes)
            mean = -shifts * std
            parameters: dict[str, Any] = {"channels": channels, "scale": scale}
            parameters |= {"mean": _short(mean), "std": _short(std)}
            if all(same_values(normalise(one["crop"], **parameters), one["normalise"]) for one in results):
                return parameters
    raise NotIdentified("the normalised values are no scaled and shifted pixels, in either order of the channels")


def _line(pixels: Numbers, values: Numbers) -> tuple[float, float] | None:
    """Slope and shift of values = slope x pixels + shift; None where they are on no line, or pixels are all alike."""
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
