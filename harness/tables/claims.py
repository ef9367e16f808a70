"""Raw tables -> claims. Units and percentages are settled here and nowhere else.

A cell that cannot be read is never dropped: it becomes a Problem with its file and line.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from harness.core.errors import InputError
from harness.core.records import METRICS, UNITS, Claim, Metric, Row
from harness.core.text import plain
from harness.tables import headings, numbers, readers
from harness.tables.cells import Cell, Problem, RawTable
from harness.tables.layout import ABOUT_MODELS, Layout, is_section, layout_of, model_name
from harness.tables.numbers import Number

__all__ = ["Problem", "Table", "claims_of", "read_table", "read_tables"]


_VERSION_IN_LINK = re.compile(
    r"/(?:blob|tree|tag|raw|project/[^/]+)/v?(\d+(?:\.\d+)+(?:[-.]?(?:rc|post|dev)\d*)?)(?:/|$|#|\?)"
)
_VERSION_IN_TEXT = re.compile(r"(?:\bv|==\s*|[\s(])v?(\d+(?:\.\d+)+)\b")
_SOURCE_NAME = re.compile(r"[A-Za-z][\w.-]*")
_SEVERAL = re.compile(r"\s*[,;&+、]\s*|\s+(?:/|and)\s+")


@dataclass(frozen=True)
class Table:
    """All claims of some files."""

    files: tuple[str, ...]
    rows: tuple[Row, ...]  #: numbered throughout
    claims: tuple[Claim, ...]
    problems: tuple[Problem, ...]
    passed_over: tuple[Problem, ...] = ()  #: tables that are not about models, by their headings
    assumed: tuple[Problem, ...] = ()  #: columns without a unit, and the unit in which they are read
    unread: tuple[Problem, ...] = ()  #: columns that seem to hold accuracies or counts and are not read


def read_table(path: Path) -> Table:
    """Every claim in a file; see read_tables."""
    return read_tables([path])


def read_tables(asked: Sequence[Path], but: Path | None = None) -> Table:
    """Every claim in these files, in the Markdown files of these folders, and in the files that these patterns match.

    Files in the folder `but` and in hidden folders are left out of folders and patterns. Raises InputError where a file
    cannot be read, where a folder or a pattern has no file, and where no file has a table with a model and a metric in
    its heading.
    """
    files = list(dict.fromkeys(file for path in asked for file in _files(path, but)))
    read = [readers.read(path) for path in files]
    table = claims_of([raw for tables, _ in read for raw in tables])
    names = [str(path) for path in files]
    unread = [problem for _, problems in read for problem in problems]
    problems = sorted([*unread, *table.problems], key=lambda problem: (names.index(problem.file), problem.line))
    if not table.rows and not problems:
        passed_over = "; ".join(f"line {one.line}: {one.text}" for one in table.passed_over[:3]) or "no table at all"
        where = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
        raise InputError(
            f"{where}: no model table found ({passed_over}). Expected a Markdown table whose heading names a model "
            "column (model, name, 模型) and at least one of top1, top5, flops, params"
        )
    return replace(table, files=tuple(names), problems=tuple(problems))


def claims_of(tables: Sequence[RawTable]) -> Table:
    """Every claim in these raw tables. Rows are numbered throughout, rows that cannot be read included."""
    read: list[Table] = []
    before = 0  # rows of the model tables above
    for raw in tables:
        layout, doubled = layout_of(raw)
        if layout is None:
            what = " | ".join(cell.text for cell in raw.heading if cell.text)
            read.append(Table((), (), (), (), passed_over=(Problem(raw.file, raw.line, what),)))
        else:
            read.append(_understood(raw, layout, doubled, before))
            before += len(raw.rows)
    return Table(
        tuple(dict.fromkeys(raw.file for raw in tables)),
        tuple(row for table in read for row in table.rows),
        tuple(claim for table in read for claim in table.claims),
        tuple(problem for table in read for problem in table.problems),
        tuple(other for table in read for other in table.passed_over),
        tuple(column for table in read for column in table.assumed),
        tuple(column for table in read for column in table.unread),
    )


def _understood(raw: RawTable, layout: Layout, doubled: Sequence[Problem], before: int) -> Table:
    """What one raw table says, with `before` rows above it; `doubled` are columns that say the same as another."""
    rows: list[Row] = []
    claims: list[Claim] = []
    problems = list(doubled)
    for number, (line, cells) in enumerate(raw.rows, before + 1):
        if is_section(layout, cells):
            continue
        of_row, wrong = _rows(raw, layout, number, line, cells)
        for row in of_row:
            read = _claims(row, layout, cells)
            claims += [claim for claim in read if isinstance(claim, Claim)]
            wrong += [claim for claim in read if isinstance(claim, str)]
        rows += of_row
        # a row of several sources reports each unreadable cell once
        problems += [Problem(raw.file, line, what) for what in dict.fromkeys(wrong)]
    return Table(
        (raw.file,),
        tuple(rows),
        tuple(claims),
        tuple(problems),
        assumed=tuple(
            Problem(raw.file, raw.line, f"Column {layout.columns[metric][1].text!r} says no unit; it is read in {unit}")
            for metric, unit in layout.units.items()
        ),
        unread=tuple(
            Problem(raw.file, raw.line, f"Column {cell.text!r} is not read, so that nothing in it is checked")
            for cell in raw.heading
            if headings.read(cell.text) is None and ABOUT_MODELS.search(plain(cell.text))
        ),
    )


def _files(asked: Path, but: Path | None) -> list[Path]:
    if asked.is_dir():
        found = sorted(path for path in asked.rglob("*.md") if not _is_hidden(path.relative_to(asked)))
    elif glob.has_magic(str(asked)) and not asked.exists():
        found = [Path(name) for name in sorted(glob.glob(str(asked), recursive=True)) if Path(name).is_file()]  # noqa: PTH207
    else:
        return [asked]
    found = [path for path in found if but is None or but.resolve() not in path.resolve().parents]
    if not found:
        raise InputError(f"{asked}: no Markdown file there; expected a file, a folder of .md files or a pattern")
    return found


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _rows(raw: RawTable, layout: Layout, number: int, line: int, cells: Sequence[Cell]) -> tuple[list[Row], list[str]]:
    """The row of each source that a line of a raw table is about, and what in the line cannot be read."""
    model = model_name(layout.cell("model", cells))
    if not model:
        return [], ["row without a model name"]
    named = layout.cell("source", cells)
    sources = list(_sources(named)) if "source" in layout.columns else [_source_of(raw)]
    if not sources:
        return [], [f"{model}: source {named.text!r}; expected the framework's name, e.g. a link [timm](…)"]
    wrong = []
    if beyond := [cell.text for cell in cells[len(raw.heading) :] if cell.text]:
        wrong.append(
            f"{model}: {' | '.join(beyond)!r} is not read: the row has {len(cells)} cells, its heading has "
            f"{len(raw.heading)}"
        )
    size = layout.cell("input_size", cells).text
    pixels = numbers.read_pixels(size)
    if pixels is None and not numbers.is_blank(size):
        wrong.append(f"{model}: input size {size!r} is not a number of pixels, such as 224 or 224x224")
    return [Row(raw.file, line, number, *source, model, pixels, raw.line) for source in sources], wrong


def _source_of(raw: RawTable) -> tuple[str, str | None, str | None]:
    """Name, version and link of a table without a column of sources."""
    return (raw.source or "").lower(), raw.version, None


def _sources(cell: Cell) -> Iterator[tuple[str, str | None, str | None]]:
    """Name, version and link of every source that a cell names."""
    only = cell.links[0][1] if len(cell.links) == 1 else None
    parts = cell.links if len(cell.links) > 1 else [(text, only) for text in _SEVERAL.split(cell.text)]
    for text, link in parts:
        if name := _SOURCE_NAME.search(text):
            yield name.group(0).lower(), _version(text, link), link


def _version(text: str, link: str | None) -> str | None:
    in_link = _VERSION_IN_LINK.search(link or "")
    in_text = _VERSION_IN_TEXT.search(text)
    version = in_link or in_text
    return version.group(1) if version else None


def _claims(row: Row, layout: Layout, cells: Sequence[Cell]) -> list[Claim | str]:
    """The claim in each cell of a row, or what is wrong with it."""
    return [
        read if isinstance(read, Claim) else f"{row.model}: {read}"
        for metric in METRICS
        if not numbers.is_blank(text := layout.cell(metric, cells).text)
        for read in [_claim(row, metric, text, layout)]
    ]


class _Figure(NamedTuple):
    """A documented figure once its unit is settled."""

    printed: str
    unit: str  #: a key of UNITS
    value: Decimal  #: percent, or plain count
    step: Decimal  #: one unit of the last printed digit, like `value`


def _claim(row: Row, metric: Metric, text: str, layout: Layout) -> Claim | str:
    """The claim that a cell makes, or what is wrong with the cell."""
    position, heading = layout.columns[metric]
    number = numbers.read_number(text)
    if number is None:
        return f"{metric} {text!r} is not a number"
    # the text behind a number is understood like that of a heading
    column = headings.read(f"{metric} {number.suffix}")
    says_something = any(char.isalnum() or char == "%" for char in number.suffix)
    if number.suffix and (column is None or not says_something):
        return f"{metric} {text!r} ends in {number.suffix!r}, which is not a unit (G, M, B, K, %)"
    unit = (column and column.unit) or (None if number.is_whole else heading.unit or layout.units.get(metric))
    if metric in ("top1", "top5"):
        figure = _percentage(number, unit, metric in layout.fractions and not number.suffix)
    else:
        figure = _count(number, unit, layout.padding.get(metric, 0), heading.text)
    if isinstance(figure, str):
        return f"{metric} {text!r} {figure}"
    return Claim(
        row,
        metric,
        figure.printed,
        figure.unit,
        float(figure.value),
        float(figure.step),
        heading.text,
        heading.multiply_adds or bool(column and column.multiply_adds),
        position,
        (column and column.pixels) or heading.pixels,
    )


def _percentage(number: Number, unit: str | None, is_fraction: bool) -> _Figure | str:
    """An accuracy in percent; a fraction of 1 becomes one by moving its digits two places."""
    places = 2 if is_fraction else 0
    value, exponent = number.value.scaleb(places), number.exponent + places
    if not 0 <= value <= 100 or unit not in (None, "%"):
        return "is not a percentage between 0 and 100"
    return _Figure(f"{value:.{max(-exponent, 0)}f}", "%", value, Decimal(1).scaleb(exponent))


def _count(number: Number, unit: str | None, padding: int, heading: str) -> _Figure | str:
    """A count; `padding` are zeros at its end to which the whole column was rounded."""
    value, exponent = number.value, number.exponent
    if unit == "%":
        return "is a percentage, expected a count"
    if value <= 0:
        return "is not a count above 0"
    if unit is not None:
        scale = Decimal(UNITS[unit])
        return _Figure(f"{value:.{max(-exponent, 0)}f}", unit, value * scale, scale.scaleb(exponent))
    if value < 10**5:
        return f"has no unit, neither in the cell nor in the heading {heading!r}, such as (G)"
    exponent = max(exponent, padding) if number.is_plain_integer else exponent
    printed, unit = numbers.in_a_unit(value, exponent)
    return _Figure(printed, unit, value, Decimal(1).scaleb(exponent))
