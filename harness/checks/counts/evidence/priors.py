"""What is known of published tables before one is read: how likely each convention, each way to print and each slip is.

The figures stand in reference/priors/counts.toml, with where they come from.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from harness.checks.counts.candidates import BATCHES, BYTES, OTHER_CLASSES, POWERS, simple_fractions
from harness.checks.counts.conventions import COMMON_SIZE, FUSED, Convention, FlopsConvention, ParamsConvention
from harness.reference import FOLDER as REFERENCE

#: how adapters name a counter that counted the network with its branches fused
_BRANCHES_FUSED = ", branches fused"
#: how often a slip is by this power of ten, of all that are one of these
_OFTEN = 0.8


@dataclass(frozen=True)
class Printing:
    """How a column turns counts into text."""

    padding: int = 0  #: last digits that are printed as 0 whatever they are
    cut: bool = False
    twice: bool = False
    probability: float = 1.0

    def of(self, convention: Convention) -> Convention:
        """The convention, printed so."""
        assert isinstance(convention, FlopsConvention | ParamsConvention)
        return replace(convention, padding=self.padding, cut=self.cut, twice=self.twice)


@cache
def table() -> Mapping[str, Any]:
    return tomllib.loads((REFERENCE / "priors" / "counts.toml").read_text(encoding="utf-8"))


@cache
def printings() -> tuple[Printing, ...]:
    shares = table()["printing"]
    return (
        Printing(probability=shares["rounded"]),
        Printing(cut=True, probability=shares["cut"]),
        Printing(twice=True, probability=shares["rounded_twice"]),
        *(Printing(padding=digits, probability=shares["padded"] / 4) for digits in (1, 2, 3, 4)),
    )


def of_convention(convention: Convention, multiply_adds: bool) -> float:
    """How often a column is counted so, relative to others; the ways to print are apart."""
    if isinstance(convention, FlopsConvention):
        weight = _of_flops(convention, multiply_adds)
    else:
        assert isinstance(convention, ParamsConvention)
        weight = _of_params(convention)
    return weight * of_power(convention.power)


def of_power(power: int) -> float:
    """How often the unit of a whole column has slipped by this power of ten, relative to one that has not."""
    if not power:
        return 1.0
    share: float = table()["both"]["slipped_unit"]
    return share * (_OFTEN / 2 if abs(power) == 3 else (1 - _OFTEN) / (len(POWERS) - 2))


def _of_flops(convention: FlopsConvention, multiply_adds: bool) -> float:
    shares = table()["flops"]
    factors = shares["factor_of_multiply_adds" if multiply_adds else "factor"]
    weight = float(factors[str(convention.factor)])
    name = convention.counter.removesuffix(_BRANCHES_FUSED)
    known = shares["counters"]
    weight *= float(known["plain"] if convention.plain_counter else known.get(name, known["own"]))
    weight *= shares["branches_fused"] if convention.counter != name else 1.0
    if convention.size is not None:
        weight *= shares["common_size"] if convention.size == COMMON_SIZE else shares["other_size"]
    if convention.decimals is not None:
        weight *= shares["rounded_first"]
    if convention.binary:
        weight *= shares["binary"]
    if convention.ratio is not None:
        weight *= shares["ratio"] * _of_ratio(convention)
    if convention.classes != FlopsConvention.classes:
        weight *= shares["other_classifier"] / (len(OTHER_CLASSES) + 1)
    if convention.batch != 1:
        weight *= shares["batch"] / len(BATCHES)
    return weight


@cache
def _all_ratios() -> float:
    return sum(1 / (ratio.numerator * ratio.denominator) for ratio in simple_fractions())


def _of_ratio(convention: FlopsConvention) -> float:
    """Simpler fractions are likelier."""
    ratio = convention.ratio
    assert ratio is not None
    return 1 / (ratio.numerator * ratio.denominator) / _all_ratios()


def _of_params(convention: ParamsConvention) -> float:
    shares = table()["params"]
    counted, kinds = convention.counted, shares["counted"]
    if counted == "learnable parameters":
        weight = float(kinds["plain"])
    elif counted.startswith("parameters by "):
        weight = float(kinds["counter"])
    else:
        weight = float(kinds["fused"] if counted == FUSED else kinds["other"])
    if convention.bytes != 1:
        weight *= shares["bytes"] / len(BYTES) / 2
    elif convention.binary:
        weight *= shares["binary"]
    if convention.classes != ParamsConvention.classes:
        weight *= shares["other_classifier"] / len(OTHER_CLASSES)
    return weight


def choices(convention: Convention) -> Mapping[str, object]:
    """The choices in which single cells may differ from their column, by the names of their shares."""
    if isinstance(convention, FlopsConvention):
        names = ("size", "counter", "classes", "decimals", "factor", "binary", "ratio")
        return {name: getattr(convention, name) for name in names}
    assert isinstance(convention, ParamsConvention)
    return {"counter": convention.counted, "classes": convention.classes, "binary": convention.binary}
