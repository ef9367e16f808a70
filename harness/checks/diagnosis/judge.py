"""Judges what became of an accuracy when one factor was swapped at a time, against a documented one. Pure functions.

The run's own count of right images is known, and so is the count that the document claims. A swap changes the verdict
on some images: it gains some and loses some. From those seen on n of N images follows an interval of those in all N
(hypergeometric, exact), and so an interval of the count after the swap. A swap is refuted where that interval misses
what a documented figure allows. A cause is named only where one factor is left, its images count for more than chance
(exact McNemar, Holm over all swaps), and it does so for every documented figure of the row: top1 and top5, those that
hold without the swap too.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import optimize
from statsmodels.stats.multitest import multipletests

from harness.checks.diagnosis.attribution import Status, Swap, Target
from harness.checks.statistics import images_to_see_effect, mcnemar_p, population_interval
from harness.core.records import Metric

#: Greatest chance that any swap is refuted or taken for effective wrongly.
LEVEL = 0.05
_CLASSES = 1000
#: parts into which the images of a class are split; the class order of each part is estimated from the other parts
_FOLDS = 10
_METRICS: tuple[Metric, ...] = ("top1", "top5")


def scored(predictions: pd.DataFrame, labels: Mapping[str, int]) -> pd.DataFrame:
    """Index image; columns best (class), top1 and top5 (right or not); of the images that could be decoded."""
    table = predictions[predictions["error"].isna() & predictions["image"].isin(list(labels))]
    truth = [labels[name] for name in table["image"]]
    lists = [list(classes[:5]) for classes in table["classes"]]
    content = {
        "best": [classes[0] for classes in lists],
        "top1": [label == classes[0] for label, classes in zip(truth, lists, strict=True)],
        "top5": [label in classes for label, classes in zip(truth, lists, strict=True)],
    }
    return pd.DataFrame(content, index=table["image"].to_list()).astype({"top1": bool, "top5": bool})


def other_labels(how: str, labels: Mapping[str, int], predictions: pd.DataFrame) -> dict[str, int]:
    """The labels read differently: "+1", "-1", or "order", the order of the classes inferred from the predictions.

    For "order" each label gets the class that its images are taken for, no two labels the same, so that as many
    images as can be are right (linear assignment). The images of a fold get it from those of the other folds, so
    that no image decides its own class; a label that the others do not have stays as it is.
    """
    if how != "order":
        return {name: (label + int(how)) % _CLASSES for name, label in labels.items()}
    best = {str(name): int(label) for name, label in scored(predictions, labels)["best"].items()}
    images: dict[int, list[str]] = {}
    # by hash: the order of the names can follow the classes
    for name in sorted(best, key=lambda name: hashlib.sha256(name.encode()).digest()):
        images.setdefault(labels[name], []).append(name)
    size = 1 + max([_CLASSES - 1, *best.values(), *labels.values()])
    counts = np.zeros((size, size), np.int32)
    for label, names in images.items():
        np.add.at(counts[label], [best[name] for name in names], 1)
    read = dict(labels)
    for fold in range(_FOLDS):
        others = counts.copy()
        for label, names in images.items():
            np.add.at(others[label], [best[name] for name in names[fold::_FOLDS]], -1)
        classes = optimize.linear_sum_assignment(others, maximize=True)[1]
        for label, names in images.items():
            if others[label].any():
                read |= dict.fromkeys(names[fold::_FOLDS], int(classes[label]))
    return read


def misses(target: Target, own: pd.DataFrame) -> list[Metric]:
    """The documented figures that the run does not agree with; where it saw a part of the images, surely not."""
    return [
        metric for metric in target.allowed if not _within(_total(target, own, None, metric, LEVEL / 4), target, metric)
    ]


def judge(target: Target, own: pd.DataFrame, swaps: Mapping[tuple[str, str], pd.DataFrame], looks: int) -> list[Swap]:
    """The verdict on each swap, (factor, text) -> scored(); `own` is the run's scored(), `looks` how often it runs.

    The intervals hold at once, for all swaps and looks, with a chance of at least 1 - LEVEL.
    """
    off = misses(target, own)
    asked = off or list(target.allowed)  # where no figure is missed: which swaps would not miss one either
    level = LEVEL / (max(1, len(swaps)) * looks * max(1, len(target.allowed)) * 4)
    found, chances, right_way = [], [], []
    for (factor, text), table in swaps.items():
        base, swapped = _on_both(own, table)
        flips = _flips(base, swapped)
        totals = {metric: _total(target, base, flips[metric], metric, level) for metric in target.allowed}
        compatible = all(_within(totals[metric], target, metric) for metric in target.allowed)
        status: Status = "undecided" if compatible else "refuted"
        found.append(_swap(factor, text, status, base, swapped, flips, totals, asked, len(swaps)))
        chances.append(min(1.0, len(asked) * min((mcnemar_p(*flips[metric]) for metric in asked), default=1.0)))
        right_way.append(
            bool(off)
            and all(_direction(target, base, metric) * (flips[metric][0] - flips[metric][1]) > 0 for metric in off)
        )
    return [
        dataclasses.replace(
            swap, p=p, status="fits" if swap.status == "undecided" and p < LEVEL and right else swap.status
        )
        for swap, p, right in zip(found, _holm(chances), right_way, strict=True)
    ]


def improvements(own: pd.DataFrame, swaps: Mapping[tuple[str, str], pd.DataFrame]) -> list[Swap]:
    """Each swap where no documented figure is about these images; "fits" are those that have more images right."""
    found, chances = [], []
    for (factor, text), table in swaps.items():
        base, swapped = _on_both(own, table)
        flips = _flips(base, swapped)
        found.append(_swap(factor, text, "refuted", base, swapped, flips, {}, ["top1"], len(swaps)))
        chances.append(mcnemar_p(*flips["top1"]))
    return [
        dataclasses.replace(swap, p=p, status="fits" if p < LEVEL and swap.gained > swap.lost else "refuted")
        for swap, p in zip(found, _holm(chances), strict=True)
    ]


def as_good_as(best: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether two swaps cannot be distinguished by the top1 of these images."""
    return mcnemar_p(*_flips(*_on_both(best, other))["top1"]) >= LEVEL


def images_to_distinguish(a: pd.DataFrame, b: pd.DataFrame) -> int | None:
    """About how many images would distinguish two swaps by top1; None where they differ on none."""
    a, b = _on_both(a, b)
    return images_to_see_effect(*_flips(a, b)["top1"], len(a), LEVEL) if len(a) else None


def _on_both(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The two on the images that both have, in one order."""
    images = a.index.intersection(b.index)
    return a.loc[images], b.loc[images]


def _holm(chances: Sequence[float]) -> list[float]:
    return [float(p) for p in multipletests(chances, LEVEL, "holm")[1]] if chances else []


def _swap(
    factor: str,
    text: str,
    status: Status,
    base: pd.DataFrame,
    swapped: pd.DataFrame,
    flips: Mapping[Metric, tuple[int, int]],
    totals: Mapping[Metric, tuple[int, int]],
    asked: Sequence[Metric],
    swaps: int,
) -> Swap:
    needed = [images_to_see_effect(*flips[metric], len(base), LEVEL / max(1, swaps)) for metric in asked]
    return Swap(
        factor,
        text,
        status,
        images=len(base),
        changed=int((base["best"] != swapped["best"]).sum()),
        gained=flips["top1"][0],
        lost=flips["top1"][1],
        gained5=flips["top5"][0],
        lost5=flips["top5"][1],
        top1=totals.get("top1"),
        top5=totals.get("top5"),
        needed=max((number for number in needed if number), default=None),
    )


def _flips(base: pd.DataFrame, swapped: pd.DataFrame) -> dict[Metric, tuple[int, int]]:
    """Images that only the swap has right, and that only the source's own has right."""
    return {
        metric: (int((swapped[metric] & ~base[metric]).sum()), int((base[metric] & ~swapped[metric]).sum()))
        for metric in _METRICS
    }


def counts(target: Target, own: pd.DataFrame) -> dict[Metric, float]:
    """Right images of the population as the run has them; where it saw a part, as likely."""
    return {metric: sum(_total(target, own, None, metric, 0.5)) / 2 for metric in target.allowed}


def _direction(target: Target, base: pd.DataFrame, metric: Metric) -> float:
    """Positive where the document claims more right images than there are."""
    return sum(target.allowed[metric]) - 2 * counts(target, base)[metric]


def _total(
    target: Target, base: pd.DataFrame, flips: tuple[int, int] | None, metric: Metric, level: float
) -> tuple[int, int]:
    """Least and greatest number of right images in the population, after the flips if any; `level` per side."""
    gained, lost = flips or (0, 0)
    if target.own is None:
        return population_interval(int(base[metric].sum()) + gained - lost, len(base), target.population, level)
    count = target.own[metric]
    if flips is None:
        return count, count
    more = population_interval(gained, len(base), target.population, level)
    fewer = population_interval(lost, len(base), target.population, level)
    return max(0, count + more[0] - fewer[1]), min(target.population, count + more[1] - fewer[0])


def _within(total: tuple[int, int], target: Target, metric: Metric) -> bool:
    low, high = target.allowed[metric]
    return total[0] <= high and total[1] >= low
