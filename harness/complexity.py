"""FLOPs and parameter counts: which convention, if any, reproduces the documented figures of a source.

With many conventions and few printed digits something always matches, so an explanation is accepted only if a
wrong figure would hardly have matched by chance; and since a table counts one way for a source, its rows are
judged together.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from harness.conventions import (
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
from harness.records import Claim, Outcome, Static

#: An explanation is accepted if a wrong figure would match it with at most this probability.
CHANCE_ACCEPTED = 0.01
#: A source is counted one way; where several of its rows agree on how, fewer rows that would need another
#: convention have to match it this much better than chance.
CHANCE_ACCEPTED_BESIDE = 1e-4


@dataclass(frozen=True)
class Measured:
    """A claim beside the network that it is about."""

    claim: Claim
    static: Static

    @property
    def size(self) -> int:
        return self.claim.row.input_size or self.static.input_size


@dataclass(frozen=True)
class Judgement:
    """What static measurements say about one claim."""

    outcome: Outcome
    plain: float | None
    convention: str | None = None
    cause: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


def judge(group: Sequence[Measured]) -> list[Judgement]:
    """Judges the claims of one source about one metric together, because a table counts one way for a source."""
    if not group:
        return []
    metric = group[0].claim.metric
    statics = [item.static for item in group]
    conventions: list[Convention] = (
        list(flops_conventions(statics, group[0].claim.multiply_adds))
        if metric == "flops"
        else list(params_conventions(statics))
    )
    plain = conventions[0]
    explained: dict[int, tuple[Convention, float, int]] = {}
    open_rows = [i for i, item in enumerate(group) if not _agrees(plain, item)]
    while open_rows:
        found = _best(conventions, group, open_rows) or (
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
    # what the source's other rows say this one should have been
    usual = _usual([convention for convention, _, _ in explained.values()]) or plain
    if sum(1 for i in range(len(group)) if i not in explained and i not in open_rows) > len(explained):
        usual = plain
    judged = []
    for i, item in enumerate(group):
        if all(convention.value(item.static, item.size) is None for convention in conventions):
            judged.append(_uncounted(item))
        elif i in open_rows:
            others = [j for j in range(len(group)) if j != i]
            judged.append(_contradicted(item, conventions, usual, [group[j] for j in others]))
        elif i in explained:
            convention, chance, tried = explained[i]
            alike = [group[j] for j, (other, _, _) in explained.items() if other == convention]
            same = [c.text for c in conventions if c != convention and all(_agrees(c, other) for other in alike)]
            judged.append(_explained(item, plain, convention, chance, tried, len(alike), same))
        else:
            judged.append(
                Judgement(Outcome.REPRODUCED, plain.value(item.static, item.size), plain.text, None,
                          {"digits_explained": item.claim.digits, "conventions_tried": 1})
            )  # fmt: skip
    return judged


def belongs_to(claims: Sequence[Claim], candidates: Sequence[Static]) -> tuple[Static, dict[str, str], float] | None:
    """The network of the same source whose figures a row prints, with the conventions, and the chance of error.

    `claims` are the contradicted static claims of one row; candidates come likeliest first, and each one that
    is tried makes a match by chance likelier. None where no candidate explains all of them better than chance.
    """
    best: tuple[Static, dict[str, str], float] | None = None
    for tried, static in enumerate(candidates, 1):
        chance = float(tried)
        texts: dict[str, str] = {}
        for claim in claims:
            item = Measured(claim, static)
            conventions: Sequence[Convention] = (
                flops_conventions([static], claim.multiply_adds)
                if claim.metric == "flops"
                else params_conventions([static])
            )
            match = next((convention for convention in conventions if _agrees(convention, item)), None)
            if match is None:
                break
            chance *= _tries(conventions, [item], match.departures) * claim.step / claim.value
            texts[claim.metric] = match.text
        else:
            if chance <= CHANCE_ACCEPTED and (best is None or chance < best[2]):
                best = (static, texts, chance)
    return best


# -- the search ------------------------------------------------------------------------------------


def _agrees(convention: Convention, item: Measured) -> bool:
    value = convention.value(item.static, item.size)
    return value is not None and item.claim.agrees(value)


def _tries(conventions: Sequence[Convention], items: Sequence[Measured], departures: int) -> int:
    """How many different figures the conventions up to so many departures print for these rows."""
    return len({_printed(c, items) for c in conventions if c.departures <= departures})


def _printed(convention: Convention, items: Sequence[Measured]) -> tuple[str | None, ...]:
    values = [(item.claim, convention.value(item.static, item.size)) for item in items]
    return tuple(None if value is None else claim.printed(value) for claim, value in values)


def _chance(tries: int, among: int, items: Sequence[Measured]) -> float:
    """Probability that wrong figures would all match one of the tries.

    A wrong figure is taken to be anywhere within its own magnitude, so that it hits a given printed value with
    probability step / value; choosing which of the rows match counts as further tries (Bonferroni).
    """
    hits = math.prod(item.claim.step / item.claim.value for item in items if item.claim.value)
    return min(1.0, tries * math.comb(among, len(items)) * hits)


#: comparing with floats is much faster than comparing with fractions
_SIMPLE = [(ratio, float(ratio)) for ratio in sorted(simple_fractions())]

_Found = tuple[Convention, list[int], float, int]


def _best(conventions: Sequence[Convention], group: Sequence[Measured], open_rows: Sequence[int]) -> _Found | None:
    """The convention that explains most of the open rows, better than chance; the plainest of equals."""
    best: _Found | None = None
    for convention in conventions:
        rows = [i for i in open_rows if _agrees(convention, group[i])]
        if not rows or (best is not None and len(rows) <= len(best[1])):
            continue
        items = [group[i] for i in rows]
        tried = _tries(conventions, items, convention.departures)
        # how many rows a convention explains was not fixed beforehand either
        chance = min(1.0, len(open_rows) * _chance(tried, len(open_rows), items))
        if chance <= CHANCE_ACCEPTED:
            best = (convention, rows, chance, tried)
    return best


def _ratio(conventions: Sequence[Convention], group: Sequence[Measured], open_rows: Sequence[int]) -> _Found | None:
    """A constant ratio between the open rows and a convention, in at least two rows."""
    bases = [
        c
        for c in conventions
        if isinstance(c, FlopsConvention) and c.factor == c.plain_factor and c.decimals is None and not c.binary
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
        families = _tries(bases, [group[i] for i in intervals], 99) if candidates else 0
        for rows, ratio in candidates:
            # a fraction that somebody could have multiplied by comes before any constant that fits more rows
            if (is_simple(ratio), len(rows)) <= rank:
                continue
            items = [group[i] for i in rows]
            # any row can set the ratio, only the others can confirm it
            confirmed = sum(_chance(1, len(items) - 1, [one for one in items if one is not item]) for item in items)
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
    return [(rows, ratio) for rows, ratio in found if len(rows) >= 2]


def _agreed(plain: int, explained: Mapping[int, tuple[Convention, float, int]]) -> int:
    """The most rows that are known to be counted in one way."""
    conventions = [convention for convention, _, _ in explained.values()]
    return max([plain, *(conventions.count(convention) for convention in conventions)])


def _usual(conventions: Sequence[Convention]) -> Convention | None:
    return max(conventions, key=conventions.count) if conventions else None


# -- the judgements --------------------------------------------------------------------------------


def _nearest(item: Measured, conventions: Sequence[Convention], count: int = 3) -> list[dict[str, str]]:
    """The conventions that come closest to the documented figure, each printed value once."""
    found: dict[str, tuple[float, str]] = {}
    for convention in conventions:
        value = convention.value(item.static, item.size)
        if value is not None:
            found.setdefault(item.claim.printed(value), (abs(value - item.claim.value), convention.text))
    ranked = sorted(found.items(), key=lambda entry: entry[1][0])[:count]
    return [{"value": printed, "convention": text} for printed, (_, text) in ranked]


def _explained(
    item: Measured,
    plain: Convention,
    convention: Convention,
    chance: float,
    tried: int,
    together: int,
    same: Sequence[str],
) -> Judgement:
    value = convention.value(item.static, item.size)
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
    cause = f"counted as {convention.text}"
    if isinstance(convention, FlopsConvention) and convention.size not in (None, item.size):
        cause += f", although the row says {item.size} pixels"
    if isinstance(convention, ParamsConvention) and plain_value is not None and value is not None:
        left_out = left_out_types(item.static, round(plain_value - value))
        if left_out and not convention.binary:
            evidence["left_out"] = left_out
            cause += f", which leaves out the {round(plain_value - value):,} parameters held by {', '.join(left_out)}"
    return Judgement(Outcome.EXPLAINED, plain_value, convention.text, cause, evidence)


def left_out_types(static: Static, difference: int) -> list[str]:
    """The layer types whose parameters add up to a difference; empty where no such set is found."""
    by_type = static.parameters["by_type"]
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


def _contradicted(
    item: Measured, conventions: Sequence[Convention], usual: Convention, others: Sequence[Measured]
) -> Judgement:
    claim = item.claim
    plain_value = conventions[0].value(item.static, item.size)
    expected_value = usual.value(item.static, item.size)
    expected = claim.printed(expected_value) if expected_value is not None else None
    nearest = _nearest(item, conventions)
    evidence: dict[str, Any] = {
        "conventions_tried": _tries(conventions, [item], 99),
        "nearest": nearest,
        "expected": expected,
        "expected_convention": usual.text,
    }
    copied = [other.claim.row for other in others if other.claim.text == claim.text]
    cause = "no convention reproduces it"
    if nearest and nearest[0]["value"] == claim.text:
        cause += (
            f" better than chance: too few digits are printed to tell {nearest[0]['convention']} from a coincidence"
        )
    if expected and _one_digit_apart(expected, claim.text):
        cause += f"; it is one digit away from {expected}, which is {usual.text}"
    elif expected:
        cause += f"; expected {expected} ({usual.text})"
    if copied:
        evidence["same_figure"] = [f"row {row.number} ({row.model})" for row in copied]
        cause += f"; the same figure stands in {', '.join(evidence['same_figure'])}"
    return Judgement(Outcome.CONTRADICTED, plain_value, usual.text, cause, evidence)


def _one_digit_apart(a: str, b: str) -> bool:
    """One digit changed, or two neighbouring digits swapped."""
    if len(a) != len(b):
        return False
    wrong = [i for i in range(len(a)) if a[i] != b[i]]
    if len(wrong) != 2:
        return len(wrong) == 1
    first, second = wrong
    return a[first + 1 : second] in ("", ".") and a[first] == b[second] and a[second] == b[first]
