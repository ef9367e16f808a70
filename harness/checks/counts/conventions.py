"""The ways in which tables count FLOPs and parameters, as data: each convention turns a measured network into a figure.

A table prints multiply-adds or twice that, by one counter or another, at one resolution or another, from exact or
from rounded intermediates. The conventions are the product of these choices, ordered by how far they are from
the plain meaning of the column. Which of them are weighed for a column is in harness.checks.counts.candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from harness.core.records import Static

#: pixels at which most tables count, whatever the row says
COMMON_SIZE = 224

#: classes of ImageNet, for which every network is built
CLASSES = 1000

FUSED = "parameters, branches fused for deployment"
#: scale and shift become the convolution's bias
FOLDED = "parameters, BatchNorm folded into the convolutions"


class Convention(Protocol):
    """A way to arrive at a printed figure."""

    @property
    def departures(self) -> int:
        """How many choices differ from the plain meaning of the column."""
        ...

    @property
    def padding(self) -> int:
        """How many of the last digits are always printed as 0, because the figure was rounded before them."""
        ...

    @property
    def cut(self) -> bool:
        """Whether digits are cut off after the last that is printed, instead of rounded."""
        ...

    @property
    def twice(self) -> bool:
        """Whether the figure was rounded to one more digit first."""
        ...

    @property
    def power(self) -> int:
        """The power of ten by which the figure is off, because the unit slipped."""
        ...

    @property
    def fault(self) -> str | None:
        """What is wrong with figures that are printed so, in words; None where they are right."""
        ...

    @property
    def text(self) -> str: ...

    @property
    def multiplier(self) -> float:
        """By how much its figures are larger than those of `base`."""
        ...

    @property
    def base(self) -> Convention:
        """What is counted, without units and constants."""
        ...

    def value(self, static: Static, size: int) -> float | None:
        """The figure for a network whose row says `size` pixels; None where it was not counted."""
        ...


@dataclass(frozen=True)
class FlopsConvention:
    """FLOPs as a counter's multiply-adds times a factor."""

    counter: str
    plain_counter: bool
    factor: int = 2  #: operations per multiply-add
    plain_factor: int = 2
    size: int | None = None  #: pixels; None is the row's own input size
    decimals: int | None = None  #: multiply-adds were rounded to so many decimals of a G before the factor
    binary: bool = False  #: G is 2**30
    ratio: Fraction | None = None  #: a constant without a known meaning
    padding: int = 0
    cut: bool = False
    twice: bool = False
    classes: int = CLASSES  #: of the classifier; 0 is none
    batch: int = 1  #: images
    power: int = 0

    @property
    def departures(self) -> int:
        choices = (
            not self.plain_counter,
            self.factor != self.plain_factor,
            self.size,
            self.decimals is not None,
            self.padding,
            self.cut,
            self.twice,
            self.classes != CLASSES,
        )
        faults = (self.batch != 1) + (self.power != 0)
        return sum(map(bool, choices)) + 2 * self.binary + 3 * (self.ratio is not None) + 4 * faults

    @property
    def fault(self) -> str | None:
        return _slipped(self.power) or (
            f"it is counted for a batch of {self.batch} images" if self.batch != 1 else None
        )

    @property
    def text(self) -> str:
        counted = "multiply-adds" if self.factor == 1 else f"{self.factor} x multiply-adds"
        parts = [
            f"{counted} by {self.counter}",
            f"at {self.size} pixels" if self.size else "at the row's input size",
        ]
        if self.decimals is not None:
            parts.append(f"the multiply-adds rounded to {self.decimals} decimals of a G first")
        if self.classes != CLASSES:
            parts.append(_classifier(self.classes))
        if self.batch != 1:
            parts.append(f"for {self.batch} images")
        if self.binary:
            parts.append("G = 2^30")
        if self.ratio is not None:
            parts.append(f"times the constant {ratio_text(self.ratio)}")
        return ", ".join(parts) + _printing(self)

    def value(self, static: Static, size: int) -> float | None:
        counted = static.multiply_adds.get(self.size or size, {}).get(self.counter)
        if counted is None:
            return None
        multiply_adds = float(counted)
        if self.classes != CLASSES:
            features = _features(static)
            if features is None:
                return None
            multiply_adds += (self.classes - CLASSES) * features
        if self.decimals is not None:
            multiply_adds = round(multiply_adds / 1e9, self.decimals) * 1e9
        return multiply_adds * self.multiplier

    @property
    def multiplier(self) -> float:
        constant = 1.0 if self.ratio is None else float(self.ratio)
        return self.factor * self.batch * (1e9 / 2**30 if self.binary else 1.0) * 10.0**self.power * constant

    @property
    def base(self) -> FlopsConvention:
        return FlopsConvention(self.counter, self.plain_counter, 1, 1, self.size, self.decimals, classes=self.classes)


@dataclass(frozen=True)
class ParamsConvention:
    """Parameters by what is counted as one."""

    counted: str
    departures: int
    binary: bool = False  #: M is 2**20
    padding: int = 0
    cut: bool = False
    twice: bool = False
    classes: int = CLASSES  #: of the classifier
    bytes: int = 1  #: that each takes, where the figure is the size of a file; 1 where it is a number of parameters
    power: int = 0

    @property
    def fault(self) -> str | None:
        if self.bytes != 1:
            unit = "MiB" if self.binary else "MB"
            return f"it is the size of the parameters in {unit}, {self.bytes} bytes each, not their number"
        return _slipped(self.power)

    @property
    def text(self) -> str:
        classes = f", {_classifier(self.classes)}" if self.classes != CLASSES else ""
        bytes_ = f", {self.bytes} bytes each" if self.bytes != 1 else ""
        return self.counted + classes + bytes_ + (", M = 2^20" if self.binary else "") + _printing(self)

    def value(self, static: Static, size: int) -> float | None:  # noqa: ARG002 (the same at every size)
        value = parameter_counts(static).get(self.counted)
        if value is None:
            return None
        if self.classes != CLASSES:
            if _features(static) is None:
                return None
            value += (self.classes / CLASSES - 1) * static.parameters.classifier
        return value * self.multiplier

    @property
    def multiplier(self) -> float:
        return self.bytes * (1e6 / 2**20 if self.binary else 1.0) * 10.0**self.power

    @property
    def base(self) -> ParamsConvention:
        return ParamsConvention(self.counted, 0, classes=self.classes)


def parameter_counts(static: Static) -> dict[str, float]:
    """Each way to count parameters, the plain one first."""
    p = static.parameters
    learnable = p.learnable
    counts: dict[str, float] = {
        "learnable parameters": learnable,
        # what a tool prints comes before what has to be subtracted by hand
        **{f"parameters by {tool}": count for tool, count in p.by_counter.items()},
        **({FOLDED: learnable - p.running_statistics // 2} if p.running_statistics else {}),
        **({FUSED: p.fused, f"{FUSED}, without biases": p.fused - p.fused_biases} if p.fused else {}),
        **({"learnable parameters without the frozen ones": learnable - p.frozen} if p.frozen else {}),
        "learnable parameters and running statistics": learnable + p.running_statistics,
        "all stored tensors": learnable + p.running_statistics + p.other_buffers,
        "learnable parameters without the classifier": learnable - p.classifier,
        "learnable parameters without normalisation": learnable - p.normalisation_affine,
        "learnable parameters without biases": learnable - p.biases,
    }
    return counts


def _features(static: Static) -> int | None:
    """Inputs of the classifier, a linear layer with biases; None where the network has none that is known."""
    classifier = static.parameters.classifier
    return classifier // CLASSES - 1 if classifier and classifier % CLASSES == 0 else None


def _classifier(classes: int) -> str:
    return f"with a classifier of {classes:,} classes" if classes else "without the classifier"


def _slipped(power: int) -> str | None:
    return f"the unit has slipped by 10^{abs(power)}" if power else None


def _printing(convention: Convention) -> str:
    """How the figure becomes text, where that is not by rounding it to the digits that are printed."""
    digits = "digit" if convention.padding == 1 else f"{convention.padding} digits"
    padded = f", the last {digits} printed as 0" if convention.padding else ""
    cut = ", cut off instead of rounded" if convention.cut else ""
    slipped = f", times 10^{convention.power}" if convention.power else ""
    return slipped + padded + cut + (", rounded twice" if convention.twice else "")


def ratio_text(ratio: Fraction) -> str:
    return f"{ratio.numerator}/{ratio.denominator}"
