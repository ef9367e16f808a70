"""A documented count that no convention gives: what it should be, and which misprint may have caused it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

from harness.checks.counts.conventions import Convention
from harness.checks.counts.matching import CHANCE_ACCEPTED, Judgement, Measured, figure, tries
from harness.core.causes import Cause, Expected, NoConvention, OneDigit, SlippedPoint, SlippedUnit
from harness.core.evidence import NoMatch, PrintedValue
from harness.core.records import UNITS, Outcome

#: powers of ten by which a unit or a decimal point is wrong
_POWERS = (-3, 3, -6, 6, -1, 1, -2, 2)
#: A wrong unit or decimal point is named as the cause if it matches by chance at most this often.
_CHANCE_NAMED = 0.05
_PRINTED_UNITS = ("K", "M", "G", "T")


def contradicted(item: Measured, conventions: Sequence[Convention], usual: Convention, rows_alike: int) -> Judgement:
    """The judgement on such a count; `usual` is how it was probably counted, as `rows_alike` other rows were."""
    claim = item.claim
    plain_value = conventions[0].value(item.static, item.size)
    expected_value = figure(usual, item)
    expected = claim.printed(expected_value) if expected_value is not None else None
    nearest = _nearest(item, conventions)
    basis = NoMatch(tries(conventions, [item], 99), nearest, expected, usual.text, rows_alike)
    coincidence = nearest[0].convention if nearest and nearest[0].value == claim.text else None
    causes: tuple[Cause, ...] = (NoConvention(coincidence),)
    if expected and _one_digit_apart(expected, claim.text):
        causes = (*causes, OneDigit(expected, usual.text))
    elif slip := _slipped(item, conventions, usual):
        causes = (slip,)
    elif expected:
        causes = (*causes, Expected(expected, usual.text))
    return Judgement(Outcome.CONTRADICTED, plain_value, usual.text, causes, basis)


def _slipped(item: Measured, conventions: Sequence[Convention], usual: Convention) -> SlippedUnit | SlippedPoint | None:
    """How the figure is right at another power of ten, by the usual convention or better than chance."""
    claim = item.claim
    for convention in (usual, *conventions):
        value = figure(convention, item)
        power = round(math.log10(value / claim.value)) if value else 0
        if power not in _POWERS or not claim.agrees((value or 0.0) / 10.0**power):
            continue
        tried, allowed = (
            (1, _CHANCE_NAMED)
            if convention == usual
            else (tries(conventions, [item], convention.departures), CHANCE_ACCEPTED)
        )
        if tried * len(_POWERS) * claim.step / claim.value > allowed:
            continue
        right = f"{Decimal(claim.text).scaleb(power):f}"
        unit = next((sign for sign, scale in UNITS.items() if scale == UNITS[claim.unit] * 10.0**power), None)
        if unit in _PRINTED_UNITS:
            return SlippedUnit(right, claim.text, unit, claim.unit, convention.text)
        return SlippedPoint(right, claim.unit, convention.text)
    return None


def _one_digit_apart(a: str, b: str) -> bool:
    """One digit changed, or two neighbouring digits swapped."""
    if len(a) != len(b):
        return False
    wrong = [i for i in range(len(a)) if a[i] != b[i]]
    if len(wrong) != 2:
        return len(wrong) == 1
    first, second = wrong
    return a[first + 1 : second] in ("", ".") and a[first] == b[second] and a[second] == b[first]


def _nearest(item: Measured, conventions: Sequence[Convention], count: int = 3) -> tuple[PrintedValue, ...]:
    """The conventions that come closest to the documented figure, each printed value once."""
    distances: dict[str, tuple[float, str]] = {}
    for convention in conventions:
        value = figure(convention, item)
        if value is not None:
            distances.setdefault(item.claim.printed(value), (abs(value - item.claim.value), convention.text))
    ranked = sorted(distances.items(), key=lambda entry: entry[1][0])[:count]
    return tuple(PrintedValue(printed, text) for printed, (_, text) in ranked)
