"""Whether percentages count what is right or what is wrong, and which are shares of one: told by the figures.

What a heading says is settled before; here, what nothing says. Top-5 is above top-1 where right images are counted,
and below it where wrong ones are. Half of the images are hardly ever wrong.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from math import exp, log

from harness.core.records import Claim, Metric, Row
from harness.tables import headings
from harness.tables.percentages.image_sets import VAL, rates

#: percent; a figure of accuracies above it is no share of one
_ONE = 1


def of_errors(claims: Iterable[Claim]) -> float:
    """The probability that the top-1 and top-5 figures of a table count what is wrong, although no heading says so."""
    rows = _pairs(claim for claim in claims if _is_silent(claim))
    if not rows:
        return 0.0
    exchanged, odd = rates()["exchanged"].estimate, rates()["tables_of_errors"].estimate
    reversed_rows = sum(pair["top5"].value < pair["top1"].value for pair in rows)
    straight = sum(pair["top5"].value > pair["top1"].value for pair in rows)
    evidence = log(odd / (1 - odd)) + (reversed_rows - straight) * log((1 - exchanged) / exchanged)
    if all(claim.measured_on is None or claim.measured_on.name == VAL for pair in rows for claim in pair.values()):
        low = rates()["below_half"].estimate
        high = statistics.median(max(claim.value for claim in pair.values()) for pair in rows) > 50
        evidence += log(low / (1 - low)) * (1 if high else -1)
    return 1 / (1 + exp(-max(min(evidence, 500), -500)))


def as_errors(claims: Iterable[Claim]) -> list[Claim]:
    """The claims with the percentages that no heading calls accuracies taken for errors."""
    return [_flipped(claim) if _is_silent(claim) else claim for claim in claims]


def with_shares(claims: Sequence[Claim]) -> list[Claim]:
    """The claims with accuracies that are printed as shares of one, in a column of percents, turned into percents.

    Only of ImageNet val: on harder images an accuracy may be below 1 %.
    """
    mixed = {claim.metric for claim in claims if _can_be_a_share(claim)}
    mixed &= {claim.metric for claim in claims if claim.unit == "%" and claim.value > 50}
    return [_in_percent(claim) if claim.metric in mixed and _can_be_a_share(claim) else claim for claim in claims]


def printed(claim: Claim) -> str:
    """A percentage as the page has it: of errors, what is wrong."""
    return str(100 - Decimal(claim.text)) if claim.is_error else claim.text


def _is_silent(claim: Claim) -> bool:
    return claim.unit == "%" and not claim.is_error and not headings.says_right(claim.header)


def _flipped(claim: Claim) -> Claim:
    rest = 100 - Decimal(claim.text)
    return replace(claim, text=str(rest), value=float(rest), is_error=True)


def _can_be_a_share(claim: Claim) -> bool:
    on_val = claim.measured_on is None or claim.measured_on.name == VAL
    return claim.unit == "%" and not claim.is_error and on_val and 0 < claim.value <= _ONE and claim.decimals > 1


def _in_percent(claim: Claim) -> Claim:
    text = f"{Decimal(claim.text).scaleb(2):.{claim.decimals - 2}f}"
    return replace(claim, text=text, value=float(text), step=claim.step * 100)


def _pairs(claims: Iterable[Claim]) -> list[Mapping[Metric, Claim]]:
    """The rows that have both accuracies."""
    rows: dict[Row, dict[Metric, Claim]] = {}
    for claim in claims:
        rows.setdefault(claim.row, {})[claim.metric] = claim
    return [pair for pair in rows.values() if "top1" in pair and "top5" in pair]
