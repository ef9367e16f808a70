"""FLOPs and parameter counts: which convention, if any, reproduces the documented figures of a source.

With many conventions and few printed digits something always matches, so an explanation is accepted only if a
wrong figure would hardly have matched by chance; and since a table counts one way for a source, its rows are
judged together.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from harness.checks.counts.contradicted import contradicted
from harness.checks.counts.conventions import (
    Convention,
    FlopsConvention,
    ParamsConvention,
    flops_conventions,
    is_simple,
    params_conventions,
    ratio_text,
    simple_fractions,
    simplest_fraction,
)
from harness.checks.counts.matching import (
    CHANCE_ACCEPTED,
    Judgement,
    Measured,
    agrees,
    chance_of,
    figure,
    paddings,
    printed,
    tries,
)
from harness.core.records import Outcome, Static

#: A source is counted one way; where several of its rows agree on how, fewer rows that would need another
#: convention have to match it this much better than chance.
CHANCE_ACCEPTED_BESIDE = 1e-4
#: A counter that finds less than this share of the convolutions' and matrix products' multiply-adds does not know
#: some of the network's layers.
LEAST_SEEN = 2 / 3
#: A convention is a table's own if it gives at least so many figures of a source, and this share of those that hold.
COMMON_ROWS, COMMON_SHARE = 3, 2 / 3


def judge(
    group: Sequence[Measured], known: Collection[str] = (), custom: tuple[str, int] | None = None
) -> list[Judgement]:
    """Judges the claims of one source about one metric together, because a table counts one way for a source.

    `known` are the texts of conventions by which other tables of the source are known to count, which are no tries.
    `custom` is the one by which nearly all figures there are counted, and how many. Where the rows of this table do
    not agree on another it is what the column means, so that a figure of few digits holds by it as it would by the
    plain meaning.
    """
    if not group:
        return []
    metric = group[0].claim.metric
    statics = [item.static for item in group]
    conventions: list[Convention] = (
        list(flops_conventions(statics, group[0].claim.multiply_adds, paddings([item.claim for item in group])))
        if metric == "flops"
        else list(params_conventions(statics, paddings([item.claim for item in group])))
    )
    plain = conventions[0]
    texts = [printed(convention, group) for convention in conventions]
    explained: dict[int, tuple[Convention, float, int]] = {}
    open_rows = [i for i, item in enumerate(group) if not agrees(plain, item)]
    while open_rows:
        found = _best(conventions, texts, group, open_rows, known) or (
            _ratio(conventions, group, open_rows) if metric == "flops" else None
        )
        if found is None:
            break
        convention, rows, chance, tried = found
        agreed = _agreed(len(group) - len(explained) - len(open_rows), explained)
        if agreed >= 2 and agreed > len(rows) and chance > CHANCE_ACCEPTED_BESIDE:
            break
        explained.update(dict.fromkeys(rows, (convention, chance, tried)))
        open_rows = [i for i in open_rows if i not in rows]
    if isinstance(plain, FlopsConvention) and len(open_rows) == len(group):
        # whether a multiply-add is one operation or two is the first thing to ask, and no find among many
        other_way = replace(plain, factor=3 - plain.factor)
        by_it = [i for i in open_rows if agrees(other_way, group[i]) and chance_of(1, 1, [group[i]]) <= CHANCE_ACCEPTED]
        explained.update({i: (other_way, chance_of(1, 1, [group[i]]), 1) for i in by_it})
        open_rows = [i for i in open_rows if i not in by_it]
    elsewhere = next((c for c in conventions if custom is not None and c.text == custom[0]), None)
    if elsewhere is not None:
        by_custom = [i for i in open_rows if agrees(elsewhere, group[i])]
        if _agreed(len(group) - len(explained) - len(open_rows), explained) <= max(1, len(by_custom)):
            explained.update({i: (elsewhere, chance_of(1, 1, [group[i]]), 1) for i in by_custom})
            open_rows = [i for i in open_rows if i not in by_custom]
    # what the source's other rows say that one should have been
    used = [plain, *(convention for convention, _, _ in explained.values())]
    usual, agreeing = _usual(used, group)
    rows_elsewhere = 0
    if not agreeing and custom is not None and elsewhere is not None:
        usual, rows_elsewhere = elsewhere, custom[1]
    judged = []
    for i, item in enumerate(group):
        if all(convention.value(item.static, item.size) is None for convention in conventions):
            judged.append(_uncounted(item))
        elif i in open_rows:
            likeliest = _likeliest(item, used, usual, group)
            rows_alike = sum(agrees(likeliest, other) for other in group)
            judged.append(contradicted(item, conventions, likeliest, rows_alike or rows_elsewhere))
        elif i in explained:
            convention, chance, tried = explained[i]
            alike = [group[j] for j, (other, _, _) in explained.items() if other == convention]
            same = [
                c.text
                for c in conventions
                if c != convention
                and c.cut == convention.cut
                and getattr(c, "size", None) not in {other.size for other in alike}  # which is the rows' own
                and all(agrees(c, other) for other in alike)
            ]
            judged.append(_explained(item, plain, convention, chance, tried, len(alike), same))
        else:
            judged.append(
                Judgement(Outcome.REPRODUCED, plain.value(item.static, item.size), plain.text, None,
                          {"digits_explained": item.claim.digits, "conventions_tried": 1})
            )  # fmt: skip
        own = explained[i][0] if i in explained else plain
        alone = sum(agrees(own, other) for other in group) < COMMON_ROWS
        if (
            alone
            and agreeing >= max(COMMON_ROWS, COMMON_SHARE * (len(group) - len(open_rows)))
            and not agrees(usual, item)
        ):
            judged[-1] = _beside(judged[-1], item, usual, agreeing)
    return judged


# -- the search ------------------------------------------------------------------------------------


#: comparing with floats is much faster than comparing with fractions
_SIMPLE = [(ratio, float(ratio)) for ratio in sorted(simple_fractions())]

_Found = tuple[Convention, list[int], float, int]


def _best(
    conventions: Sequence[Convention],
    texts: Sequence[Sequence[str | None]],
    group: Sequence[Measured],
    open_rows: Sequence[int],
    known: Collection[str],
) -> _Found | None:
    """The convention that explains most of the open rows, better than chance; the plainest of equals.

    `texts` are what each convention prints for each row.
    """
    departures = [convention.departures for convention in conventions]
    best: _Found | None = None
    for own, convention in enumerate(conventions):
        rows = [i for i in open_rows if agrees(convention, group[i])]
        if not rows or (best is not None and len(rows) <= len(best[1])):
            continue
        if convention.cut and not _is_cut(convention, group):
            continue
        items = [group[i] for i in rows]
        tried = 1
        if convention.text not in known:
            others = (texts[c] for c in range(len(conventions)) if departures[c] <= departures[own])
            tried = len({tuple(other[i] for i in rows) for other in others})
        # how many rows a convention explains was not fixed beforehand either
        chance = min(1.0, len(open_rows) * chance_of(tried, len(open_rows), items, convention.padding))
        if chance <= CHANCE_ACCEPTED:
            best = (convention, rows, chance, tried)
    return best


def _is_cut(convention: Convention, group: Sequence[Measured]) -> bool:
    """Whether digits are cut off wherever that can be seen, and in more than one row."""
    cut = {i for i, item in enumerate(group) if agrees(convention, item)}
    rounded = {i for i, item in enumerate(group) if agrees(convention.rounded(), item)}
    return rounded <= cut and len(cut - rounded) > 1


def _ratio(conventions: Sequence[Convention], group: Sequence[Measured], open_rows: Sequence[int]) -> _Found | None:
    """A constant ratio between the open rows and a convention, in at least two rows."""
    bases = [
        c
        for c in conventions
        if isinstance(c, FlopsConvention)
        and c == FlopsConvention(c.counter, c.plain_counter, c.plain_factor, c.plain_factor, c.size)
    ]
    best: _Found | None = None
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
            # a fraction that somebody could have multiplied by comes before any constant that fits more rows
            if (is_simple(ratio), len(rows)) <= rank:
                continue
            items = [group[rows[j]] for j in _distinct([intervals[i] for i in rows])]
            # any row can set the ratio, only the others can confirm it
            confirmed = sum(chance_of(1, len(items) - 1, [one for one in items if one is not item]) for item in items)
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
                best = (scaled, rows, chance, families)
    return best


def _common(intervals: Mapping[int, tuple[float, float]]) -> list[tuple[list[int], Fraction]]:
    """Each set of intervals that share a ratio, with the simplest such ratio: the simple fractions and the densest."""
    found = []
    if len(intervals) < 2:
        return []
    for ratio, value in _SIMPLE:
        found.append(([i for i, (low, high) in intervals.items() if low <= value <= high], ratio))
    for point, _ in intervals.values():
        rows = [i for i, (low, high) in intervals.items() if low <= point <= high]
        low, high = max(intervals[i][0] for i in rows), min(intervals[i][1] for i in rows)
        found.append((rows, simplest_fraction(low, high)))
    return [(rows, ratio) for rows, ratio in found if len({intervals[i] for i in rows}) >= 2]


def _distinct(intervals: Sequence[tuple[float, float]]) -> list[int]:
    """Where each interval stands first: two rows of one network say the same once."""
    return [i for i, interval in enumerate(intervals) if interval not in intervals[:i]]


def _agreed(plain: int, explained: Mapping[int, tuple[Convention, float, int]]) -> int:
    """The most rows that are known to be counted in one way."""
    conventions = [convention for convention, _, _ in explained.values()]
    return max([plain, *(conventions.count(convention) for convention in conventions)])


def _usual(conventions: Sequence[Convention], group: Sequence[Measured]) -> tuple[Convention, int]:
    """The convention that gives most of the figures, and how many; of equals the plain one, which comes first."""
    rows = {convention: sum(agrees(convention, item) for item in group) for convention in conventions}
    usual = max(rows, key=lambda convention: rows[convention])
    return usual, rows[usual]


def _likeliest(item: Measured, used: Sequence[Convention], usual: Convention, group: Sequence[Measured]) -> Convention:
    """How a wrong figure was probably counted: as that of several rows to which it comes nearest, else as usual."""
    common = [convention for convention in used if sum(agrees(convention, other) for other in group) >= 2]
    values = {c: value for c in (usual, *common) if (value := figure(c, item)) is not None}
    return min(values, key=lambda convention: abs(values[convention] - item.claim.value), default=usual)


# -- the judgements --------------------------------------------------------------------------------


def _explained(
    item: Measured,
    plain: Convention,
    convention: Convention,
    chance: float,
    tried: int,
    together: int,
    same: Sequence[str],
) -> Judgement:
    value = figure(convention, item)
    evidence: dict[str, Any] = {
        "value_under_convention": item.claim.printed(value or 0.0),
        "digits_explained": item.claim.digits,
        "conventions_tried": tried,
        "rows_of_this_source_explained": together,
        "chance": chance,
        "explained_as_well_by": list(same),
    }
    plain_value = plain.value(item.static, item.size)
    if isinstance(convention, FlopsConvention) and convention.ratio is not None:
        evidence["ratio"] = ratio_text(convention.ratio)
        evidence["ratio_of"] = item.claim.printed((value or 0.0) / float(convention.ratio))
    if isinstance(convention, FlopsConvention):
        counts = item.static.multiply_adds[convention.size or item.size]
        seen, there = counts[convention.counter], counts.get(item.static.plain_counter)
        if there and seen < LEAST_SEEN * there:
            evidence["share_seen"] = seen / there
    cause = f"counted as {convention.text}"
    if isinstance(convention, FlopsConvention) and convention.size not in (None, item.size):
        cause += f", although the row says {item.size} pixels"
    if isinstance(convention, ParamsConvention) and plain_value is not None and value is not None:
        left_out = left_out_types(item.static, round(plain_value - value))
        if left_out and not convention.binary:
            evidence["left_out"] = left_out
            cause += f", which leaves out the {round(plain_value - value):,} parameters held by {', '.join(left_out)}"
    return Judgement(Outcome.EXPLAINED, plain_value, convention.text, cause, evidence)


def _beside(judged: Judgement, item: Measured, usual: Convention, agreeing: int) -> Judgement:
    """Adds what the figure would be if it were counted as those of the source's other rows in the table."""
    value = figure(usual, item)
    nobody_can_name_it = isinstance(usual, FlopsConvention) and usual.ratio is not None
    if value is None or nobody_can_name_it or judged.outcome not in (Outcome.REPRODUCED, Outcome.EXPLAINED):
        return judged
    other = {"value": item.claim.printed(value), "convention": usual.text, "rows": agreeing}
    return replace(judged, evidence={**judged.evidence, "other_rows": other})


def left_out_types(static: Static, difference: int) -> list[str]:
    """The layer types whose parameters add up to a difference; empty where no such set is found."""
    by_type = static.parameters.by_type
    if difference <= 0 or len(by_type) > 12:
        return []
    for count in range(1, len(by_type) + 1):
        for names in itertools.combinations(by_type, count):
            if sum(by_type[name] for name in names) == difference:
                return list(names)
    return []


def _uncounted(item: Measured) -> Judgement:
    why = "; ".join(f"{counter}: {error}" for counter, error in item.static.failed_counters.items())
    cause = f"no counter could count {item.static.model} at {item.size} pixels ({why or 'none says why'})"
    return Judgement(Outcome.ERROR, None, None, cause)
