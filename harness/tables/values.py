"""Cells -> claims: units, fractions and errors are settled here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple, cast

from harness.core.records import METRICS, UNITS, Claim, Metric, Row
from harness.tables import figures, headings, numbers
from harness.tables.cells import Cell
from harness.tables.figures import Part
from harness.tables.headings import Column
from harness.tables.layout import Layout
from harness.tables.numbers import Number


@dataclass
class Read:
    """What the cells of a row say."""

    claims: list[Claim] = field(default_factory=list)
    asides: list[Claim] = field(default_factory=list)  #: figures beside those that are checked
    wrong: list[str] = field(default_factory=list)  #: cells that cannot be read
    notes: list[str] = field(default_factory=list)  #: parts of cells that are not read


def read_row(row: Row, layout: Layout, cells: Sequence[Cell], sizes: Sequence[int] = ()) -> Read:
    """The claims in the cells of a row, in the order of the metrics; of a line with several sizes, those of the row's.

    A figure that does not say at which of the sizes it is counted is not read.
    """
    read = Read()
    for position, columns in layout.claimed.items():
        cell = cells[position] if position < len(cells) else Cell("")
        if numbers.is_blank(cell.text):
            continue
        if sizes:
            cell = _at_one_size(row, columns, cell, sizes, read)
        if cell.text:
            _read_cell(row, layout, position, columns, cell, read)
    read.claims.sort(key=lambda claim: METRICS.index(claim.metric))
    return read


def sizes_of(layout: Layout, cells: Sequence[Cell]) -> list[int]:
    """The sizes that a line names, where it names several and has a cell with a figure for each of them."""
    sizes = figures.sizes(layout.cell("input_size", cells).text)
    if not sizes:
        return []
    single = [position for position, columns in layout.claimed.items() if len(columns) == 1]
    counts = [len(figures.split(cells[position].text)[0]) for position in single if position < len(cells)]
    return sizes if len(sizes) in counts else []


def _at_one_size(row: Row, columns: Sequence[Column], cell: Cell, sizes: Sequence[int], read: Read) -> Cell:
    """A cell with the figure of the row's size alone; empty where it has none, or does not say which it is."""
    index = sizes.index(row.input_size) if row.input_size in sizes else 0
    parts, _ = figures.split(cell.text)
    if len(columns) == 1 and len(parts) == len(sizes) and not any(part.said for part in parts):
        return replace(cell, text=parts[index].text)
    if columns[0].kind == "params" and len(parts) == 1:
        return cell if index == 0 else Cell("")
    named = "/".join(map(str, sizes))
    read.notes.append(
        f"{row.model}: {columns[0].kind} {cell.text!r} does not say which of the sizes {named} it is of; it is not read"
    )
    return Cell("")


def _read_cell(row: Row, layout: Layout, position: int, columns: Sequence[Column], cell: Cell, read: Read) -> None:
    parts, note = figures.split(cell.text)
    if note:
        read.notes.append(f"{row.model}: {note!r} of {columns[0].kind} {cell.text!r} is not read")
    if len(columns) > 1 and all(column.kind in ("top1", "top5") for column in columns):
        parts = figures.in_lines(cell.text, len(columns)) or parts
    assigned = list(_assigned(columns, parts))
    if not assigned and len(columns) > 1:
        read.wrong.append(
            f"{row.model}: {cell.text!r} is not the {len(columns)} figures that the heading {columns[0].text!r} names"
        )
        return
    for column, part in assigned or [(columns[0], Part(cell.text))]:
        error = position in layout.errors if len(parts) == 1 or len(columns) > 1 else column.error
        made = _claim(row, replace(column, error=error), part, layout, cell, position)
        if isinstance(made, str):
            read.wrong.append(f"{row.model}: {made}")
        elif layout.columns[column.kind][0] == position and not part.in_brackets and not _is_aside(part, parts):
            read.claims.append(made)
        else:
            read.asides.append(made)
    if len(parts) == 1 and parts[0].said:
        read.notes.append(f"{row.model}: {columns[0].kind} {cell.text!r} says {parts[0].said!r} and is not checked")


def _is_aside(part: Part, parts: Sequence[Part]) -> bool:
    """Whether a figure is one form of several and not the first, or is said to be of something that is not known."""
    return bool(part.said) and (len(parts) == 1 or part != parts[0])


def _assigned(columns: Sequence[Column], parts: Sequence[Part]) -> Iterator[tuple[Column, Part]]:
    """Each figure of a cell with what it is; none where that is not clear."""
    if len(columns) == len(parts):
        yield from zip(columns, parts, strict=True)
    elif len(columns) == 1:
        first, *others = parts
        column = columns[0]
        of_percent = column.kind in ("top1", "top5") and (column.beside or not column.error)
        if (
            of_percent
            and len(others) == 1
            and others[0].in_brackets
            and (column.beside or _sum_to_100(first, others[0]))
        ):
            yield replace(column, error=False), first
            yield replace(column, error=True), replace(others[0], said="error")
        elif all(part.said for part in others):
            yield column, first
            yield from ((column, part) for part in others)


def _sum_to_100(first: Part, second: Part) -> bool:
    """Whether two percentages are an accuracy and its error, as far as both are printed."""
    a, b = numbers.read_number(first.text, percent=True), numbers.read_number(second.text, percent=True)
    if a is None or b is None:
        return False
    step = Decimal(1).scaleb(max(a.exponent, b.exponent))
    return abs(a.value + b.value - 100) <= step


class _Figure(NamedTuple):
    """A documented figure once its unit is settled."""

    printed: str
    unit: str  #: a key of UNITS
    value: Decimal  #: percent, or plain count
    step: Decimal  #: one unit of the last printed digit, like `value`


def _claim(row: Row, heading: Column, part: Part, layout: Layout, cell: Cell, position: int) -> Claim | str:
    """The claim that a figure makes, or what is wrong with it."""
    metric = cast(Metric, heading.kind)
    percent = metric in ("top1", "top5")
    number = numbers.read_number(part.text, percent)
    if number is None:
        return f"{metric} {part.text!r} is not a number"
    # the text behind a number is understood like that of a heading
    column = headings.read(f"{metric} {number.suffix}")
    says_something = any(char.isalnum() or char == "%" for char in number.suffix)
    if number.suffix and (column is None or not says_something):
        return f"{metric} {part.text!r} ends in {number.suffix!r}, which is not a unit (G, M, B, K, %)"
    unit = (column and column.unit) or (None if number.is_whole else heading.unit or layout.units.get(metric))
    if percent:
        figure = _percentage(number, unit, metric in layout.fractions and not number.suffix, heading.error)
    else:
        figure = _count(number, unit, layout.padding.get(metric, 0), heading.text)
    if isinstance(figure, str):
        return f"{metric} {part.text!r} {figure}"
    line, place = cell.place or (row.line, position)
    return Claim(
        row,
        metric,
        figure.printed,
        figure.unit,
        float(figure.value),
        float(figure.step),
        heading.text,
        heading.multiply_adds or bool(column and column.multiply_adds),
        place,
        part.pixels or (column and column.pixels) or heading.pixels,
        is_error=heading.error,
        line=line,
        part=part.said,
    )


def _percentage(number: Number, unit: str | None, is_fraction: bool, is_error: bool) -> _Figure | str:
    """An accuracy in percent; a fraction of 1 becomes one by moving its digits two places, an error as what is left."""
    places = 2 if is_fraction else 0
    value, exponent = number.value.scaleb(places), number.exponent + places
    if not 0 <= value <= 100 or unit not in (None, "%"):
        return "is not a percentage between 0 and 100"
    value = 100 - value if is_error else value
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
