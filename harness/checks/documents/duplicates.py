"""Duplicated rows and figures, and last digits that are always 0: found in the table alone.

Pure functions on claims. A duplicate shows that something is wrong, not which of the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from scipy import stats

from harness.checks.counts.matching import CHANCE_PADDED, paddings
from harness.checks.documents import copies
from harness.core.findings import Finding
from harness.core.model_names import folded
from harness.core.records import Claim, Metric, Row
from harness.tables.percentages import grid
from harness.tables.percentages.image_sets import VAL_IMAGES

_Group = Mapping[Row, Mapping[Metric, Claim]]


def repeated(claims: Iterable[Claim]) -> list[Finding]:
    """Repetitions within the rows of one source in one table."""
    groups: dict[tuple[str, int, str], dict[Row, dict[Metric, Claim]]] = {}
    for claim in claims:
        row = claim.row
        groups.setdefault((row.file, row.table, row.source), {}).setdefault(row, {})[claim.metric] = claim
    looks = (_rows, copies.of_group, _padded)
    return [finding for group in groups.values() for look in looks for finding in look(group)]


def _rows(group: _Group) -> Iterator[Finding]:
    """A model that has two rows at one input size, of one release, with weights trained on the same data."""
    seen: dict[tuple[str, int | None, str | None, str], Row] = {}
    for row, cells in group.items():
        first = seen.setdefault((folded(row.model), row.input_size, row.version, folded(row.variant)), row)
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


def _padded(group: _Group) -> Iterator[Finding]:
    """Last digits that are 0 in more rows than expected by chance."""
    for metric in dict.fromkeys(metric for cells in group.values() for metric in cells):
        column = [cells[metric] for cells in group.values() if metric in cells]
        if digits := _padding(column):
            row = column[0].row
            zeros = "digit is 0" if digits == 1 else f"{digits} digits are 0"
            such = [claim.text for claim in column if claim.text.endswith("0" * digits)]
            whose = f" from {row.source}" if row.source else ""
            text = (
                f"The last {zeros} in {len(such)} of the {len(column)} figures of {metric}{whose} "
                f"({', '.join(such[:3])}, …): they were rounded before and are less precise than they are printed."
            )
            yield Finding.about_row("padded_digits", row, text, {"metric": metric, "digits": digits})


def _padding(column: Sequence[Claim]) -> int:
    """Last digits that are 0 throughout; of percentages more often than their number of images makes them 0."""
    if column[0].unit != "%":
        several = paddings(column)
        return 1 if 1 in several and not _two(column) else max(several, default=0)
    images = next((claim.measured_on.images for claim in column if claim.measured_on), None) or VAL_IMAGES
    found = 0
    for digits in (1, 2):
        printed = [claim for claim in column if claim.decimals >= digits]
        padded = sum(claim.text.endswith("0" * digits) for claim in printed)
        if printed and stats.binom.sf(padded - 1, len(printed), _by_chance(printed, images, digits)) <= CHANCE_PADDED:
            found = digits
    return found


def _two(column: Sequence[Claim]) -> bool:
    """Whether of the counts that end in 0 more end in two of them than one in ten, as chance has it."""
    ending = [claim for claim in column if claim.decimals >= 1 and claim.text.endswith("0")]
    twice = sum(claim.decimals >= len("00") and claim.text.endswith("00") for claim in ending)
    return bool(stats.binom.sf(twice - 1, len(ending), 0.1) <= CHANCE_PADDED)


def _by_chance(printed: Sequence[Claim], images: int, digits: int) -> float:
    """The largest probability that one of these figures ends in so many zeros."""
    return max(grid.ending_in_zeros(images, decimals, digits) for decimals in {claim.decimals for claim in printed})
