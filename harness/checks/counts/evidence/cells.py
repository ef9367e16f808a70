"""The cells of a column under its likeliest explanations: how each is right, and how it may have become wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from harness.checks.counts.conventions import Convention
from harness.checks.counts.evidence import misprints, priors
from harness.checks.counts.evidence.likelihood import Column, Floats
from harness.checks.counts.matching import figure

#: conventions, stories and figures of a cell that are kept
_TOLD = 6

T = TypeVar("T")


@dataclass(frozen=True)
class Story:
    """One way in which a cell may have become wrong."""

    kind: misprints.Kind
    probability: float  #: that the cell is wrong, and in this way
    convention: Convention  #: of the column
    figure: str | None  #: what should stand there, as the document would print it
    row: int | None = None  #: position in the column of the row whose figure it is
    is_near: bool = False  #: the convention is not that of the column, but near it


@dataclass(frozen=True)
class Explanations:
    """Of a column, those that are worth a look."""

    pairs: Sequence[tuple[int, int]]  #: way to print and convention
    weights: Floats  #: their probabilities
    once: int  #: those from here on are the same again, where half of the column is counted otherwise


def right_by(
    column: Column, i: int, explained: Explanations, own: Floats, mixed: Floats
) -> tuple[tuple[Convention, float], ...]:
    """Conventions by which the cell is right, with their probabilities."""
    found: dict[Convention, float] = {}
    ways = priors.printings()
    for (way, c), probability in zip(explained.pairs, own, strict=True):
        if probability > 0:
            seen = way if column.matches[way, c, i] else int(np.argmax(column.matches[:, c, i]))
            convention = ways[seen].of(column.hypotheses.conventions[c])
            found[convention] = found.get(convention, 0.0) + float(probability)
    if mixed.sum() > 0:
        half = float(mixed[explained.once :].sum() / mixed.sum())
        for convention, probability in _otherwise(column, i, explained.pairs[0][1], float(mixed.sum()), half).items():
            found[convention] = found.get(convention, 0.0) + probability
    return _likeliest(found)[:_TOLD]


def _likeliest(found: Mapping[T, float]) -> tuple[tuple[T, float], ...]:
    return tuple(sorted(found.items(), key=lambda entry: -entry[1]))


def _otherwise(column: Column, i: int, of_column: int, mixed: float, half: float) -> dict[Convention, float]:
    """Conventions by which a cell is right beside its column's, by their likeliness.

    `half` is the probability that half of the column is counted otherwise, where this cell is.
    """
    hypotheses, ways = column.hypotheses, priors.printings()
    weights = np.zeros(len(hypotheses.conventions))
    usable = np.where(hypotheses.right, hypotheses.prior, 0.0) * column.printed_by_any[:, i]
    for kin in hypotheses.kin:
        alike = kin.groups == kin.groups[of_column]
        others = hypotheses.prior[alike & hypotheses.right].sum()
        share = kin.share + (half / 2 if kin.choice in priors.table()["both"]["two_ways"] else 0.0)
        weights += share * usable * alike / max(others, 1e-300)
    weights += priors.table()["both"]["mixed_otherwise"] * usable
    weights[of_column] = 0.0
    if not weights.sum():
        return {}
    found = {}
    for c in np.argsort(-weights, kind="stable")[:_TOLD]:
        if weights[c] > 0:
            way = int(np.argmax(column.matches[:, c, i]))
            found[ways[way].of(hypotheses.conventions[c])] = mixed * float(weights[c] / weights.sum())
    return found


def stories_of(
    column: Column, i: int, explained: Explanations, share: Floats, own: Floats, others: Sequence[Story]
) -> tuple[tuple[Story, ...], tuple[tuple[str, float], ...]]:
    """The ways in which the cell may be wrong, and what should stand there.

    `share` are the probabilities of the explanations over what each gives the cell, `own` those that the cell is
    printed as its column under each; `others` are stories of columns that none of them explains.
    """
    pairs = explained.pairs[: explained.once]
    share = share[: explained.once] + share[explained.once :]
    own = own[: explained.once] + own[explained.once :]
    chosen = [c for _, c in pairs]
    conventions = [priors.printings()[way].of(column.hypotheses.conventions[c]) for way, c in pairs]
    found: dict[tuple[misprints.Kind, object, str | None], tuple[float, int]] = {}

    def add(key: tuple[misprints.Kind, object, str | None], probability: float, number: int) -> None:
        before = found.get(key, (0.0, number))
        found[key] = (before[0] + probability, before[1])

    for padding in {priors.printings()[way].padding for way, _ in pairs}:
        printed_so = [priors.printings()[way].padding == padding for way, _ in pairs]
        for (kind, of), chances in column.stories(i, column.values[chosen], padding).items():
            for number in map(int, np.flatnonzero(chances * printed_so)):
                text = _should_be(column, i, conventions[number], kind, of)
                add((kind, of, text), float(share[number] * column.wrong_share * chances[number]), number)
    for number, convention in enumerate(conventions):
        if convention.fault and own[number] > 0:
            text = _should_be(column, i, convention, "convention", None)
            add(("convention", convention.fault, text), float(own[number]), number)
    stories = [
        Story(kind, p, conventions[number], text, of if isinstance(of, int) else None)
        for (kind, of, text), (p, number) in found.items()
    ]
    stories = sorted([*stories, *others], key=lambda story: -story.probability)
    figures: dict[str, float] = {}
    for story in stories:
        if story.figure is not None:
            figures[story.figure] = figures.get(story.figure, 0.0) + story.probability
    total = sum(story.probability for story in stories) or 1.0
    return tuple(stories[:_TOLD]), tuple((text, p / total) for text, p in _likeliest(figures)[:_TOLD])


def _should_be(column: Column, i: int, convention: Convention, kind: misprints.Kind, of: object) -> str | None:
    """What should stand in the cell, in the number of digits of its column."""
    item = column.items[i]
    decimals = item.claim.decimals
    if kind in ("dropped_digit", "slipped_unit", "slipped_point") and isinstance(of, str):
        others = Counter(other.claim.decimals for j, other in enumerate(column.items) if j != i)
        decimals = others.most_common(1)[0][0] if others else len(of.partition(".")[2])
    if convention.power:
        decimals += convention.power
    right = _without_fault(convention)
    if decimals != item.claim.decimals:
        right = replace(right, padding=0, cut=False, twice=False)  # type: ignore[type-var]
    value = figure(right, item)
    if value is None:
        return None
    return f"{value / misprints.scale(item.claim):.{max(0, decimals)}f}"


def _without_fault(convention: Convention) -> Convention:
    changes = {"power": 0, **({"batch": 1} if hasattr(convention, "batch") else {"bytes": 1})}
    if convention.fault and getattr(convention, "bytes", 1) != 1:
        changes["binary"] = False
    return replace(convention, **changes)  # type: ignore[type-var]
