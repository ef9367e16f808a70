"""Which printed percentages a whole number of images can give, and which set of images a column of them is of.

A percentage was rounded from an exact figure, or from one that was rounded to one digit more before: then it may be
0.55 of its last digit off. Or the exact figure was cut off. Zeros at its end may be padding and tell nothing. The
images of a column are one set, of which every figure is a whole number but for the wrong ones; or they are unknown, and
then every figure can be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from math import exp, log
from typing import NamedTuple

from harness.tables.percentages.image_sets import VAL_IMAGES, known_sets, rates

#: of the last printed digit, by which an exact figure may lie below or above the printed one, in twentieths
ROUNDED = (11, 11)
CUT_OFF = (0, 19)
#: decimals above which a column tells a set no better
_MOST_DECIMALS = 9


class Meaning(NamedTuple):
    """What a column of percentages may be: of so many images, rounded or cut off."""

    images: int | None  #: None for a number that is not known
    window: tuple[int, int] = ROUNDED


UNKNOWN = Meaning(None)


def possible(text: str, meaning: Meaning) -> bool:
    """Whether some number of images gives a printed percentage."""
    if meaning.images is None:
        return True
    whole, decimals = _digits(text)
    steps = int(whole + decimals)
    # exactly: twentieths of the last digit, of a count times 100 / images
    scale, unit = 20 * meaning.images * steps, 2000 * int("1" + "0" * len(decimals))
    below, above = meaning.window
    least = -((below * meaning.images - scale) // unit)
    most = (scale + above * meaning.images) // unit
    return max(least, 0) <= min(most, meaning.images)


def _digits(text: str) -> tuple[str, str]:
    """What is before and behind the point, without zeros at the end."""
    whole, _, decimals = text.partition(".")
    return whole, decimals.rstrip("0")


def nearest(text: str, images: int) -> dict[int, str]:
    """The numbers of images next to a printed percentage, each with what it would be printed as."""
    decimals = len(text.partition(".")[2])
    below = int(Fraction(text) * images / 100)
    return {count: f"{100 * count / images:.{decimals}f}" for count in (below, below + 1) if count <= images}


@lru_cache(maxsize=1024)
def density(meaning: Meaning, decimals: int) -> float:
    """The share of the figures with so many decimals, the last one not 0, that are possible; 1 where every one is."""
    if meaning.images is None or not decimals:
        return 1.0
    spacing = Fraction(int("100" + "0" * min(decimals, _MOST_DECIMALS)), meaning.images)
    below, above = (Fraction(twentieths, 20) for twentieths in meaning.window)
    if spacing <= below + above:
        return 1.0
    every, ending_in_0 = _share(spacing, below, above), _share(spacing / 10, below / 10, above / 10)
    return float(10 * every - ending_in_0) / 9


def _share(spacing: Fraction, below: Fraction, above: Fraction) -> Fraction:
    """The share of whole numbers that lie near a multiple of the spacing."""
    # after so many multiples the distances repeat, and each multiple of 1 / period is one of them once
    period = spacing.denominator
    return (int(below * period) + int(above * period) + 1) / (spacing * period)


@lru_cache(maxsize=256)
def ending_in_zeros(images: int, decimals: int, zeros: int) -> float:
    """The share of the numbers of images whose percentage, rounded to so many decimals, ends in so many zeros."""
    unit = int("100" + "0" * decimals)
    rounded = ((2 * unit * count + images) // (2 * images) for count in range(images))
    whole = int("1" + "0" * zeros)
    return sum(steps % whole == 0 for steps in rounded) / images


def meanings(named: Iterable[int | None]) -> dict[Meaning, float]:
    """What a column may be, with the probability before any of its figures is seen; `named`: images of its set."""
    sizes = dict.fromkeys(one.images for one in known_sets() if one.imagenet and one.images)
    told = [size for size in named if size] or [VAL_IMAGES]
    odd = rates()["other_images"].estimate
    others = [size for size in sizes if size not in told]
    prior = {size: (1 - odd) / len(told) for size in told} | {size: odd / 2 / len(others) for size in others}
    cut = rates()["cut_off"].estimate
    found = {Meaning(size): share * (1 - cut) for size, share in prior.items()}
    found |= {Meaning(size, CUT_OFF): share * cut for size, share in prior.items()}
    return found | {UNKNOWN: odd / 2}


def posterior(figures: Iterable[str], prior: Mapping[Meaning, float]) -> dict[Meaning, float]:
    """The probability of each meaning, given the printed figures of a column."""
    wrong = rates()["impossible_figures"].estimate
    counted = Counter(figures)
    weights = {}
    for meaning, share in prior.items():
        weight = log(share)
        for text, times in counted.items():
            within = density(meaning, len(_digits(text)[1]))
            if possible(text, meaning):
                weight += times * log((1 - wrong) / within if within < 1 else 1)
            else:
                weight += times * log(wrong / (1 - within))
        weights[meaning] = weight
    highest = max(weights.values())
    relative = {meaning: exp(weight - highest) for meaning, weight in weights.items()}
    total = sum(relative.values())
    return {meaning: weight / total for meaning, weight in relative.items()}


def probability_wrong(text: str, meant: Mapping[Meaning, float]) -> float:
    """The probability that a figure is none that its images can give."""
    return sum(share for meaning, share in meant.items() if not possible(text, meaning))
