"""Which column of a table says what."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.core.records import METRICS, Metric
from harness.core.text import plain, without_notes
from harness.tables import headings, numbers
from harness.tables.cells import Cell, Problem, RawTable
from harness.tables.headings import Column
from harness.tables.numbers import Number

#: Between these lies the median of a column about ImageNet networks; a factor of 1,000, so that one unit alone fits.
USUAL_COUNTS: Mapping[Metric, tuple[float, float]] = {"flops": (5e7, 5e10), "params": (1e6, 1e9)}


#: words of columns that would be checked, were their headings understood
ABOUT_MODELS = re.compile(r"top-?\s?[15]\b|\bacc|\berr|flops|\bmacs|gmac|m-?adds|param", re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """Where a sheet says what, and what its columns of figures have in common."""

    columns: Mapping[str, tuple[int, Column]]  #: kind -> position and what its heading says
    fractions: frozenset[str]  #: accuracies printed as shares of 1
    padding: Mapping[Metric, int]  #: counts -> zeros at the end that all of them share
    units: Mapping[Metric, str]  #: counts -> unit where the heading and most cells say none

    def cell(self, kind: str, cells: Sequence[Cell]) -> Cell:
        position = self.columns[kind][0] if kind in self.columns else len(cells)
        return cells[position] if position < len(cells) else Cell("")


def layout_of(sheet: RawTable) -> tuple[Layout | None, list[Problem]]:
    """What the columns of a sheet are, None where it is not about classifiers; and columns that are not read."""
    columns: dict[str, tuple[int, Column]] = {}
    unread = []
    for position, cell in enumerate(sheet.heading):
        column = headings.read(cell.text)
        if column is None:
            continue
        if column.kind not in columns:
            columns[column.kind] = (position, column)
        elif column.kind != "model" or _names_others(sheet, columns["model"][0], position):
            first = columns[column.kind][1].text
            what = f"column {cell.text!r} is not read: {first!r} says {column.kind} already; keep one"
            unread.append(Problem(sheet.file, sheet.line, what))
    of_another_task = any(headings.of_another_task(cell.text) for cell in sheet.heading)
    if of_another_task or "model" not in columns or not any(metric in columns for metric in METRICS):
        return None, []
    printed = {metric: _numbers(sheet, columns[metric][0]) for metric in METRICS if metric in columns}
    fractions = frozenset(
        metric for metric in printed if metric in ("top1", "top5") and _are_fractions(printed[metric])
    )
    padding: dict[Metric, int] = {
        metric: numbers.padding(printed[metric])
        for metric in printed
        if metric in ("flops", "params") and columns[metric][1].unit is None
    }
    units = {
        metric: unit
        for metric in padding
        if (unit := numbers.likely_unit([n for n in printed[metric] if not n.suffix], USUAL_COUNTS[metric]))
    }
    return Layout(columns, fractions, padding, units), unread


def _names_others(sheet: RawTable, first: int, second: int) -> bool:
    """Whether a second column of models names any, rather than linking to where those of the first are."""

    def differs(cells: Sequence[Cell]) -> bool:
        other = cells[second]
        return not (other.links or numbers.is_blank(other.text) or model_name(other) == model_name(cells[first]))

    return any(differs(cells) for _, cells in sheet.rows if second < len(cells))


def _numbers(sheet: RawTable, position: int) -> list[Number]:
    read = (numbers.read_number(cells[position].text) for _, cells in sheet.rows if position < len(cells))
    return [number for number in read if number is not None]


def _are_fractions(printed: Sequence[Number]) -> bool:
    """Whether a column of accuracies is printed as fractions: no number in it exceeds 1."""
    bare = [number.value for number in printed if not number.suffix]
    return bool(bare) and max(bare) <= 1


def is_section(layout: Layout, cells: Sequence[Cell]) -> bool:
    """Whether a line of a sheet is a heading between rows: one text and nothing else, in one cell or over all."""
    return (
        len(layout.columns) > 2
        and bool(model_name(layout.cell("model", cells)))
        and len({cell.text for cell in cells if not numbers.is_blank(cell.text)}) == 1
    )


def model_name(cell: Cell) -> str:
    return without_notes(plain(cell.text))
