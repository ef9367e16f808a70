"""Compares two networks image by image on the same images. Pure functions.

Two sources can be right equally often and still be different networks, and a difference of a few images can be noise.
The images on which the two disagree decide both questions; two accuracies alone cannot.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from statsmodels.stats.weightstats import ttost_paired

from harness.checks.statistics import POWER, first, mcnemar_p
from harness.core.errors import MeasurementError
from harness.core.text import plural

#: Greatest chance to call two networks equivalent whose top-1 differs by the margin.
LEVEL = 0.05
#: Discordant images, right in one of the two alone, from which the t tests hold their level. At 30 and a margin of
#: 0.1 points it is at most 0.064 for 500 to 50,000 images by enumeration, at 10 it is 0.092; where only a zero
#: variance would be taken out, it is 0.20.
ENOUGH_DISCORDANT = 30


@dataclass(frozen=True)
class Paired:
    """The networks "a" and "b" over the images that both scored; "right" means top-1."""

    images: int  #: decoded and scored by both, with a label
    both_right: int  #: images
    both_wrong: int  #: images, whether or not with the same class
    only_a: int  #: images that a alone has right
    only_b: int  #: images that b alone has right
    same_class: int  #: images with the same best class
    flipped: tuple[str, ...]  #: names of the images whose best class differs, in the order of the names
    mcnemar_p: float  #: two-sided, exact: chance of so uneven a split of the discordant images, if 1:1 is true
    difference: float  #: points of top-1, b minus a
    margin: float  #: points, either way, within which the two count as equivalent
    equivalent: bool  #: equivalence_p is under LEVEL
    equivalence_p: float  #: of the hypothesis that the two differ by the margin or more
    near_ties: int  #: flipped images whose decision is within near_tie_limit
    near_tie_limit: float  #: logit units, twice the usual difference on images that did not flip; see compare()
    margins: Mapping[str, float]  #: logit units, of each image the smaller of the two; see compare()
    largest_margin_of_a_flip: float | None  #: of these; None where nothing flipped
    logit_difference: float  #: logit units, 95th percentile of |a - b| over all images and the classes both list


def compare(a: pd.DataFrame, b: pd.DataFrame, labels: Mapping[str, int], margin: float = 0.1) -> Paired:
    """The paired verdict. `a` and `b` as `store.Predictions.read()` gives them; labels: image -> class index.

    Images that one of the two could not decode, or that have no label, count for neither. `margin` is in points.
    Raises MeasurementError where no image is left.

    Near ties. The margin of a decision is the logit of the best class minus that of the second. Where no logit
    differs by more than d between the two sources, only a margin of at most 2 d can be overturned: the best class
    loses d, another gains d. With d taken from the flipped image itself this would say nothing, since every flip
    then has a margin of at most 2 d, however wrong it is (else the order could not have changed). So d is
    what the sources usually differ by where they agree: the 95th percentile over the images that did not flip
    and the classes that both list. A flip is a near tie when at least one source decided it by no more than 2 d;
    `largest_margin_of_a_flip` is, over all flips, the largest of these smaller margins.
    """
    both = _scored(a, labels).merge(_scored(b, labels), on="image", suffixes=("_a", "_b")).sort_values("image")
    if both.empty:
        raise MeasurementError("no image with a label was scored by both, so nothing can be compared")
    names = [str(name) for name in both["image"]]
    truth = np.array([labels[name] for name in names])
    best_a, best_b = (np.array([classes[0] for classes in both[column]]) for column in ("classes_a", "classes_b"))
    right_a, right_b = best_a == truth, best_b == truth
    flips = best_a != best_b
    columns = (both[name] for name in ("classes_a", "logits_a", "classes_b", "logits_b"))
    differences = [_shared_logit_differences(*lists) for lists in zip(*columns, strict=True)]
    usual = _percentile([found for found, flip in zip(differences, flips, strict=True) if not flip])
    margins = np.array(
        [min(one[0] - one[1], two[0] - two[1]) for one, two in zip(both["logits_a"], both["logits_b"], strict=True)]
    )
    only_a, only_b = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    both_right, both_wrong = int((right_a & right_b).sum()), int((~right_a & ~right_b).sum())
    p = equivalence_p(len(names), only_a, only_b, margin)
    return Paired(
        images=len(names),
        both_right=both_right,
        both_wrong=both_wrong,
        only_a=only_a,
        only_b=only_b,
        same_class=int((~flips).sum()),
        flipped=tuple(name for name, flip in zip(names, flips, strict=True) if flip),
        mcnemar_p=mcnemar_p(only_a, only_b),
        difference=100 * (only_b - only_a) / len(names),
        margin=margin,
        equivalent=p < LEVEL,
        equivalence_p=p,
        near_ties=int((flips & (margins <= 2 * usual)).sum()),
        near_tie_limit=2 * usual,
        margins=dict(zip(names, margins.tolist(), strict=True)),
        largest_margin_of_a_flip=float(margins[flips].max()) if flips.any() else None,
        logit_difference=_percentile(differences),
    )


def equivalence_p(images: int, only_a: int, only_b: int, margin: float) -> float:
    """p of the hypothesis that the top-1 of the two differs by `margin` points or more.

    Two one-sided t tests on the difference per image (-1, 0 or 1) where enough images are discordant. Where few or
    none are, the t statistic is far from its distribution or not defined at all (its variance is 0). There the
    exact bound decides: two networks differ by no more than the proportion of discordant images, and this p, of
    the one-sided binomial test that the proportion is at least the margin, is under LEVEL just where the
    Clopper-Pearson upper limit of the proportion (one-sided, 95 %) is below the margin.
    """
    discordant = only_a + only_b
    if discordant < ENOUGH_DISCORDANT or abs(only_b - only_a) == images:
        return float(stats.binomtest(discordant, images, margin / 100, alternative="less").pvalue)
    neither = np.zeros(images - discordant)
    right_b = np.concatenate([np.zeros(only_a), np.ones(only_b), neither])
    right_a = np.concatenate([np.ones(only_a), np.zeros(only_b), neither])
    return float(ttost_paired(right_b, right_a, -margin / 100, margin / 100)[0])


def images_to_show_equivalence(paired: Paired) -> int | None:
    """The least number of images that would show equivalence at the observed discordance, with a chance of 80 %.

    None where the observed difference is the margin or more: then no number of images will do. With no discordant
    image it is the least n with (1 - margin)^n < LEVEL, about 3 / margin.
    """
    margin, difference = paired.margin / 100, abs(paired.difference) / 100
    rate = (paired.only_a + paired.only_b) / paired.images
    if difference >= margin:
        return None
    needed = _by_the_bound(rate, margin)
    if needed is None:
        needed = max(_by_t_tests(rate, difference, margin), math.ceil(ENOUGH_DISCORDANT / rate))
    # the last digits of a normal quantile must not make the present number of images enough
    return needed if paired.equivalent else max(needed, paired.images + 1)


def _by_the_bound(rate: float, margin: float) -> int | None:
    """The least number of images of which the exact bound lets so few be discordant as four samples in five have.

    None where the rate is so near to the margin, or above it, that it takes more discordant images than the bound
    is used for.
    """
    for discordant in range(ENOUGH_DISCORDANT):

        def passes(images: int, most: int = discordant) -> bool:
            return bool(stats.binom.cdf(most, images, margin) < LEVEL)

        images = first(passes, 1, math.ceil(100 * (discordant + 1) / margin))
        if stats.binom.cdf(discordant, images, rate) >= POWER:
            return images
    return None


def _by_t_tests(rate: float, difference: float, margin: float) -> int:
    """The least number of images at which both one-sided tests pass together in four samples of five."""
    quantile, spread = float(stats.norm.isf(LEVEL)), math.sqrt(rate - difference**2)

    def enough(images: int) -> bool:
        error = spread / math.sqrt(images)
        fail = (stats.norm.cdf(quantile - (margin + side * difference) / error) for side in (-1, 1))
        return float(1 - sum(fail)) >= POWER

    # the nearer of the two bounds alone is passed so often after so many, and half of the failures are allowed to each
    most = math.ceil((spread * (quantile + float(stats.norm.isf((1 - POWER) / 2))) / (margin - difference)) ** 2)
    return first(enough, 1, max(most, 1))


def sentence(paired: Paired, a: str, b: str) -> str:
    """The verdict in counts of images; `a` and `b` are what the two are called."""
    n = paired.images
    parts = [
        f"{a} and {b} give the same best class on {paired.same_class:,} of {plural(n, 'image')}",
        f"{plural(paired.only_a, 'image')} {'is' if paired.only_a == 1 else 'are'} right only with {a} "
        f"and {paired.only_b:,} only with {b} (exact McNemar p = {paired.mcnemar_p:.2g})",
        f"95 % of the logits that both give differ by at most {paired.logit_difference:.2g}",
    ]
    flips = len(paired.flipped)
    if paired.largest_margin_of_a_flip is not None:
        parts.append(
            f"{paired.near_ties:,} of {flips:,} {'flip is a near tie' if flips == 1 else 'flips are near ties'} "
            f"(decided by at most {paired.near_tie_limit:.2g} in logits; the clearest flip by "
            f"{paired.largest_margin_of_a_flip:.2g})"
        )
    needed = images_to_show_equivalence(paired)
    within = f"equivalent within {paired.margin:g} points"
    if paired.equivalent:
        parts.append(f"{within} (p = {paired.equivalence_p:.2g})")
    elif needed is None:
        parts.append(
            f"not shown to be {within}: on these images they differ by {paired.difference:+.3g} points ({b} minus {a})"
        )
    else:
        parts.append(f"{within}: cannot be decided from {plural(n, 'image')}; it takes about {rounded(needed):,}")
    return "; ".join(parts)


def _scored(table: pd.DataFrame, labels: Mapping[str, int]) -> pd.DataFrame:
    """Columns image, classes and logits of the images that count."""
    counts = table["error"].isna() & table["image"].isin(list(labels))
    return table.loc[counts, ["image", "classes", "logits"]]


def _shared_logit_differences(
    classes_a: npt.ArrayLike, logits_a: npt.ArrayLike, classes_b: npt.ArrayLike, logits_b: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """|a - b| of the logits of the classes that both list, float64, one per class; empty where they share none."""
    _, at_a, at_b = np.intersect1d(classes_a, classes_b, return_indices=True)
    return np.abs(np.asarray(logits_a, np.float64)[at_a] - np.asarray(logits_b, np.float64)[at_b])


def _percentile(differences: list[npt.NDArray[np.float64]]) -> float:
    """The 95th, of all numbers together; 0 where there are none, so that only exact ties are near."""
    together = np.concatenate([*differences, np.empty(0)])
    return float(np.percentile(together, 95)) if together.size else 0.0


def rounded(count: int) -> int:
    """Rounded up to two significant digits."""
    digit: int = 10 ** max(len(str(count)) - 2, 0)
    return math.ceil(count / digit) * digit
