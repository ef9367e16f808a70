"""One finding for each cause that has several wrong cells: a column in another unit, rows or columns exchanged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.core.causes import CountedAs, Exchanged, Misprint, SlippedUnit, last, row_in_words
from harness.core.findings import Finding, Suspect
from harness.core.paths import line_entry
from harness.core.records import Claim, Outcome, Row, Source, Verdict

#: verdicts on one metric of one source in one table
_Column = Sequence[Verdict]


def findings(verdicts: Sequence[Verdict]) -> list[Finding]:
    """Such findings, column by column."""
    columns: dict[tuple[Source, str, int, str], list[Verdict]] = {}
    for verdict in verdicts:
        row = verdict.claim.row
        columns.setdefault((verdict.source, row.file, row.table, verdict.claim.metric), []).append(verdict)
    found = [
        finding for column in columns.values() for look in (_unit, _quantity, _rows, _size) for finding in look(column)
    ]
    return [*found, *_exchanged_columns(verdicts)]


def _of_column(kind: str, column: _Column, text: str) -> Finding:
    models = ", ".join(dict.fromkeys(verdict.claim.row.model for verdict in column))
    first = column[0]
    evidence = {**line_entry(first.claim.row.file, first.claim.row.line), "metric": first.claim.metric}
    return Finding(kind, str(first.source), models, text, evidence, tuple(Suspect(v.claim) for v in column))


def _where(column: _Column) -> str:
    first = column[0].claim
    return f"under the heading “{first.header}” of {column[0].source}" if first.header else f"of {column[0].source}"


def _unit(column: _Column) -> Iterator[Finding]:
    slipped = [(v, slip) for v in column if (slip := last(v.causes, SlippedUnit)) and slip.whole_column]
    if len(slipped) > 1:
        unit = slipped[0][1]
        text = (
            f"The {len(slipped)} {column[0].claim.metric} {_where(column)} are in {unit.right_unit}, not in "
            f"{unit.wrong_unit} ({unit.convention}). Correct the unit in the heading."
        )
        yield _of_column("column_unit", [verdict for verdict, _ in slipped], text)


def _quantity(column: _Column) -> Iterator[Finding]:
    other = [(v, slip.fault) for v in column if (slip := last(v.causes, Misprint)) and slip.fault]
    if len(other) > 1:
        text = f"Of the {len(other)} {column[0].claim.metric} {_where(column)} each is another quantity: {other[0][1]}."
        yield _of_column("column_quantity", [verdict for verdict, _ in other], text)


def _rows(column: _Column) -> Iterator[Finding]:
    exchanged: dict[Row, tuple[Verdict, Row]] = {}
    for verdict in column:
        slip = last(verdict.causes, Misprint)
        if slip and slip.kind == "exchanged_rows" and slip.row is not None:
            exchanged[verdict.claim.row] = (verdict, slip.row)
    for row, (verdict, other) in exchanged.items():
        if other in exchanged and row.number < other.number:
            text = (
                f"The {verdict.claim.metric} of {row_in_words(row)} and {row_in_words(other)} are exchanged: "
                f"{verdict.claim.text} and {exchanged[other][0].claim.text} {verdict.claim.unit}."
            )
            yield _of_column("exchanged_rows", [verdict, exchanged[other][0]], text)


def _size(column: _Column) -> Iterator[Finding]:
    """Figures at another size than their rows say, where no figure that can tell is at its row's own.

    A row of just that size cannot tell. Where some are at their own size, harness.checks.counts.findings compares each
    with the others.
    """
    right = [v for v in column if v.outcome in (Outcome.REPRODUCED, Outcome.EXPLAINED)]
    counted = {v: said for v in right if (said := last(v.causes, CountedAs)) and said.row_size}
    for size in sorted({said.size for said in counted.values() if said.size}):
        other = [v for v, said in counted.items() if said.size == size]
        own = [v for v in right if v not in counted and v.claim.row.input_size != size]
        if not own and len({v.convention for v in other}) == 1:
            yield _of_column("counted_at_other_size", other, _at_other_size(other, counted))


def _at_other_size(cells: _Column, counted: Mapping[Verdict, CountedAs]) -> str:
    pixels = " and ".join(map(str, sorted({counted[v].row_size or 0 for v in cells})))
    claim, convention = cells[0].claim, cells[0].convention
    if len(cells) > 1:
        return f"{len(cells)} FLOPs {_where(cells)} are {convention}, although their rows say {pixels} pixels."
    figure = f"The FLOPs of {claim.row.model}, {claim.text} {claim.unit},"
    return f"{figure} are {convention}, although its row says {pixels} pixels."


def _exchanged_columns(verdicts: Iterable[Verdict]) -> Iterator[Finding]:
    tables: dict[tuple[Source, str, int], list[Verdict]] = {}
    for verdict in verdicts:
        if last(verdict.causes, Exchanged):
            row = verdict.claim.row
            tables.setdefault((verdict.source, row.file, row.table), []).append(verdict)
    for cells in tables.values():
        rows: dict[Row, list[Claim]] = {}
        for verdict in cells:
            rows.setdefault(verdict.claim.row, []).append(verdict.claim)
        figures = "; ".join(f"{row.model} {' and '.join(claim.text for claim in of)}" for row, of in rows.items())
        text = f"FLOPs and parameters of {len(rows)} rows are exchanged ({figures})."
        yield _of_column("exchanged_columns", cells, text.replace("of 1 rows", "of one row"))
