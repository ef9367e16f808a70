"""What the figures of several columns say together: how each is counted, and how likely each cell is to be wrong.

The columns are those of one source about one metric. Each is counted and printed in one way, which is unknown and most
likely that of the others. Every cell is printed so, or is counted otherwise, or is wrong in one of the ways in which
people are wrong. Nothing is searched or accepted: all is weighed by what is known beforehand (harness.checks.counts.
priors) and by how well it gives what is printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

import numpy as np

from harness.checks.counts.conventions import Convention
from harness.checks.counts.evidence import misprints, priors
from harness.checks.counts.evidence.likelihood import Column, Floats, Hypotheses
from harness.checks.counts.matching import Measured, figure

#: explanations of a column that are less likely than this, relative to the likeliest, are left out
_NEGLIGIBLE = 1e-9
#: explanations of a column that are looked at in detail
_DETAILED = 60
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


@dataclass(frozen=True)
class Belief:
    """What is believed of one cell."""

    wrong: float  #: probability
    unknown: float  #: probability that it is counted by a tool that nobody here knows
    right: tuple[tuple[Convention, float], ...]  #: conventions by which it is right, the likeliest first
    stories: tuple[Story, ...]  #: the likeliest first
    figures: tuple[tuple[str, float], ...]  #: what should stand there if it is wrong, the likeliest first
    column: Convention  #: how its column is most likely counted
    column_probability: float  #: of it, and of others that would print the same in this cell where it prints another


def believe(columns: Sequence[Sequence[Measured]], hypotheses: Hypotheses) -> list[list[Belief]]:
    """One belief for each cell of columns that share what is learnt."""
    found = [Column(items, hypotheses) for items in columns]
    likelihoods = [_of_columns(column) for column in found]
    return [_beliefs(column, _weighed(hypotheses, likelihoods, own)) for own, column in enumerate(found)]


@dataclass(frozen=True)
class _Likelihood:
    """Of one column."""

    known: Floats  #: logarithms: ways to print x conventions
    unknown: float  #: logarithm, where an unknown tool counted


@dataclass(frozen=True)
class _Weights:
    """Probabilities of one column."""

    known: Floats  #: ways to print x conventions
    unknown: float


@cache
def _transitions() -> Floats:
    """How often a cell of a column that is printed so is printed so and so: ways x ways."""
    ways, shares = priors.printings(), priors.table()["printing"]
    prior = np.array([way.probability for way in ways])
    rows = []
    for number, way in enumerate(ways):
        otherwise = shares["otherwise_than_padded"] if way.padding else shares["otherwise"]
        others = np.where(np.arange(len(ways)) == number, 0.0, prior)
        row = otherwise * others / others.sum()
        row[number] = 1 - otherwise
        rows.append(row)
    return np.array(rows)


def _cells(column: Column, way: int) -> Floats:
    """The probability of each cell where it is counted as its column: conventions x cells."""
    return np.asarray(column.own_share * np.tensordot(_transitions()[way], column.matches, axes=1))


def _of_columns(column: Column) -> _Likelihood:
    unknown_tool = column.by_unknown_tool
    rest = column.mixed + column.unknown_share * unknown_tool
    known = np.array(
        [
            np.log(_cells(column, number) + rest + column.wrong_share * column.misprinted(way.padding)).sum(axis=1)
            for number, way in enumerate(priors.printings())
        ]
    )
    by_nobody = np.log((1 - column.wrong_share) * unknown_tool + column.wrong_share * column.anything).sum()
    return _Likelihood(known, float(by_nobody))


def _weighed(hypotheses: Hypotheses, likelihoods: Sequence[_Likelihood], own: int) -> _Weights:
    """The posterior of one column: its own figures, and what the other columns say of the convention."""
    ways = np.array([way.probability for way in priors.printings()])
    metric_unknown = hypotheses.unknown_share
    prior = (1 - metric_unknown) * ways[:, None] * hypotheses.prior
    differs: float = priors.table()["both"]["table_differs"]
    shared = np.log(prior)
    shared_unknown = float(np.log(metric_unknown))
    for number, other in enumerate(likelihoods):
        if number != own:
            top = max(other.known.max(), other.unknown)
            anyhow = float((prior * np.exp(other.known - top)).sum()) + metric_unknown * float(
                np.exp(other.unknown - top)
            )
            shared = shared + np.log((1 - differs) * np.exp(other.known - top) + differs * anyhow)
            shared_unknown += float(np.log((1 - differs) * np.exp(other.unknown - top) + differs * anyhow))
    top = max(shared.max(), shared_unknown)
    learnt, learnt_unknown = np.exp(shared - top), float(np.exp(shared_unknown - top))
    total = learnt.sum() + learnt_unknown
    if len(likelihoods) > 1:
        learnt = (1 - differs) * learnt / total + differs * prior
        learnt_unknown = (1 - differs) * learnt_unknown / total + differs * metric_unknown
    else:
        learnt, learnt_unknown = prior, metric_unknown
    mine = likelihoods[own]
    known = np.log(learnt) + mine.known
    unknown = float(np.log(learnt_unknown)) + mine.unknown
    top = max(known.max(), unknown)
    weights, weight = np.exp(known - top), float(np.exp(unknown - top))
    total = weights.sum() + weight
    return _Weights(weights / total, weight / total)


def _beliefs(column: Column, weights: _Weights) -> list[Belief]:
    """The cells of a column, by the explanations of the column that are worth a look."""
    flat = weights.known.ravel()
    order = np.argsort(-flat, kind="stable")[:_DETAILED]
    order = order[flat[order] >= _NEGLIGIBLE * max(flat.max(), 1e-300)]
    pairs = [divmod(int(one), weights.known.shape[1]) for one in order]
    kept = np.array([weights.known[pair] for pair in pairs])
    kept = kept * (1 - weights.unknown) / kept.sum() if weights.unknown < 1 else kept * 0
    return [_belief(column, i, pairs, kept, weights.unknown) for i in range(len(column.items))]


def _belief(column: Column, i: int, pairs: Sequence[tuple[int, int]], kept: Floats, unknown_column: float) -> Belief:
    hypotheses = column.hypotheses
    chosen = [c for _, c in pairs]
    own = np.array([_transitions()[way] @ column.matches[:, c, i] for way, c in pairs]) * column.own_share
    mixed = column.mixed[chosen, i]
    unknown_tool = float(column.by_unknown_tool[i])
    by_unknown = np.full(len(chosen), column.unknown_share * unknown_tool)
    paddings = [priors.printings()[way].padding for way, _ in pairs]
    misprints_of = np.array([column.misprinted(padding)[c, i] for padding, c in zip(paddings, chosen, strict=True)])
    misprinted = column.wrong_share * misprints_of
    total = own + mixed + by_unknown + misprinted
    share = kept / total
    faulty = ~hypotheses.right[chosen]
    nobody = (1 - column.wrong_share) * unknown_tool
    anything = column.wrong_share * column.anything[i]
    wrong = float((share * (misprinted + np.where(faulty, own, 0.0))).sum()) + unknown_column * anything / (
        nobody + anything
    )
    unknown = float((share * by_unknown).sum()) + unknown_column * nobody / (nobody + anything)
    best = pairs[0]
    return Belief(
        float(min(1.0, wrong)),
        float(min(1.0, unknown)),
        _right(column, i, pairs, share * own * ~faulty, float((share * mixed).sum())),
        *_stories(column, i, pairs, share, own),
        priors.printings()[best[0]].of(hypotheses.conventions[best[1]]),
        float(kept[0]) if column.matches[best[0], best[1], i] else _of_figure(column, i, pairs, kept),
    )


def _of_figure(column: Column, i: int, pairs: Sequence[tuple[int, int]], kept: Floats) -> float:
    """The probability of what the likeliest explanation would print in a cell: others may print the same there."""
    item, ways = column.items[i], priors.printings()
    values = [figure(ways[way].of(column.hypotheses.conventions[c]), item) for way, c in pairs]
    texts = [None if value is None else item.claim.printed(value) for value in values]
    return float(sum(weight for text, weight in zip(texts, kept, strict=True) if text == texts[0]))


def _right(
    column: Column, i: int, pairs: Sequence[tuple[int, int]], own: Floats, mixed: float
) -> tuple[tuple[Convention, float], ...]:
    """Conventions by which the cell is right, with their probabilities."""
    found: dict[Convention, float] = {}
    ways = priors.printings()
    for (way, c), probability in zip(pairs, own, strict=True):
        if probability > 0:
            seen = way if column.matches[way, c, i] else int(np.argmax(column.matches[:, c, i]))
            convention = ways[seen].of(column.hypotheses.conventions[c])
            found[convention] = found.get(convention, 0.0) + float(probability)
    if mixed > 0:
        for convention, probability in _otherwise(column, i, pairs[0][1], mixed).items():
            found[convention] = found.get(convention, 0.0) + probability
    return _likeliest(found)[:_TOLD]


def _likeliest(found: Mapping[T, float]) -> tuple[tuple[T, float], ...]:
    return tuple(sorted(found.items(), key=lambda entry: -entry[1]))


def _otherwise(column: Column, i: int, of_column: int, mixed: float) -> dict[Convention, float]:
    """Conventions by which a cell is right beside its column's, by their likeliness."""
    hypotheses, ways = column.hypotheses, priors.printings()
    weights = np.zeros(len(hypotheses.conventions))
    usable = np.where(hypotheses.right, hypotheses.prior, 0.0) * column.printed_by_any[:, i]
    for kin in hypotheses.kin:
        alike = kin.groups == kin.groups[of_column]
        others = hypotheses.prior[alike & hypotheses.right].sum()
        weights += kin.share * usable * alike / max(others, 1e-300)
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


def _stories(
    column: Column, i: int, pairs: Sequence[tuple[int, int]], share: Floats, own: Floats
) -> tuple[tuple[Story, ...], tuple[tuple[str, float], ...]]:
    """The ways in which the cell may be wrong, and what should stand there."""
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
            add(("convention", convention.fault, text), float(share[number] * own[number]), number)
    stories = [
        Story(kind, p, conventions[number], text, of if isinstance(of, int) else None)
        for (kind, of, text), (p, number) in sorted(found.items(), key=lambda entry: -entry[1][0])
    ]
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
    others = Counter(other.claim.decimals for j, other in enumerate(column.items) if j != i)
    if kind in ("dropped_digit", "slipped_unit", "slipped_point") and isinstance(of, str):
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
