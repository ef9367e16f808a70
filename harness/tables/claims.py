"""Tables as text -> claims. Units and percentages are settled here, once.

What cannot be read is never dropped: it becomes a Problem with its file and line.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from harness.core.errors import InputError
from harness.core.records import METRICS, UNITS, Claim, Metric, Row
from harness.core.text import plain
from harness.tables import headings, numbers, readers
from harness.tables.cells import Cell, Problem, RawTable
from harness.tables.layout import ABOUT_MODELS, Layout, is_section, layout_of, model_name

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
    assumed: tuple[Problem, ...] = ()  #: columns whose unit is not said, and the one that they are read in
    unread: tuple[Problem, ...] = ()  #: columns that seem to be about accuracies or counts and claim nothing


def read_table(path: Path) -> Table:
    """Every claim in a file; see read_tables."""
    return read_tables([path])


def read_tables(asked: Sequence[Path], but: Path | None = None) -> Table:
    """Every claim in these files, in the Markdown files of these folders, and in the files that these patterns match.

    What folders and patterns have in the folder `but` and in hidden ones is left out.
    Raises InputError where a file cannot be read, where a folder or a pattern has none, and where none of them has a
    table with a model and a metric in its heading.
    """
    files = list(dict.fromkeys(file for path in asked for file in _files(path, but)))
    read = [readers.read(path) for path in files]
    table = claims_of([sheet for found, _ in read for sheet in found])
    names = [str(path) for path in files]
    unread = [problem for _, found in read for problem in found]
    problems = sorted([*unread, *table.problems], key=lambda problem: (names.index(problem.file), problem.line))
    if not table.rows and not problems:
        found = "; ".join(f"line {one.line}: {one.text}" for one in table.passed_over[:3]) or "no table at all"
        where = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
        raise InputError(
            f"{where}: no model table found ({found}). Expected a Markdown table whose heading names a model column "
            "(model, name, 模型) and at least one of top1, top5, flops, params"
        )
    return replace(table, files=tuple(names), problems=tuple(problems))


def claims_of(given: Sequence[RawTable]) -> Table:
    """Every claim in these sheets. Rows are numbered throughout, those that cannot be read among them."""
    rows: list[Row] = []
    claims: list[Claim] = []
    problems: list[Problem] = []
    passed_over: list[Problem] = []
    assumed: list[Problem] = []
    unread: list[Problem] = []
    before = 0  # rows of the model tables above
    for sheet in given:
        layout, doubled = layout_of(sheet)
        if layout is None:
            what = " | ".join(cell.text for cell in sheet.heading if cell.text)
            passed_over.append(Problem(sheet.file, sheet.line, what))
            continue
        problems += doubled
        unread += [
            Problem(sheet.file, sheet.line, f"Column {cell.text!r} is not read, so that nothing in it is checked")
            for cell in sheet.heading
            if headings.read(cell.text) is None and ABOUT_MODELS.search(plain(cell.text))
        ]
        assumed += [
            Problem(
                sheet.file, sheet.line, f"Column {layout.columns[metric][1].text!r} says no unit; it is read in {unit}"
            )
            for metric, unit in layout.units.items()
        ]
        for number, (line, cells) in enumerate(sheet.rows, before + 1):
            if is_section(layout, cells):
                continue
            of_row, wrong = _rows(sheet, layout, number, line, cells)
            for row in of_row:
                read = _claims(row, layout, cells)
                claims += [claim for claim in read if isinstance(claim, Claim)]
                wrong += [claim for claim in read if isinstance(claim, str)]
            rows += of_row
            # a cell that cannot be read is the same one for every source of the row
            problems += [Problem(sheet.file, line, what) for what in dict.fromkeys(wrong)]
        before += len(sheet.rows)
    files = dict.fromkeys(sheet.file for sheet in given)
    return Table(
        tuple(files), tuple(rows), tuple(claims), tuple(problems), tuple(passed_over), tuple(assumed), tuple(unread)
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


def _rows(
    sheet: RawTable, layout: Layout, number: int, line: int, cells: Sequence[Cell]
) -> tuple[list[Row], list[str]]:
    """The row of each source that a line of a sheet is about, and what of it cannot be read."""
    model = model_name(layout.cell("model", cells))
    if not model:
        return [], ["row without a model name"]
    named = layout.cell("source", cells)
    sources = list(_sources(named)) if "source" in layout.columns else [_source_of(sheet)]
    if not sources:
        return [], [f"{model}: source {named.text!r}; expected the framework's name, e.g. a link [timm](…)"]
    wrong = []
    if beyond := [cell.text for cell in cells[len(sheet.heading) :] if cell.text]:
        wrong.append(
            f"{model}: {' | '.join(beyond)!r} is not read: the row has {len(cells)} cells, its heading has "
            f"{len(sheet.heading)}"
        )
    size = layout.cell("input_size", cells).text
    pixels = numbers.read_pixels(size)
    if pixels is None and not numbers.is_blank(size):
        wrong.append(f"{model}: input size {size!r} is no number of pixels, such as 224 or 224x224")
    return [Row(sheet.file, line, number, *source, model, pixels, sheet.line) for source in sources], wrong


def _source_of(sheet: RawTable) -> tuple[str, str | None, str | None]:
    """Name, version and link where no column says them."""
    return (sheet.source or "").lower(), sheet.version, None


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


def _claim(row: Row, metric: Metric, text: str, layout: Layout) -> Claim | str:
    position, heading = layout.columns[metric]
    number = numbers.read_number(text)
    if number is None:
        return f"{metric} {text!r} is no number"
    # what stands behind a number is understood as it would be in a heading
    column = headings.read(f"{metric} {number.suffix}")
    says_something = any(char.isalnum() or char == "%" for char in number.suffix)
    if number.suffix and (column is None or not says_something):
        return f"{metric} {text!r} ends in {number.suffix!r}, which is no unit (G, M, B, K, %)"
    unit = (column and column.unit) or (None if number.is_whole else heading.unit or layout.units.get(metric))
    value, exponent = number.value, number.exponent
    scale = Decimal(UNITS[unit or ""])
    if metric in ("top1", "top5"):
        if metric in layout.fractions and not number.suffix:  # percent from here on: the printed digits move two places
            value, exponent = value.scaleb(2), exponent + 2
        if not 0 <= value <= 100 or unit not in (None, "%"):
            return f"{metric} {text!r} is no percentage between 0 and 100"
        unit = "%"
        printed = f"{value:.{max(-exponent, 0)}f}"
    elif unit == "%":
        return f"{metric} {text!r} is a percentage, expected a count"
    elif value <= 0:
        return f"{metric} {text!r} is no count above 0"
    elif unit is None and value < 10**5:
        return f"{metric} {text!r} has no unit, neither in the cell nor in the heading {heading.text!r}, such as (G)"
    elif unit is None:
        exponent = max(exponent, layout.padding.get(metric, 0)) if number.is_plain_integer else exponent
        printed, unit = numbers.in_a_unit(value, exponent)
    else:
        printed = f"{value:.{max(-exponent, 0)}f}"
    return Claim(
        row,
        metric,
        printed,
        unit,
        float(value * scale),
        float(scale.scaleb(exponent)),
        heading.text,
        heading.multiply_adds or bool(column and column.multiply_adds),
        position,
        (column and column.pixels) or heading.pixels,
    )
