"""What the figures of several columns say together: how each is counted, and how likely each cell is to be wrong.

The columns are those of one source about one metric. Each is counted and printed in one way, which is unknown and most
likely that of the others. Every cell is printed so, or is counted otherwise, or is wrong in one of the ways in which
people are wrong. Nothing is searched or accepted: all is weighed by what is known beforehand (harness.checks.counts.
priors) and by how well it gives what is printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from harness.checks.counts.conventions import Convention, FlopsConvention
from harness.checks.counts.evidence import priors, unknown_tools
from harness.checks.counts.evidence.cells import Explanations, Story, right_by, stories_of
from harness.checks.counts.evidence.likelihood import Column, Floats, Hypotheses
from harness.checks.counts.matching import Measured, figure

#: explanations of a column that are less likely than this, relative to the likeliest, are left out
_NEGLIGIBLE = 1e-9
#: explanations of a column that are looked at in detail
_DETAILED = 60
#: a cell that is less likely than this to be anything but right has no stories of how it became wrong
_TOLD_FROM = 0.01


@dataclass(frozen=True)
class Belief:
    """What is believed of one cell."""

    wrong: float  #: probability
    unknown: float  #: probability that it is counted by a tool that is not known here
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
    two_ways: Floats  #: probability that half of it is counted otherwise, under each of these
    tools: Sequence[unknown_tools.UnknownTool]  #: that may have counted it
    unknown_tools: Floats  #: probability of each of these, if it was one of them


@dataclass(frozen=True)
class _Weights:
    """Probabilities of one column."""

    known: Floats  #: ways to print x conventions
    unknown: float
    own: _Likelihood


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


def _cells(column: Column) -> Floats:
    """The probability of each cell where it is counted and printed as its column: ways x conventions x cells."""
    return np.asarray(column.own_share * np.tensordot(_transitions(), column.matches, axes=1))


def _of_columns(column: Column) -> _Likelihood:
    rest = column.mixed + column.unknown_share * column.by_unknown_tool
    (share,) = priors.table()["both"]["two_ways"].values()
    known, in_two_ways, is_told = [], [], bool(column.two_ways.any())
    of_column = _cells(column)
    for number, way in enumerate(priors.printings()):
        own = of_column[number]
        others = rest + column.wrong_share * column.misprinted(way.padding)
        once = np.log(own + others).sum(axis=1) + np.log1p(-share)
        twice = np.full(len(once), -np.inf)
        if is_told:
            twice = np.log(own / 2 + column.two_ways + others).sum(axis=1) + np.log(share)
        known.append(np.logaddexp(once, twice))
        in_two_ways.append(np.exp(twice - known[-1]))
    by_nobody = np.log(
        (1 - column.wrong_share) * column.by_unknown_tools + column.wrong_share * column.misprinted_by_unknown_tools
    )
    tools = unknown_tools.tools(column.hypotheses)
    factors = by_nobody.sum(axis=1) + np.log([tool.prior for tool in tools])
    unknown = float(np.logaddexp.reduce(factors))
    return _Likelihood(np.array(known), unknown, np.array(in_two_ways), tools, np.exp(factors - unknown))


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
    return _Weights(weights / total, weight / total, mine)


def _beliefs(column: Column, weights: _Weights) -> list[Belief]:
    """The cells of a column, by the explanations of the column that are worth a look."""
    flat = weights.known.ravel()
    order = np.argsort(-flat, kind="stable")[:_DETAILED]
    order = order[flat[order] >= _NEGLIGIBLE * max(flat.max(), 1e-300)]
    pairs = [divmod(int(one), weights.known.shape[1]) for one in order]
    kept = np.array([weights.known[pair] for pair in pairs])
    kept = kept * (1 - weights.unknown) / kept.sum() if weights.unknown < 1 else kept * 0
    halved = np.array([weights.own.two_ways[pair] for pair in pairs])
    # each explanation stands twice: all of the column is counted so, or about half of it
    found = Explanations([*pairs, *pairs], np.concatenate([kept * (1 - halved), kept * halved]), len(pairs))
    return [_belief(column, i, found, weights) for i in range(len(column.items))]


def _belief(column: Column, i: int, found: Explanations, weights: _Weights) -> Belief:
    hypotheses, pairs, kept = column.hypotheses, found.pairs, found.weights
    text = column.items[i].claim.text
    unknown_column = weights.unknown
    chosen = [c for _, c in pairs]
    own = np.array([_transitions()[way] @ column.matches[:, c, i] for way, c in pairs]) * column.own_share
    own[found.once :] /= 2
    mixed = column.mixed[chosen, i]
    mixed[found.once :] += column.two_ways[chosen[found.once :], i]
    unknown_tool = float(column.by_unknown_tool[i])
    by_unknown = np.full(len(chosen), column.unknown_share * unknown_tool)
    paddings = [priors.printings()[way].padding for way, _ in pairs]
    misprints_of = np.array([column.misprinted(padding)[c, i] for padding, c in zip(paddings, chosen, strict=True)])
    misprinted = column.wrong_share * misprints_of
    total = own + mixed + by_unknown + misprinted
    share = kept / total
    faulty = ~hypotheses.right[chosen]
    nobody = (1 - column.wrong_share) * column.by_unknown_tools[:, i]
    misprint = column.wrong_share * column.misprinted_by_unknown_tools[:, i]
    tools = weights.own.tools
    slipped = np.array([tool.power != 0 for tool in tools])
    beside = misprint / (nobody + misprint)
    wrong_beside = float(weights.own.unknown_tools @ np.where(slipped, 1.0, beside))
    wrong = float((share * (misprinted + np.where(faulty, own, 0.0))).sum()) + unknown_column * wrong_beside
    unknown = float((share * by_unknown).sum()) + unknown_column * (1 - wrong_beside)
    best = pairs[0]
    in_other_unit = unknown_column * weights.own.unknown_tools * slipped * (1 - beside)
    others = [
        Story("convention", float(one), tool.convention(hypotheses), unknown_tools.figure(text, tool), is_near=True)
        for one, tool in zip(in_other_unit, tools, strict=True)
        if one > 0
    ]
    return Belief(
        float(min(1.0, wrong)),
        float(min(1.0, unknown)),
        right_by(column, i, found, share * own * ~faulty, share * mixed),
        *(stories_of(column, i, found, share, share * own, others) if wrong + unknown >= _TOLD_FROM else ((), ())),
        priors.printings()[best[0]].of(hypotheses.conventions[best[1]]),
        float(kept[0] + kept[found.once]) if column.matches[best[0], best[1], i] else _of_figure(column, i, found),
    )


def _of_figure(column: Column, i: int, found: Explanations) -> float:
    """The probability of what the likeliest explanation would print in a cell: others may print the same there.

    Where half of a column is counted otherwise, either half may be said to be the column.
    """
    item, ways = column.items[i], priors.printings()

    def text(convention: Convention) -> str | None:
        value = figure(convention, item)
        return None if value is None else item.claim.printed(value)

    first = ways[found.pairs[0][0]].of(column.hypotheses.conventions[found.pairs[0][1]])
    wanted, total = text(first), 0.0
    for number, ((way, c), weight) in enumerate(zip(found.pairs, found.weights, strict=True)):
        convention = ways[way].of(column.hypotheses.conventions[c])
        alike = text(convention) == wanted
        if not alike and number >= found.once and isinstance(convention, FlopsConvention):
            alike = text(replace(convention, factor=3 - convention.factor)) == wanted
        total += float(weight) * alike
    return total
