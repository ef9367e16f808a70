"""Where the preprocessing of two sources first differs: per image, per step, on arrays. Pure.

The arrays are read from the files that workers write, one per image (harness.worker.arrays).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.adapters.base import STEPS
from harness.adapters.recipe import NORMALISE_ROUNDING
from harness.worker.arrays import load

Numbers = npt.NDArray[Any]


@dataclass(frozen=True)
class Step:
    """One step of two sources on the same images; what an earlier step changed is seen here too."""

    step: str  #: one of STEPS
    images: int  #: compared
    identical: int  #: images whose arrays are equal bit for bit
    apart: int  #: images whose shape or values differ, normalised values by more than rounding
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


def compare(a: str, b: str, model: str, prepared_a: Mapping[str, Path], prepared_b: Mapping[str, Path]) -> Comparison:
    """Compares what two sources made of the same images; both map an image's name to its file of steps.

    Raises ValueError where one source has an image that the other does not have, or where there are none.
    """
    for has, lacks, its, other in ((a, b, prepared_a, prepared_b), (b, a, prepared_b, prepared_a)):
        if alone := sorted(its.keys() - other.keys()):
            raise ValueError(f"{alone[0]} was prepared by {has} but not by {lacks}; {len(alone)} such images")
    if not prepared_a:
        raise ValueError(f"no image was prepared by {a} and {b}")
    tallies = {step: _Tally(step) for step in STEPS}
    for image in prepared_a:
        of_a, of_b = load(prepared_a[image]), load(prepared_b[image])
        for step, tally in tallies.items():
            tally.add(image, of_a[step], of_b[step])
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

    def add(self, image: str, of_a: Numbers, of_b: Numbers) -> None:
        if of_a.shape != of_b.shape:
            self.shape_differs += 1
            self.apart += 1
            self.misshapen = self.misshapen or image
            return
        self.values += of_a.size
        if of_a.dtype == of_b.dtype and np.array_equal(of_a, of_b):
            self.identical += 1
            return
        difference = absolute_difference(of_a, of_b)
        largest = float(difference.max(initial=0.0))
        self.apart += largest > (NORMALISE_ROUNDING if self.step == "normalise" else 0)
        self.total += float(difference.sum())
        if self.worst is None or largest > self.largest:
            self.largest, self.worst = largest, image

    def result(self, images: int) -> Step:
        mean = self.total / self.values if self.values else 0.0
        worst = self.worst or self.misshapen
        return Step(self.step, images, self.identical, self.apart, self.shape_differs, self.largest, mean, worst)


def absolute_difference(of_a: Numbers, of_b: Numbers) -> npt.NDArray[np.float64]:
    """Absolute differences; infinite where a value is not a number."""
    with np.errstate(invalid="ignore"):
        difference = np.abs(np.subtract(of_a, of_b, dtype=np.float64))
    return np.nan_to_num(difference, nan=np.inf, posinf=np.inf)


def sentence(comparison: Comparison) -> str:
    """The whole comparison in one sentence."""
    both = f"{comparison.a} and {comparison.b} prepare {comparison.model}"
    last = comparison.steps[-1]
    if comparison.first_apart is None:
        rounding = "" if last.identical == last.images else f" (normalise differs by at most {last.max_difference:.0e})"
        return f"{both} identically on all {comparison.images} images{rounding}"
    start = STEPS.index(comparison.first_apart)
    parts = f"where they differ on {_apart(comparison.steps[start])}"
    # a later step may change images that an earlier one left equal
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
