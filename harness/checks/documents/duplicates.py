"""Duplicated rows and figures, and last digits that are always 0: found in the table alone.

Pure functions on claims. A duplicate shows that something is wrong, not which of the two.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.checks.counts.matching import ONE_IMAGE, paddings
from harness.core.findings import Finding
from harness.core.model_names import folded
from harness.core.records import Claim, Metric, Row

#: Equal figures of two models are reported if any such pair occurs in the column by chance at most this often.
CHANCE_OF_A_PAIR = 0.05

_SHARED: tuple[Metric, ...] = ("top1", "top5")  # counts are measured, and many networks have the same ones
_Group = Mapping[Row, Mapping[Metric, Claim]]


def repeated(claims: Iterable[Claim]) -> list[Finding]:
    """Repetitions within the rows of one source in one table."""
    groups: dict[tuple[str, int, str], dict[Row, dict[Metric, Claim]]] = {}
    for claim in claims:
        row = claim.row
        groups.setdefault((row.file, row.table, row.source), {}).setdefault(row, {})[claim.metric] = claim
    return [finding for group in groups.values() for look in (_rows, _accuracies, _padded) for finding in look(group)]


def _rows(group: _Group) -> Iterator[Finding]:
    """A model that has two rows at one input size, of one release."""
    seen: dict[tuple[str, int | None, str | None], Row] = {}
    for row, cells in group.items():
        first = seen.setdefault((folded(row.model), row.input_size, row.version), row)
        if first is row:
            continue
        lines = {"lines": [first.line, row.line]}
        apart = [m for m, claim in cells.items() if m in group[first] and group[first][m].value != claim.value]
        if apart:
            figures = ", ".join(f"{m} {group[first][m].text} and {cells[m].text}" for m in apart)
            text = f"{row.model} has rows in lines {first.line} and {row.line} with different figures ({figures})."
            yield Finding.about_row("duplicated_row", row, text, {**lines, "metrics": apart})
        else:
            text = f"{row.model} has rows in lines {first.line} and {row.line} with the same figures."
            yield Finding.about_row("duplicated_row", row, text, lines, severity="note")


def _accuracies(group: _Group) -> Iterator[Finding]:
    """Accuracies that two models share, where such a pair is unlikely to be a coincidence."""
    columns = {metric: {row: cells[metric] for row, cells in group.items() if metric in cells} for metric in _SHARED}
    chances = {metric: _chance(list(column.values())) for metric, column in columns.items()}
    for a, b in itertools.combinations(group, 2):
        if folded(a.model) == folded(b.model):
            continue
        same = [m for m, column in columns.items() if a in column and b in column and column[a].text == column[b].text]
        chance = math.comb(len(group), 2) * math.prod(chances[metric] for metric in same)
        if same and chance <= CHANCE_OF_A_PAIR:
            figures = " and ".join(f"{metric} of {columns[metric][a].text}" for metric in same)
            text = (
                f"{a.model} (line {a.line}) and {b.model} (line {b.line}) have the same {figures}. Such a pair "
                f"of rows occurs by chance with probability {chance:.0e}; one may be a copy of the other."
            )
            yield Finding.about_row("repeated_figure", b, text, {"metrics": same, "lines": [a.line, b.line]})


def _chance(column: Sequence[Claim]) -> float:
    """Probability that two accuracies of a column are equal, if they are spread evenly over the column's range."""
    values = [claim.value for claim in column]
    if len(values) < 3:
        return 1.0
    step = max(ONE_IMAGE, *(claim.step for claim in column))
    return step / max(max(values) - min(values), step)


def _padded(group: _Group) -> Iterator[Finding]:
    """Last digits that are 0 in more rows than expected by chance."""
    for metric in dict.fromkeys(metric for cells in group.values() for metric in cells):
        column = [cells[metric] for cells in group.values() if metric in cells]
        if digits := max(paddings(column), default=0):
            row = column[0].row
            zeros = "digit is 0" if digits == 1 else f"{digits} digits are 0"
            such = [claim.text for claim in column if claim.text.endswith("0" * digits)]
            text = (
                f"The last {zeros} in {len(such)} of the {len(column)} figures of {metric} from {row.source} "
                f"({', '.join(such[:3])}, …): they were rounded before and are less precise than they are printed."
            )
            yield Finding.about_row("padded_digits", row, text, {"metric": metric, "digits": digits})
