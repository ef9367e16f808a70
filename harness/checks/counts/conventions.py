"""The ways in which tables count FLOPs and parameters, as data: each convention turns a measured network into a figure.

A table prints multiply-adds or twice that, by one counter or another, at one resolution or another, from exact or
from rounded intermediates. The conventions are the product of these choices, ordered by how far they are from
the plain meaning of the column.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Protocol

from harness.core.records import Static

#: Numerator and denominator up to which a constant ratio counts as a simple fraction.
SIMPLE = 12

FUSED = "parameters, branches fused for deployment"


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
    def text(self) -> str: ...

    def rounded(self) -> Convention:
        """The same without cutting digits off."""
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

    @property
    def departures(self) -> int:
        choices = (
            not self.plain_counter,
            self.factor != self.plain_factor,
            self.size,
            self.decimals is not None,
            self.padding,
            self.cut,
        )
        return sum(map(bool, choices)) + 2 * self.binary + 3 * (self.ratio is not None)

    @property
    def text(self) -> str:
        counted = "multiply-adds" if self.factor == 1 else f"{self.factor} x multiply-adds"
        parts = [
            f"{counted} by {self.counter}",
            f"at {self.size} pixels" if self.size else "at the row's input size",
        ]
        if self.decimals is not None:
            parts.append(f"the multiply-adds rounded to {self.decimals} decimals of a G first")
        if self.binary:
            parts.append("G = 2^30")
        if self.ratio is not None:
            parts.append(f"times the constant {ratio_text(self.ratio)}")
        return ", ".join(parts) + _printing(self)

    def rounded(self) -> FlopsConvention:
        return replace(self, cut=False)

    def value(self, static: Static, size: int) -> float | None:
        counted = static.multiply_adds.get(self.size or size, {}).get(self.counter)
        if counted is None:
            return None
        multiply_adds = float(counted)
        if self.decimals is not None:
            multiply_adds = round(multiply_adds / 1e9, self.decimals) * 1e9
        value = self.factor * multiply_adds * (1e9 / 2**30 if self.binary else 1.0)
        return value * float(self.ratio) if self.ratio is not None else value


@dataclass(frozen=True)
class ParamsConvention:
    """Parameters by what is counted as one."""

    counted: str
    departures: int
    binary: bool = False  #: M is 2**20
    padding: int = 0
    cut: bool = False

    @property
    def text(self) -> str:
        return self.counted + (", M = 2^20" if self.binary else "") + _printing(self)

    def rounded(self) -> ParamsConvention:
        return replace(self, cut=False)

    def value(self, static: Static, size: int) -> float | None:  # noqa: ARG002 (the same at every size)
        value = parameter_counts(static).get(self.counted)
        return None if value is None else value * (1e6 / 2**20 if self.binary else 1.0)


def parameter_counts(static: Static) -> dict[str, float]:
    """Each way to count parameters, the plain one first."""
    p = static.parameters
    learnable = p.learnable
    counts: dict[str, float] = {
        "learnable parameters": learnable,
        # what a tool prints comes before what has to be subtracted by hand
        **{f"parameters by {tool}": count for tool, count in p.by_counter.items()},
        **({FUSED: p.fused, f"{FUSED}, without biases": p.fused - p.fused_biases} if p.fused else {}),
        **({"learnable parameters without the frozen ones": learnable - p.frozen} if p.frozen else {}),
        "learnable parameters and running statistics": learnable + p.running_statistics,
        "all stored tensors": learnable + p.running_statistics + p.other_buffers,
        "learnable parameters without the classifier": learnable - p.classifier,
        "learnable parameters without normalisation": learnable - p.normalisation_affine,
        "learnable parameters without biases": learnable - p.biases,
    }
    return counts


def _printing(convention: Convention) -> str:
    """How the figure becomes text, where that is not by rounding it to the digits that are printed."""
    digits = "digit" if convention.padding == 1 else f"{convention.padding} digits"
    padded = f", the last {digits} printed as 0" if convention.padding else ""
    return padded + (", cut off instead of rounded" if convention.cut else "")


def flops_conventions(
    statics: Iterable[Static], multiply_adds: bool, paddings: Iterable[int] = ()
) -> list[FlopsConvention]:
    """Every convention that the measurements allow, the plainest first; also with so many digits padded."""
    statics = list(statics)
    plain = {static.plain_counter for static in statics}
    # the plain one stays the first even where it failed
    counted = (name for s in statics for counts in s.multiply_adds.values() for name in counts)
    counters = list(dict.fromkeys([*sorted(plain), *counted]))  # a source lists its own tools first
    sizes: list[int | None] = [None, *sorted({size for static in statics for size in static.multiply_adds})]
    plain_factor = 1 if multiply_adds else 2
    found = [
        FlopsConvention(counter, counter in plain, factor, plain_factor, size, decimals, binary)
        for counter, factor, size in itertools.product(counters, (2, 1), sizes)
        for decimals, binary in ((None, False), (3, False), (2, False), (1, False), (None, True))
    ]
    exact = [convention for convention in found if convention.decimals is None and not convention.binary]
    found += [replace(convention, padding=padding) for padding in paddings for convention in exact]
    found += [replace(convention, cut=True) for convention in exact]
    return sorted(found, key=lambda convention: convention.departures)


def params_conventions(statics: Iterable[Static], paddings: Iterable[int] = ()) -> list[ParamsConvention]:
    """Every convention that the measurements allow, the plainest first; also with so many digits padded."""
    names = dict.fromkeys(name for static in statics for name in parameter_counts(static))
    plain, *others = names
    found = [ParamsConvention(plain, 0), *(ParamsConvention(name, 1) for name in others)]
    padded = [replace(c, departures=c.departures + 1, padding=padding) for padding in paddings for c in found]
    cut = [replace(c, departures=c.departures + 1, cut=True) for c in found]
    binary = [replace(c, departures=c.departures + 2, binary=True) for c in found]
    return sorted([*found, *padded, *cut, *binary], key=lambda convention: convention.departures)


def is_simple(ratio: Fraction) -> bool:
    return max(ratio.numerator, ratio.denominator) <= SIMPLE


def ratio_text(ratio: Fraction) -> str:
    return f"{ratio.numerator}/{ratio.denominator}" if is_simple(ratio) else f"{float(ratio):.5f}"


def simplest_fraction(low: float | Fraction, high: float | Fraction) -> Fraction:
    """The fraction of smallest denominator in [low, high], 0 < low <= high (Stern-Brocot descent)."""
    # exact, because rounding would hide whether two bounds touch
    low, high = Fraction(low), Fraction(high)
    whole = math.ceil(low)
    if whole <= high:
        return Fraction(whole)
    floor = math.floor(low)
    return floor + 1 / simplest_fraction(1 / (high - floor), 1 / (low - floor))


@cache
def simple_fractions() -> frozenset[Fraction]:
    """The simple fractions within a factor of four of one, except one itself."""
    pairs = itertools.product(range(1, SIMPLE + 1), repeat=2)
    return frozenset(Fraction(p, q) for p, q in pairs if 0.25 <= p / q <= 4 and p != q)
