"""Accuracies that two models of a table share, where the table's own figures are too far apart for a coincidence.

Pure functions on claims. Top-1 and top-5 are looked at together and each alone, any two rows and those that stand next
to each other; a table is accused of nothing more often than CHANCE says, in all looks together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.checks.counts.matching import ONE_IMAGE
from harness.checks.documents import coincidence
from harness.core.findings import Finding
from harness.core.model_names import folded
from harness.core.records import Claim, Metric, Row
from harness.tables.percentages import kinds

#: Probability that a table in which every figure is right is accused of any copy.
CHANCE = 0.01

_Group = Mapping[Row, Mapping[Metric, Claim]]
_LOOKS: tuple[tuple[Metric, ...], ...] = (("top1", "top5"), ("top1",), ("top5",))
#: A row that has all of these from another: none of 912 rows of published tables does, of which 49 stand below one with
#: the same counts, so that no chance has to be reckoned (pages of imgclsmob, mmpretrain, PaddleClas, the CSPNet zoo).
_WHOLE: tuple[Metric, ...] = ("top1", "top5", "params", "flops")


@dataclass(frozen=True)
class _Pair:
    """Two rows with the same figures."""

    a: Row
    b: Row
    metrics: tuple[Metric, ...]
    expected: float | None  #: such pairs that chance would bring about in the table; None for whole rows

    @property
    def rows(self) -> tuple[Row, Row]:
        return self.a, self.b


def of_group(group: _Group) -> Iterator[Finding]:
    """The pairs of rows of one source in one table, of one set of images, that chance would hardly bring about."""
    found = {pair.rows: pair for pair in _whole_rows(group)}
    for metrics in _LOOKS:
        rows = [row for row, cells in group.items() if all(metric in cells for metric in metrics)]
        for pair in _pairs(rows, metrics, group):
            if pair.expected is not None and pair.expected <= CHANCE / len(_LOOKS):
                found.setdefault(pair.rows, pair)
    for pair in found.values():
        yield _finding(pair, group)


def _whole_rows(group: _Group) -> Iterator[_Pair]:
    """Every row that has all figures of a row above it which has another name."""
    first: dict[tuple[object, ...], Row] = {}
    for row, cells in group.items():
        if not all(metric in cells for metric in _WHOLE):
            continue
        above = first.setdefault(tuple((cells[metric].text, cells[metric].unit) for metric in _WHOLE), row)
        if folded(above.model) != folded(row.model):
            yield _Pair(above, row, _WHOLE, None)


def _pairs(rows: Sequence[Row], metrics: tuple[Metric, ...], group: _Group) -> Iterator[_Pair]:
    """Every row whose figures a row above it has, with that row."""
    figures = [tuple(group[row][metric].value for metric in metrics) for row in rows]
    first: dict[tuple[float, ...], int] = {}
    equal = [(first[one], i) for i, one in enumerate(figures) if first.setdefault(one, i) != i]
    if not equal:
        return
    cells = [max(_cell(group[row][metric]) for row in rows) for metric in metrics]
    expected, nearest = coincidence.expected_pairs(figures, cells)
    # of the rows that are nearly alike so many stand next to each other: all in a table that is sorted by accuracy
    beside = (sum(abs(i - j) == 1 for i, j in enumerate(nearest)) + 1) / (len(nearest) + 2)
    for i, j in equal:
        a, b = rows[i], rows[j]
        if folded(a.model) != folded(b.model):
            # either look at half of the chance
            chance = min(2 * expected[j], 2 * expected[j] * beside if j == i + 1 else 1.0, 1.0)
            yield _Pair(a, b, metrics, chance)


def _cell(claim: Claim) -> float:
    """Percent by which two figures differ at least."""
    images = claim.measured_on.images if claim.measured_on else None
    return max(claim.step, 100 / images if images else ONE_IMAGE)


def _finding(pair: _Pair, group: _Group) -> Finding:
    a, b = pair.rows
    cells = group[b]
    figures = " and ".join(f"{metric} of {kinds.printed(cells[metric])}" for metric in pair.metrics)
    text = f"{a.model} (line {a.line}) and {b.model} (line {b.line}) have the same {figures}"
    if pair.expected is None:
        text += ", so all four figures: one row is a copy of the other, or they are one network under two names."
        return Finding.about_row("repeated_figure", b, text, {"metrics": list(_WHOLE), "lines": [a.line, b.line]})
    text += (
        f". Such a pair of rows occurs by chance with probability {pair.expected:.0e}; one may be a copy of the other."
    )
    counts: list[Metric] = [metric for metric in ("params", "flops") if metric in cells and metric in group[a]]
    if counts and all(group[a][metric].text == cells[metric].text for metric in counts):
        text += f" Their {' and '.join(counts)} are the same, too: they may be one network under two names."
    return Finding.about_row("repeated_figure", b, text, {"metrics": list(pair.metrics), "lines": [a.line, b.line]})
