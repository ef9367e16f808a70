"""Intervals and tests of counts of images."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import special, stats

Counts = npt.NDArray[np.int_]
Percents = npt.NDArray[np.float64]

#: Chance of seeing an effect that is there, for the number of images that could tell.
POWER = 0.8


@cache
def population_interval(found: int, seen: int, population: int, level: float) -> tuple[int, int]:
    """How many of `population` are such, when `found` of `seen` drawn without replacement are; `level` on each side.

    Inversion of the hypergeometric tests (Konijn 1973; Wright 1991); exact, and a single number where all were seen.
    """
    least, greatest = found, population - (seen - found)

    def at_least(count: int) -> float:  # chance of so many or more, were there `count`
        return float(stats.hypergeom.sf(found - 1, population, count, seen))

    def at_most(count: int) -> float:
        return float(stats.hypergeom.cdf(found, population, count, seen))

    low = first(lambda count: at_least(count) > level, least, greatest)  # so many are no surprise
    return low, first(lambda count: at_most(count) <= level, low + 1, greatest + 1) - 1  # so few are none


def first(is_enough: Callable[[int], bool], least: int, greatest: int) -> int:
    """The first number from which on it is enough; at `greatest` it is."""
    while least < greatest:
        middle = (least + greatest) // 2
        least, greatest = (least, middle) if is_enough(middle) else (middle + 1, greatest)
    return least


def mcnemar_p(gained: int, lost: int) -> float:
    """Chance of so uneven a split of the flips, were they even; two-sided and exact."""
    return float(stats.binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def images_to_see_effect(gained: int, lost: int, images: int, level: float) -> int | None:
    """About how many images would show an effect of the observed size, with a chance of 80 %.

    The usual approximation for McNemar's test (Connor 1987). None where no effect was observed.
    """
    if gained == lost:
        return None
    rate, effect = (gained + lost) / images, abs(gained - lost) / images
    spread = float(stats.norm.isf(level / 2)) * math.sqrt(rate)
    quantiles = spread + float(stats.norm.isf(1 - POWER)) * math.sqrt(rate - effect**2)
    return max(images if mcnemar_p(gained, lost) >= level else 1, math.ceil((quantiles / effect) ** 2))


def interval95(count: int, images: int) -> tuple[float, float]:
    """Wilson score interval of a proportion in percent (E. B. Wilson, JASA 22, 1927); all of 0..100 without images."""
    if not images:
        return 0.0, 100.0
    low, high = intervals95(np.array([count]), np.array([images]))
    return float(low[0]), float(high[0])


def intervals95(counts: Counts, images: Counts) -> tuple[Percents, Percents]:
    """The same for many proportions at once, each of at least one image; low and high, both (N,) in percent."""
    z = float(special.ndtri(0.975))
    share = counts / images
    scale = 2 * (images + z**2)
    centre = (2 * images * share + z**2) / scale
    half = z / scale * np.sqrt(4 * images * share * (1 - share) + z**2)
    return 100 * np.where(counts == 0, 0.0, centre - half), 100 * np.where(counts == images, 1.0, centre + half)
