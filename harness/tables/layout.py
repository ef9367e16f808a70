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

#: the median of a column about ImageNet networks lies between these; a factor of 1,000, so that only one unit fits
USUAL_COUNTS: Mapping[Metric, tuple[float, float]] = {"flops": (5e7, 5e10), "params": (1e6, 1e9)}

#: words in headings of columns that are likely to hold accuracies or counts
ABOUT_MODELS = re.compile(r"top-?\s?[15]\b|\bacc|\berr|flops|\bmacs|gmac|m-?adds|param", re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """Which column of a raw table says what, and what the figures of a column have in common."""

    columns: Mapping[str, tuple[int, Column]]  #: kind -> position and what its heading says
    fractions: frozenset[str]  #: accuracies printed as shares of 1
    padding: Mapping[Metric, int]  #: counts -> zeros at the end that all of them share
    units: Mapping[Metric, str]  #: counts -> unit where the heading and most cells say none

    def cell(self, kind: str, cells: Sequence[Cell]) -> Cell:
        """The cell of a row in the column of a kind; empty where the table or the row has none."""
        position = self.columns[kind][0] if kind in self.columns else len(cells)
        return cells[position] if position < len(cells) else Cell("")


def layout_of(raw: RawTable) -> tuple[Layout | None, list[Problem]]:
    """What the columns of a raw table say, None where it is not about classifiers; and columns that are not read."""
    columns, unread = _columns(raw)
    of_another_task = any(headings.of_another_task(cell.text) for cell in raw.heading)
    if of_another_task or "model" not in columns or not any(metric in columns for metric in METRICS):
        return None, []
    printed = {metric: _numbers(raw, columns[metric][0]) for metric in METRICS if metric in columns}
    without_unit: list[Metric] = [
        metric for metric in printed if metric in ("flops", "params") and columns[metric][1].unit is None
    ]
    layout = Layout(
        columns,
        frozenset(one for one in printed if one in ("top1", "top5") and _are_fractions(printed[one])),
        {metric: numbers.padding(printed[metric]) for metric in without_unit},
        {metric: unit for metric in without_unit if (unit := _likely_unit(metric, printed[metric]))},
    )
    return layout, unread


def _columns(raw: RawTable) -> tuple[dict[str, tuple[int, Column]], list[Problem]]:
    """The first column of each kind with its position, and a problem for each further one."""
    columns: dict[str, tuple[int, Column]] = {}
    unread = []
    for position, cell in enumerate(raw.heading):
        column = headings.read(cell.text)
        if column is None:
            continue
        if column.kind not in columns:
            columns[column.kind] = (position, column)
        elif column.kind != "model" or _names_others(raw, columns["model"][0], position):
            first = columns[column.kind][1].text
            what = f"column {cell.text!r} is not read: {first!r} says {column.kind} already; keep one"
            unread.append(Problem(raw.file, raw.line, what))
    return columns, unread


def _likely_unit(metric: Metric, printed: Sequence[Number]) -> str | None:
    return numbers.likely_unit([number for number in printed if not number.suffix], USUAL_COUNTS[metric])


def _names_others(raw: RawTable, first: int, second: int) -> bool:
    """Whether a second column of models names other models, instead of linking to those of the first."""

    def differs(cells: Sequence[Cell]) -> bool:
        other = cells[second]
        return not (other.links or numbers.is_blank(other.text) or model_name(other) == model_name(cells[first]))

    return any(differs(cells) for _, cells in raw.rows if second < len(cells))


def _numbers(raw: RawTable, position: int) -> list[Number]:
    read = (numbers.read_number(cells[position].text) for _, cells in raw.rows if position < len(cells))
    return [number for number in read if number is not None]


def _are_fractions(printed: Sequence[Number]) -> bool:
    """Whether a column of accuracies is printed as fractions: no number in it exceeds 1."""
    bare = [number.value for number in printed if not number.suffix]
    return bool(bare) and max(bare) <= 1


def is_section(layout: Layout, cells: Sequence[Cell]) -> bool:
    """Whether a line is a heading between rows: one text and nothing else, in one cell or spanning all."""
    return (
        len(layout.columns) > 2
        and bool(model_name(layout.cell("model", cells)))
        and len({cell.text for cell in cells if not numbers.is_blank(cell.text)}) == 1
    )


def model_name(cell: Cell) -> str:
    """The name in a cell without markup and footnotes."""
    return without_notes(plain(cell.text))
