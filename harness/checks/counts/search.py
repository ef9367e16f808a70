"""The search for the convention that gives the most figures of a column, better than chance."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from harness.checks.counts.conventions import (
    Convention,
    FlopsConvention,
    is_simple,
    simple_fractions,
    simplest_fraction,
)
from harness.checks.counts.matching import CHANCE_ACCEPTED, Measured, agrees, chance_of, tries

#: comparing with floats is much faster than comparing with fractions
_SIMPLE = [(ratio, float(ratio)) for ratio in sorted(simple_fractions())]


@dataclass(frozen=True)
class Explanation:
    """A convention that gives the figures of some rows."""

    convention: Convention
    rows: tuple[int, ...]  #: positions in the column
    chance: float  #: probability that wrong figures would match
    tried: int  #: different figures that were tried


def best_convention(
    conventions: Sequence[Convention],
    texts: Sequence[Sequence[str | None]],
    group: Sequence[Measured],
    open_rows: Sequence[int],
    known_conventions: Collection[str],
) -> Explanation | None:
    """The convention that explains most of the open rows, better than chance; the plainest of equals.

    `texts` are what each convention prints for each row; `known_conventions` are texts of conventions that are known
    from other tables, so that finding one of them is not a search.
    """
    departures = [convention.departures for convention in conventions]
    best: Explanation | None = None
    for position, convention in enumerate(conventions):
        rows = [i for i in open_rows if agrees(convention, group[i])]
        if not rows or (best is not None and len(rows) <= len(best.rows)):
            continue
        if convention.cut and not _is_cut(convention, group):
            continue
        items = [group[i] for i in rows]
        tried = 1
        if convention.text not in known_conventions:
            as_plain = (texts[c] for c in range(len(conventions)) if departures[c] <= departures[position])
            tried = len({tuple(figures[i] for i in rows) for figures in as_plain})
        # how many rows a convention explains was not fixed beforehand either
        chance = min(1.0, len(open_rows) * chance_of(tried, len(open_rows), items, convention.padding))
        if chance <= CHANCE_ACCEPTED:
            best = Explanation(convention, tuple(rows), chance, tried)
    return best


def _is_cut(convention: Convention, group: Sequence[Measured]) -> bool:
    """Whether digits are cut off wherever that can be seen, and in more than one row."""
    cut = {i for i, item in enumerate(group) if agrees(convention, item)}
    rounded = {i for i, item in enumerate(group) if agrees(convention.rounded(), item)}
    return rounded <= cut and len(cut - rounded) > 1


def constant_ratio(
    conventions: Sequence[Convention], group: Sequence[Measured], open_rows: Sequence[int]
) -> Explanation | None:
    """A constant ratio between the open rows and a convention, in at least two rows."""
    bases = [
        c
        for c in conventions
        if isinstance(c, FlopsConvention)
        and c == FlopsConvention(c.counter, c.plain_counter, c.plain_factor, c.plain_factor, c.size)
    ]
    best: Explanation | None = None
    rank = (False, 1)
    for base in bases:
        intervals = {}
        for i in open_rows:
            value = base.value(group[i].static, group[i].size)
            if value:
                claim = group[i].claim
                intervals[i] = (
                    (claim.value - claim.step / 2) / value,
                    (claim.value + claim.step / 2) / value,
                )
        candidates = _common(intervals)
        families = tries(bases, [group[i] for i in intervals], 99) if candidates else 0
        for rows, ratio in candidates:
            # a simple fraction comes before any other constant, even one that fits more rows
            if (is_simple(ratio), len(rows)) <= rank:
                continue
            items = [group[rows[j]] for j in _distinct([intervals[i] for i in rows])]
            # any row can set the ratio, only the others can confirm it
            confirmed = sum(
                chance_of(1, len(items) - 1, [other for other in items if other is not item]) for item in items
            )
            chance = min(1.0, families * math.comb(len(open_rows), len(rows)) * confirmed)
            if is_simple(ratio):
                # simple fractions within a factor of four, spread over that range in logarithm
                width = math.log(min(intervals[i][1] for i in rows) / max(intervals[i][0] for i in rows))
                chance *= min(1.0, len(simple_fractions()) * width / (2 * math.log(4)))
            if chance <= CHANCE_ACCEPTED:
                scaled = FlopsConvention(
                    base.counter, base.plain_counter, base.factor, base.plain_factor, base.size, ratio=ratio
                )
                rank = (is_simple(ratio), len(rows))
                best = Explanation(scaled, tuple(rows), chance, families)
    return best


def _common(intervals: Mapping[int, tuple[float, float]]) -> list[tuple[list[int], Fraction]]:
    """Each set of intervals that share a ratio, with the simplest such ratio: the simple fractions and the densest."""
    if len(intervals) < 2:
        return []
    candidates = []
    for ratio, value in _SIMPLE:
        candidates.append(([i for i, (low, high) in intervals.items() if low <= value <= high], ratio))
    for point, _ in intervals.values():
        rows = [i for i, (low, high) in intervals.items() if low <= point <= high]
        low, high = max(intervals[i][0] for i in rows), min(intervals[i][1] for i in rows)
        candidates.append((rows, simplest_fraction(low, high)))
    return [(rows, ratio) for rows, ratio in candidates if len({intervals[i] for i in rows}) >= 2]


def _distinct(intervals: Sequence[tuple[float, float]]) -> list[int]:
    """The first position of each interval: two rows of one network count as one."""
    return [i for i, interval in enumerate(intervals) if interval not in intervals[:i]]
