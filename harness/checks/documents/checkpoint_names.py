"""Accuracies that are part of a checkpoint's name, held against the cell beside it.

Some sources write an accuracy or an error into the name of the file: `resnet50-0604-a71d1d2a.params`. Which figure it
is, the table itself tells: it is the one that agrees in most rows, and more often than another row's would.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from urllib.parse import urlsplit

from scipy import stats

from harness.checks.documents.copies import CHANCE
from harness.checks.documents.percentages import WORTH_SAYING
from harness.core.findings import Finding, Severity, Suspect
from harness.core.records import Claim, Metric, Row
from harness.tables.percentages import kinds
from harness.tables.percentages.image_sets import slips
from harness.tables.percentages.settle import CERTAIN

#: three to five digits between two signs: 0604 and 7613 are 6.04 and 76.13 %
_DIGITS = re.compile(r"(?<=[-_.])\d{3,5}(?=[-_.])")
_METRICS: tuple[Metric, ...] = ("top1", "top5")
#: rows whose names are compared with the figures of other rows
_COMPARED = 200


@dataclass(frozen=True)
class _Named:
    """A figure that stands in the name of a row's file."""

    claim: Claim
    file: str
    digits: str

    def value(self, as_error: bool) -> float:
        """Percent of right images that the digits stand for."""
        read = float(f"{self.digits[:2]}.{self.digits[2:]}")
        return 100 - read if as_error else read

    def agrees(self, as_error: bool, other: Claim | None = None) -> bool:
        step = max(self.claim.step, 10.0 ** (2 - len(self.digits)))
        return abs(self.value(as_error) - (other or self.claim).value) <= step / 2 * (1 + 1e-6)


def contradicting(claims: Iterable[Claim]) -> list[Finding]:
    """Cells of one or several tables that a checkpoint's name contradicts."""
    tables: dict[tuple[str, int, str], list[Claim]] = {}
    for claim in claims:
        if claim.metric in _METRICS and claim.row.links:
            tables.setdefault((claim.row.file, claim.row.table, claim.row.source), []).append(claim)
    return [finding for table in tables.values() for finding in _of_table(table)]


def _of_table(claims: Sequence[Claim]) -> Iterator[Finding]:
    digits = {row: list(_digits_of(row)) for row in dict.fromkeys(claim.row for claim in claims)}
    best: tuple[float, bool, list[_Named]] | None = None
    looks = [(metric, place, as_error) for metric in _METRICS for place in (0, -1) for as_error in (True, False)]
    for metric, place, as_error in looks:
        named = [
            _Named(claim, *digits[claim.row][place]) for claim in claims if claim.metric == metric and digits[claim.row]
        ]
        chance = _chance(named, as_error) * len(looks)
        if chance <= CHANCE and (best is None or chance < best[0]):
            best = chance, as_error, named
    if best is not None:
        yield from _odd_ones(best[2], best[1])


def _digits_of(row: Row) -> Iterator[tuple[str, str]]:
    for address in row.links:
        file = PurePath(urlsplit(address).path).name
        yield from ((file, digits) for digits in _DIGITS.findall(file))


def _chance(named: Sequence[_Named], as_error: bool) -> float:
    """The probability that so many names agree with their cells by chance; 1 where they are no more than half."""
    agreeing = sum(one.agrees(as_error) for one in named)
    if 2 * agreeing <= len(named):
        return 1.0
    compared = named[:_COMPARED]
    others = [one.agrees(as_error, other.claim) for one in compared for other in compared if other is not one]
    by_chance = (sum(others) + 0.5) / (len(others) + 1)
    return float(stats.binom.sf(agreeing - 1, len(named), by_chance))


def _odd_ones(named: Sequence[_Named], as_error: bool) -> Iterator[Finding]:
    odd = [one for one in named if not one.agrees(as_error)]
    slip = 2 * slips()  # in the cell or in the name
    elsewhere = (len(odd) - 0.5) / len(named)  # weights that were replaced or evaluated again
    probability = slip / (slip + elsewhere)
    for one in odd:
        if probability >= WORTH_SAYING:
            yield _finding(one, as_error, len(named) - len(odd), probability)


def _finding(one: _Named, as_error: bool, agreeing: int, probability: float) -> Finding:
    claim = one.claim
    read = f"{int(one.digits[:2])}.{one.digits[2:]}"
    said = f"{claim.metric} error" if as_error else claim.metric
    text = (
        f"The documented {claim.metric}{' error' if claim.is_error else ''} of {claim.row.model} is "
        f"{kinds.printed(claim)}, but the name of its file {one.file} says a {said} of {read}; in {agreeing} other "
        "rows of the table the two agree. One of them is wrong, or the file was replaced."
    )
    severity: Severity = "error" if probability >= CERTAIN else "warning"
    evidence: Mapping[str, object] = {"file_name": one.file, "named": read, "agreeing": agreeing}
    return Finding.about_row("checkpoint_name", claim.row, text, evidence, (Suspect(claim),), severity)
