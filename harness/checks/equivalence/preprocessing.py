"""Where the preprocessing of two sources parts, and whether each is what a page says: per image, per step, on arrays.

Both are read from the files that workers write, one per image (harness.worker.arrays); nothing else is judged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.adapters.base import STEPS
from harness.adapters.recipe import NORMALISE_ROUNDING
from harness.core.records import Finding
from harness.worker.arrays import load

Numbers = npt.NDArray[Any]


@dataclass(frozen=True)
class Step:
    """One step of two sources on the same images; what an earlier step changed is seen here too."""

    step: str  #: one of STEPS
    images: int  #: compared
    identical: int  #: images whose arrays are equal bit for bit
    apart: int  #: images that are not the same: another shape, or values apart, normalised ones beyond rounding
    shape_differs: int  #: images
    max_difference: float  #: of 255 in pixel values, for normalise in normalised values; over images of equal shape
    mean_difference: float  #: the same unit, over all values of images of equal shape
    worst_image: str | None  #: where max_difference is, or the first whose shape differs; None where all are identical


@dataclass(frozen=True)
class Comparison:
    """How two sources prepare images for one model."""

    a: str  #: source with version
    b: str
    model: str
    images: int
    steps: tuple[Step, ...]  #: all of STEPS, in order
    first_apart: str | None  #: the first step that is not the same on all images
    described: tuple[str, str] | None = None  #: what a and b say that they do in that step

    @property
    def outcome(self) -> str:
        return "different" if self.first_apart else "same"


# -- two sources ---------------------------------------------------------------------------------


def compare(a: str, b: str, model: str, prepared_a: Mapping[str, Path], prepared_b: Mapping[str, Path]) -> Comparison:
    """Compares what two sources made of the same images; both map an image's name to its file of steps.

    Raises ValueError where one source has an image that the other has not, or where there are none.
    """
    for has, lacks, mine, other in ((a, b, prepared_a, prepared_b), (b, a, prepared_b, prepared_a)):
        if alone := sorted(mine.keys() - other.keys()):
            raise ValueError(f"{alone[0]} was prepared by {has} but not by {lacks}; {len(alone)} images are like that")
    if not prepared_a:
        raise ValueError(f"no image was prepared by {a} and {b}")
    tallies = {step: _Tally(step) for step in STEPS}
    for image in prepared_a:
        ours, theirs = load(prepared_a[image]), load(prepared_b[image])
        for step, tally in tallies.items():
            tally.add(image, ours[step], theirs[step])
    steps = tuple(tally.result(len(prepared_a)) for tally in tallies.values())
    return Comparison(a, b, model, len(prepared_a), steps, next((step.step for step in steps if step.apart), None))


class _Tally:
    """Sums up one step over images."""

    def __init__(self, step: str) -> None:
        self.step = step
        self.identical = self.apart = self.shape_differs = self.values = 0
        self.largest = self.total = 0.0
        self.worst: str | None = None
        self.misshapen: str | None = None

    def add(self, image: str, ours: Numbers, theirs: Numbers) -> None:
        if ours.shape != theirs.shape:
            self.shape_differs += 1
            self.apart += 1
            self.misshapen = self.misshapen or image
            return
        self.values += ours.size
        if ours.dtype == theirs.dtype and np.array_equal(ours, theirs):
            self.identical += 1
            return
        difference = _difference(ours, theirs)
        largest = float(difference.max(initial=0.0))
        self.apart += largest > (NORMALISE_ROUNDING if self.step == "normalise" else 0)
        self.total += float(difference.sum())
        if self.worst is None or largest > self.largest:
            self.largest, self.worst = largest, image

    def result(self, images: int) -> Step:
        mean = self.total / self.values if self.values else 0.0
        worst = self.worst or self.misshapen
        return Step(self.step, images, self.identical, self.apart, self.shape_differs, self.largest, mean, worst)


def _difference(ours: Numbers, theirs: Numbers) -> npt.NDArray[np.float64]:
    """Absolute differences; what is no number is infinitely far from anything."""
    with np.errstate(invalid="ignore"):
        difference = np.abs(np.subtract(ours, theirs, dtype=np.float64))
    return np.nan_to_num(difference, nan=np.inf, posinf=np.inf)


def sentence(comparison: Comparison) -> str:
    """The whole comparison in one sentence."""
    both = f"{comparison.a} and {comparison.b} prepare {comparison.model}"
    last = comparison.steps[-1]
    if comparison.first_apart is None:
        rounding = "" if last.identical == last.images else f" (normalise differs by at most {last.max_difference:.0e})"
        return f"{both} identically on all {comparison.images} images{rounding}"
    start = STEPS.index(comparison.first_apart)
    parts = f"where they part on {_apart(comparison.steps[start])}"
    # a later step may part images that an earlier one left the same
    for before, step in zip(comparison.steps[start:], comparison.steps[start + 1 :], strict=False):
        if step.apart > before.apart:
            parts += f", then at the {step.step} step on {_apart(step)}"
    how = f"identically up to the {comparison.first_apart} step" if start else "differently from the decode step on"
    said = comparison.described
    why = f"; {comparison.a}: {said[0]}, {comparison.b}: {said[1]}" if said else ""
    return f"{both} {how}, {parts}{why}"


def _apart(step: Step) -> str:
    shapes = f"{step.shape_differs} of them in another shape" if step.shape_differs else ""
    values = ""
    if step.max_difference:
        unit = "" if step.step == "normalise" else " of 255"
        values = f"largest difference {step.max_difference:.4g}{unit}, mean {step.mean_difference:.2g}"
    return f"{step.apart} of {step.images} images ({'; '.join(filter(None, (shapes, values)))})"


# -- one source and its page ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Deviation:
    """What one image shows that the page does not say."""

    step: str
    what: str  #: the same text for every image that deviates in the same way
    detail: str  #: of this image
    difference: float
    unit: str


def against_page(source: str, model: str, prepared: Mapping[str, Path], page: Mapping[str, Any]) -> list[Finding]:
    """Whether prepared images are what a page determines, which is neither the decoder nor the filter.

    `prepared` maps an image's name to its file of steps; `page` is Page.preprocessing. A warning per kind of
    deviation; a note where everything holds on all images.
    """
    if not prepared or not page:
        return []
    found: dict[tuple[str, str], list[tuple[str, _Deviation]]] = {}
    sized = True  # the page says what the short side is, for every image
    for image, path in prepared.items():
        steps = load(path)
        sized &= _short_side(steps["crop"], page) is not None
        for deviation in _deviations(steps, page):
            found.setdefault((deviation.step, deviation.what), []).append((image, deviation))
    if not found:
        held = ["the short side"] if sized else []
        held += ["the aspect ratio kept", "a crop of the centre bit for bit"]
        held += ["mean and std"] if {"mean", "std"} <= page.keys() else []
        text = (
            f"{source} prepares images for {model} as the page says in all that it says, on all {len(prepared)} "
            f"images: {', '.join(held)}."
        )
        return [Finding("preprocessing_parity", source, model, text, {"images": len(prepared)}, severity="note")]
    findings = []
    for (step, what), where in found.items():
        image, worst = max(where, key=lambda pair: pair[1].difference)
        text = (
            f"{source} prepares {len(where)} of {len(prepared)} images for {model} otherwise than the page says: "
            f"{what}. The largest difference ({worst.unit}) is {worst.difference:.4g}, in {image}: {worst.detail}."
        )
        evidence = {"step": step, "images": len(where), "of": len(prepared), "worst_image": image}
        evidence |= {"what": what, "detail": worst.detail, "max_difference": worst.difference, "unit": worst.unit}
        findings.append(Finding("preprocessing_parity", source, model, text, evidence))
    return findings


def _short_side(crop: Numbers, page: Mapping[str, Any]) -> int | None:
    """Pixels after the resize, by the page's formula, or by its list where it has no formula."""
    side = max(crop.shape[:2])
    stated: int | None = page.get("short_side", {}).get(str(side))
    return math.floor(side / page["ratio"]) if "ratio" in page else stated


def _deviations(steps: Mapping[str, Numbers], page: Mapping[str, Any]) -> Iterator[_Deviation]:
    decoded, resized, crop, normalised = (steps[step] for step in STEPS)
    short = min(resized.shape[:2])
    side = max(crop.shape[:2])
    stated = page.get("short_side", {}).get(str(side))
    expected = _short_side(crop, page)
    if expected is not None and short != expected:
        formula = f"floor({side} / {page['ratio']}) = " if "ratio" in page else ""
        aside = f", though {short} is what the page states for {side} beside its formula" if short == stated else ""
        what = f"the short side is not {formula}{expected}{aside}"
        yield _Deviation("resize", what, f"{short} pixels", abs(short - expected), "pixels")
    scale = short / min(decoded.shape[:2])
    off = max(abs(mine - scale * its) for mine, its in zip(resized.shape[:2], decoded.shape[:2], strict=True))
    if off > 1:
        square = resized.shape[0] == resized.shape[1]
        what = "the resize makes a square of what is none" if square else "the resize does not keep the aspect ratio"
        detail = " to ".join(f"{shape[1]} x {shape[0]}" for shape in (decoded.shape, resized.shape))
        yield _Deviation("resize", what, detail, off, "pixels")
    yield from _off_centre(resized, crop)
    if {"mean", "std"} <= page.keys():
        yield from _otherwise_normalised(crop, normalised, np.asarray(page["mean"]), np.asarray(page["std"]))


def _off_centre(resized: Numbers, crop: Numbers) -> Iterator[_Deviation]:
    height, width = crop.shape[:2]
    spare = [resized.shape[0] - height, resized.shape[1] - width]
    if min(spare) < 0:
        detail = f"{width} x {height} of {resized.shape[1]} x {resized.shape[0]}"
        yield _Deviation("crop", "the crop is larger than what it is taken from", detail, -min(spare), "pixels")
        return
    # sources round half of an odd rest either way
    tops, lefts = ({rest // 2, rest - rest // 2} for rest in spare)
    centres = [resized[top : top + height, left : left + width] for top in tops for left in lefts]
    if any(np.array_equal(crop, centre) for centre in centres):
        return
    nearest = min(float(_difference(crop, centre).max()) for centre in centres)
    for top in range(spare[0] + 1):
        for left in np.flatnonzero((resized[top, : spare[1] + 1] == crop[0, 0]).all(axis=-1)):
            if np.array_equal(crop, resized[top : top + height, left : left + width]):
                detail = f"it begins {left} pixels from the left and {top} from the top, the centre at {min(lefts)} "
                yield _Deviation(
                    "crop", "the crop is not the centre", f"{detail}and {min(tops)}", nearest, "pixel values of 255"
                )
                return
    yield _Deviation(
        "crop", "the crop is no part of the resized image", "found nowhere in it", nearest, "pixel values of 255"
    )


def _otherwise_normalised(crop: Numbers, normalised: Numbers, mean: Numbers, std: Numbers) -> Iterator[_Deviation]:
    pixels = crop.astype(np.float64)
    unit, half = pixels / 255, 0.5
    claimed = (unit - mean) / std

    def off(candidate: Numbers) -> float:
        return float(_difference(normalised, candidate.transpose(2, 0, 1)).max())

    difference = off(claimed)
    if difference <= NORMALISE_ROUNDING:
        return
    others = {
        "the channels are reversed (BGR)": (unit[..., ::-1] - mean) / std,
        "the result is in reversed order (BGR), mean and std too": claimed[..., ::-1],
        "mean and std are in reversed order": (unit - mean[::-1]) / std[::-1],
        "mean and std are 0.5": (unit - half) / half,
        "pixels are not scaled by 255": (pixels - mean) / std,
        "pixels are scaled by 255 but not normalised": unit,
        "there is no normalisation": pixels,
    }
    # float32 rounds large values by more; a grey image does not tell orders of channels apart
    rounding = {what: NORMALISE_ROUNDING * max(1.0, float(np.abs(other).max())) for what, other in others.items()}
    what = " or ".join(what for what, other in others.items() if off(other) <= rounding[what])
    detail = "this fits where mean and std as claimed do not" if what else _fitted(unit, normalised)
    what = what or "the page's mean and std do not fit"
    yield _Deviation("normalise", what, detail, difference, "normalised values")


def _fitted(unit: Numbers, normalised: Numbers) -> str:
    """The mean and std that the values have, where they have one per channel."""
    values = []
    for channel in range(3):
        scaled, result = unit[..., channel].ravel(), normalised[channel].ravel().astype(np.float64)
        if not np.isfinite(result).all() or scaled.std() == 0 or result.std() == 0:
            return "nothing tried fits"
        slope = np.cov(scaled, result, bias=True)[0, 1] / scaled.var()
        shift = result.mean() - slope * scaled.mean()
        if not np.allclose(slope * scaled + shift, result, rtol=0, atol=NORMALISE_ROUNDING):
            return "nothing tried fits"
        values.append((-shift / slope, 1 / slope))
    mean, std = (", ".join(f"{pair[part]:.4g}" for pair in values) for part in (0, 1))
    return f"mean ({mean}) and std ({std}) do"
