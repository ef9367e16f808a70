"""Raw tables -> claims.

A cell that cannot be read is never dropped: it becomes a Problem with its file and line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.errors import InputError
from harness.core.records import Claim, Row
from harness.tables import files, numbers, readers, values
from harness.tables.cells import Cell, Problem, RawTable
from harness.tables.layout import Layout, is_section, layout_of, model_name
from harness.tables.percentages.settle import settled
from harness.tables.reshape import with_decimal_points
from harness.tables.sources import sources_in

__all__ = ["Problem", "Table", "claims_of", "read_table", "read_tables"]

#: links of a row that are kept
_LINKS = 8
_TRAINED_AND_TESTED = re.compile(r"train.*\d.*(?:test|val|eval).*\d", re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """All claims of some files."""

    files: tuple[str, ...]
    rows: tuple[Row, ...]  #: numbered throughout
    claims: tuple[Claim, ...]
    problems: tuple[Problem, ...]
    passed_over: tuple[Problem, ...] = ()  #: tables that are not about models, by their headings
    assumed: tuple[Problem, ...] = ()  #: columns without a unit, and the unit in which they are read
    unread: tuple[Problem, ...] = ()  #: columns and parts of cells that seem to hold figures and are not read
    #: figures beside those that are checked: the error beside an accuracy, another form of the network
    asides: tuple[Claim, ...] = ()
    links: tuple[tuple[str, str], ...] = ()  #: file and address that its page links to


def read_table(path: Path) -> Table:
    """Every claim in a file; see read_tables."""
    return read_tables([path])


def read_tables(asked: Sequence[Path], but: Path | None = None) -> Table:
    """Every claim in these files, in the documents of these folders, and in the files that these patterns match.

    Files in the folder `but` and in hidden folders are left out of folders and patterns. Raises InputError where a file
    cannot be read, where a folder or a pattern has no file, and where no file has a table with a model and a metric in
    its heading.
    """
    paths = list(dict.fromkeys(file for path in asked for file in files.documents(path, but)))
    read = [readers.read(path) for path in paths]
    table = claims_of([raw for tables, _ in read for raw in tables])
    names = {str(path): place for place, path in enumerate(paths)}
    unread = [problem for _, problems in read for problem in problems]
    problems = sorted([*unread, *table.problems], key=lambda problem: (names[problem.file], problem.line))
    if not table.rows and not problems:
        passed_over = "; ".join(f"line {one.line}: {one.text}" for one in table.passed_over[:3]) or "no table at all"
        where = str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
        raise InputError(
            f"{where}: no model table found ({passed_over}). Expected a table whose heading names a model "
            "column (model, name, 模型) and at least one of top1, top5, flops, params"
        )
    return replace(table, files=tuple(names), problems=tuple(problems))


def claims_of(tables: Sequence[RawTable]) -> Table:
    """Every claim in these raw tables. Rows are numbered throughout, rows that cannot be read included."""
    read: list[Table] = []
    before = 0  # rows of the model tables above
    for raw in map(with_decimal_points, tables):
        layout, doubled = layout_of(raw)
        if layout is None:
            what = " | ".join(cell.text for cell in raw.heading if cell.text)
            read.append(Table((), (), (), (), passed_over=(Problem(raw.file, raw.line, what),)))
        else:
            read.append(_settled(_understood(raw, layout, doubled, before)))
            before += len(raw.rows)
    links = dict.fromkeys((raw.file, link) for raw in tables for link in raw.links)
    return Table(
        tuple(dict.fromkeys(raw.file for raw in tables)),
        tuple(row for table in read for row in table.rows),
        tuple(claim for table in read for claim in table.claims),
        tuple(problem for table in read for problem in table.problems),
        tuple(other for table in read for other in table.passed_over),
        tuple(column for table in read for column in table.assumed),
        tuple(column for table in read for column in table.unread),
        tuple(claim for table in read for claim in table.asides),
        tuple(links),
    )


def _settled(table: Table) -> Table:
    """The same table with its percentages, and those beside them, as what they are of."""
    every = settled([*table.claims, *table.asides])
    count = len(table.claims)
    return replace(table, claims=tuple(every[:count]), asides=tuple(every[count:]))


def _understood(raw: RawTable, layout: Layout, doubled: Sequence[Problem], before: int) -> Table:
    """What one raw table says, with `before` rows above it; `doubled` are columns that say the same as another."""
    rows: list[Row] = []
    claims: list[Claim] = []
    asides: list[Claim] = []
    problems = list(doubled)
    unread = [_not_read(raw, position) for position in layout.unread]
    for number, (line, cells) in enumerate(raw.rows, before + 1):
        if is_section(layout, cells) or all(numbers.is_blank(cell.text) for cell in cells):
            continue
        sizes = values.sizes_of(layout, cells)
        of_row, wrong, notes = _rows(raw, layout, number, line, cells, sizes)
        for row in of_row:
            read = values.read_row(row, layout, cells, sizes)
            claims += read.claims
            asides += read.asides
            wrong += read.wrong
            notes += read.notes
        rows += of_row
        # a row of several sources reports each unreadable cell once
        problems += [Problem(raw.file, line, what) for what in dict.fromkeys(wrong)]
        unread += [Problem(raw.file, line, what) for what in dict.fromkeys(notes)]
    return Table(
        (raw.file,),
        tuple(rows),
        tuple(claims),
        tuple(problems),
        assumed=tuple(_assumptions(raw, layout)),
        unread=tuple(unread),
        asides=tuple(asides),
    )


def _assumptions(raw: RawTable, layout: Layout) -> list[Problem]:
    units = [
        f"Column {layout.columns[metric][1].text!r} says no unit; it is read in {unit}"
        for metric, unit in layout.units.items()
    ]
    return [Problem(raw.file, raw.line, text) for text in (*units, *layout.notes)]


def _not_read(raw: RawTable, position: int) -> Problem:
    cell = raw.heading[position]
    line = cell.place[0] if cell.place else raw.line
    return Problem(raw.file, line, f"Column {cell.text!r} is not read, so that nothing in it is checked")


def _rows(
    raw: RawTable, layout: Layout, number: int, line: int, cells: Sequence[Cell], sizes: Sequence[int]
) -> tuple[list[Row], list[str], list[str]]:
    """The row of each source, and of each of several sizes, that a line of a raw table is about; what in it cannot be
    read, and what is not read."""
    model = model_name(layout.cell("model", cells))
    if not model:
        return [], ["row without a model name"], []
    named = layout.cell("source", cells)
    sources = list(sources_in(named)) if "source" in layout.columns else [_source_of(raw)]
    if not sources:
        return [], [f"{model}: source {named.text!r}; expected the framework's name, e.g. a link [timm](…)"], []
    wrong, notes = [], []
    if beyond := [cell.text for cell in cells[len(raw.heading) :] if cell.text]:
        wrong.append(
            f"{model}: {' | '.join(beyond)!r} is not read: the row has {len(cells)} cells, its heading has "
            f"{len(raw.heading)}"
        )
    size = layout.cell("input_size", cells).text
    pixels = numbers.read_pixels(size)
    if sizes:
        pixels = None
    elif pixels is None and _TRAINED_AND_TESTED.search(size):
        notes.append(f"{model}: input size {size!r} names two sizes and is not read")
    elif pixels is None and not numbers.is_blank(size):
        wrong.append(f"{model}: input size {size!r} is not a number of pixels, such as 224 or 224x224")
    links = tuple(dict.fromkeys(address for cell in cells for _, address in cell.links))[:_LINKS]
    variant = layout.cell("pretraining", cells).text
    rows = [
        Row(
            raw.file,
            line,
            number,
            *source,
            model,
            side,
            raw.line,
            section=raw.section,
            links=links,
            variant="" if numbers.is_blank(variant) else variant,
        )
        for source in sources
        for side in (*sizes,) or (pixels,)
    ]
    return rows, wrong, notes


def _source_of(raw: RawTable) -> tuple[str, str | None, str | None]:
    """Name, version and link of a table without a column of sources."""
    return (raw.source or "").lower(), raw.version, None
