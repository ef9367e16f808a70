"""The conventions that are weighed for a column, the plainest first: all that its networks were counted by."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache

from harness.checks.counts.conventions import COMMON_SIZE, FlopsConvention, ParamsConvention, parameter_counts
from harness.core.records import Static

#: other numbers of classes of published networks: ImageNet-21k in two versions, with a background class, CIFAR
OTHER_CLASSES = (21841, 21843, 1001, 100, 10)
#: images of a batch for which a counter may have been asked by mistake; two is how operations are counted
BATCHES = (4, 8, 16, 32, 64, 128, 256)
#: powers of ten by which the unit of a column slips
POWERS = (-9, -6, -3, 3, 6, 9)
#: bytes of a parameter in half and in single precision
BYTES = (4, 2)
#: Numerator and denominator up to which a constant ratio counts as a simple fraction.
SIMPLE = 12


def flops_conventions(statics: Iterable[Static], multiply_adds: bool) -> Sequence[FlopsConvention]:
    """Every convention that the measurements allow, the plainest first."""
    statics = list(statics)
    plain = dict.fromkeys(sorted(static.plain_counter for static in statics))
    # the plain one stays the first even where it failed
    counted = (name for s in statics for counts in s.multiply_adds.values() for name in counts)
    counters = dict.fromkeys([*plain, *counted])  # a source lists its own tools first
    sizes = sorted({size for static in statics for size in static.multiply_adds})
    return _flops_conventions(tuple(plain), tuple(counters), (None, *sizes), multiply_adds)


@cache
def _flops_conventions(
    plain: Sequence[str], counters: Sequence[str], sizes: Sequence[int | None], multiply_adds: bool
) -> Sequence[FlopsConvention]:
    plain_factor = 1 if multiply_adds else 2
    exact = [
        FlopsConvention(counter, counter in plain, factor, plain_factor, size)
        for counter, factor, size in itertools.product(counters, (2, 1), sizes)
    ]
    found = [*exact, *(replace(c, decimals=decimals) for c in exact for decimals in (3, 2, 1))]
    found += [replace(c, binary=True) for c in exact]
    found += [replace(c, power=power) for c in exact for power in POWERS]
    plain_size = [c for c in exact if c.size in (None, COMMON_SIZE)]
    found += [replace(c, classes=classes) for c in plain_size for classes in (0, *OTHER_CLASSES)]
    found += [replace(c, batch=batch) for c in plain_size for batch in BATCHES]
    found += [replace(c, ratio=ratio) for c in plain_size for ratio in sorted(simple_fractions())]
    return tuple(sorted(found, key=lambda convention: convention.departures))


def params_conventions(statics: Iterable[Static]) -> Sequence[ParamsConvention]:
    """Every convention that the measurements allow, the plainest first."""
    return _params_conventions(tuple(dict.fromkeys(name for static in statics for name in parameter_counts(static))))


@cache
def _params_conventions(names: Sequence[str]) -> Sequence[ParamsConvention]:
    plain, *others = names
    counted = [ParamsConvention(plain, 0), *(ParamsConvention(name, 1) for name in others)]
    found = [*counted, *(replace(c, departures=c.departures + 2, binary=True) for c in counted)]
    found += [replace(c, departures=c.departures + 4, power=power) for c in counted for power in POWERS]
    found += [replace(counted[0], departures=2, classes=classes) for classes in OTHER_CLASSES]
    sizes = [replace(c, departures=c.departures + 4, bytes=each) for c in counted for each in BYTES]
    found += [*sizes, *(replace(c, departures=c.departures + 1, binary=True) for c in sizes)]
    return tuple(sorted(found, key=lambda convention: convention.departures))


@cache
def simple_fractions() -> frozenset[Fraction]:
    """The simple fractions within a factor of four of one, but for one itself and for two and a half.

    These are how many operations a multiply-add is.
    """
    pairs = itertools.product(range(1, SIMPLE + 1), repeat=2)
    return frozenset(Fraction(p, q) for p, q in pairs if 0.25 < p / q < 4 and p != q and p not in (2 * q, q / 2))
