"""Tables in other shapes than a row for each model: headings over two rows, models as columns, statistics of one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.core.records import METRICS
from harness.core.text import plain
from harness.tables import headings, numbers
from harness.tables.cells import Cell, RawTable

#: headings of the second column of a table that has a figure in each row
_VALUE = ("value", "values", "result", "results", "figure", "figures", "number", "值", "数值", "指标值")
#: parts of a set of images, which are no models
_PARTS = {"", "train", "training", "val", "valid", "validation", "test", "testing", "eval"}
_UNIT_ALONE = re.compile(r"[(\[]?\s*(?:[%kmgbt]|10\^\d+)\s*[)\]]?", re.IGNORECASE)
#: digits behind a comma; commas between thousands; a point that is not between thousands
_COMMA = re.compile(r"(?<=\d),(\d+)")
_GROUPED = re.compile(r"\d,\d{3},\d{3}")
_DECIMAL_POINT = re.compile(r"(?<!\d)\d{0,12}\.(?!\d{3}(?!\d))\d")
#: figures that make a habit
_HABIT = 2
_GROUPS = re.compile(r"(?<![\d.,])\d{1,3}(?:\.\d{3}){2,}(?!\d)")
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:\.\d{3})+(?!\d)")
#: what a page's title says around the name of its model
_TITLE = re.compile(r"^(?:model\s*card\s*(?:for|of|:)|model\s*:)\s*", re.IGNORECASE)


def reshaped(tables: Sequence[RawTable], listed: Sequence[tuple[int, str, str]], title: str) -> list[RawTable]:
    """The tables of a page with a row for each model; what tables and lists say of one model is one row.

    `listed` has line, key and value of items such as `- Params (M): 28.6`; `title` is the model's name on such a page.
    """
    found: list[RawTable] = []
    pairs: list[tuple[Cell, Cell]] = []
    for raw in tables:
        raw = with_one_heading(raw)
        if _is_of_values(raw):
            pairs += [
                (_placed(cells[0], line, 0), _placed(cells[1], line, 1)) for line, cells in raw.rows if len(cells) > 1
            ]
        else:
            found.append(turned(raw) if _has_models_as_columns(raw) else raw)
    pairs += [(Cell(key, place=(line, 0)), Cell(value, place=(line, 1))) for line, key, value in listed]
    name = _TITLE.sub("", title).strip()
    of_one = _statistics(pairs, name, tables) if name else None
    return sorted([*found, *([of_one] if of_one else [])], key=lambda raw: raw.line)


# --- decimal commas


def with_decimal_points(raw: RawTable) -> RawTable:
    """The table with points in its figures, where all that it prints shows that its commas stand before decimals.

    A percentage has no thousands, and thousands are three digits. Points are then between thousands where a column has
    two in one figure; where it has not, it is left open what they are.
    """
    kinds = [{column.kind for column in headings.read_all(cell.text)} for cell in raw.heading]
    columns = {
        position: [cells[position].text for _, cells in raw.rows if position < len(cells)]
        for position, said in enumerate(kinds)
        if said & {*METRICS, "accuracy"}
    }
    decimals = 0
    for position, texts in columns.items():
        if any(_DECIMAL_POINT.search(text) or _GROUPED.search(text) for text in texts):
            return raw
        commas = [found[1] for text in texts for found in [_COMMA.search(text)] if found]
        of_percent = kinds[position] & {"top1", "top5", "accuracy"}
        decimals += len(commas) if of_percent else sum(len(digits) != len("000") for digits in commas)
    if decimals < _HABIT:
        return raw
    grouped = {position for position, texts in columns.items() if any(map(_GROUPS.search, texts))}
    return replace(
        raw,
        rows=tuple(
            (line, tuple(_pointed(cell, i in grouped) if i in columns else cell for i, cell in enumerate(cells)))
            for line, cells in raw.rows
        ),
    )


def _pointed(cell: Cell, grouped: bool) -> Cell:
    if not grouped and _THOUSANDS.search(cell.text):
        return replace(cell, text=f"{cell.text} (whose point may part thousands)")
    text = _THOUSANDS.sub(lambda found: found[0].replace(".", ""), cell.text)
    return replace(cell, text=_COMMA.sub(r".\1", text))


# --- headings over two rows


def with_one_heading(raw: RawTable) -> RawTable:
    """The table with a heading over two rows joined into one."""
    if not raw.rows or not _is_second_heading(raw.heading, raw.rows[0][1]):
        return raw
    (_, second), *rows = raw.rows
    return replace(raw, heading=tuple(_joined(raw.heading, second)), rows=tuple(rows))


def _is_second_heading(first: Sequence[Cell], second: Sequence[Cell]) -> bool:
    """Whether the row below a heading goes on with it: it has no figures, and what it says is the name of a column."""
    if any(cell.text and _is_figure(cell.text) for cell in second):
        return False
    if any(headings.read_all(cell.text) for cell in first) and second and second[0].text not in ("", first[0].text):
        return False  # a row begins with its model
    return any(
        position and cell.text and (_names_a_metric(cell.text) or _UNIT_ALONE.fullmatch(cell.text))
        for position, cell in enumerate(second)
    )


def _joined(first: Sequence[Cell], second: Sequence[Cell]) -> list[Cell]:
    """Each column's own heading behind that which spans it; an empty cell is spanned by what is left of it."""
    joined, span, left = [], "", 0
    for position in range(max(len(first), len(second))):
        above = first[position] if position < len(first) else Cell("")
        below = second[position].text if position < len(second) else ""
        span, left = (above.text, above.across) if above.text else (span, left - 1)
        spanned = above.text or (span if below and (left > 0 or _spans(first, position)) else "")
        joined.append(replace(above, text=spanned if below in ("", spanned) else f"{spanned} {below}".strip()))
    return joined


def _spans(first: Sequence[Cell], position: int) -> bool:
    """Whether a heading without spans of its own, as in Markdown, can only mean that the cell on the left goes on."""
    return all(cell.across == 1 for cell in first) and position > 0


def _names_a_metric(text: str) -> bool:
    return any(column.kind in METRICS for column in headings.read_all(text))


def _is_figure(text: str) -> bool:
    number = numbers.read_number(text)
    return number is not None and not _UNIT_ALONE.fullmatch(text) and not _names_a_metric(text)


# --- models as columns, statistics of one model


def _has_models_as_columns(raw: RawTable) -> bool:
    """Whether the first column names metrics and the heading none."""
    if len(raw.heading) < 2 or any(_names_a_metric(cell.text) for cell in raw.heading[1:]):
        return False
    if {plain(cell.text).lower() for cell in raw.heading[1:]} <= _PARTS:
        return False  # of the images
    first = [cells[0].text for _, cells in raw.rows if cells]
    return any(_names_a_metric(text) for text in first) and any(cell.text for cell in raw.heading[1:])


def turned(raw: RawTable) -> RawTable:
    """The table with a row for each of its columns; every cell knows where it stands."""
    heading = [Cell("Model"), *(_placed(cells[0], line, 0) if cells else Cell("") for line, cells in raw.rows)]
    rows = []
    for column in range(1, len(raw.heading)):
        cells = [_placed(raw.heading[column], raw.line, column)]
        for line, row in raw.rows:
            cells.append(_placed(row[column], line, column) if column < len(row) else Cell(""))
        rows.append((raw.line, tuple(cells)))
    return replace(raw, heading=tuple(heading), rows=tuple(rows))


def _is_of_values(raw: RawTable) -> bool:
    """Whether a table of two columns has a name and a figure in each row."""
    return (
        len(raw.heading) == 2
        and plain(raw.heading[1].text).lower() in _VALUE
        and any(_names_a_metric(cells[0].text) for _, cells in raw.rows if cells)
    )


def _statistics(pairs: Iterable[tuple[Cell, Cell]], name: str, tables: Sequence[RawTable]) -> RawTable | None:
    """What a page says of its one model: the first figure of each kind."""
    heading, cells = [Cell("Model")], [Cell(name)]
    known: set[str] = set()
    for key, value in pairs:
        kinds = {column.kind for column in headings.read_all(key.text)}
        is_size = kinds == {"input_size"}
        if kinds and not kinds & known and (is_size or (_names_a_metric(key.text) and numbers.read_number(value.text))):
            known |= kinds
            heading.append(key)
            cells.append(value)
    if not known & set(METRICS):
        return None
    line = next(cell.place[0] for cell in cells if cell.place)
    file = next((raw.file for raw in tables), "")
    around = next(iter(tables), None)
    return RawTable(
        file, line, tuple(heading), ((line, tuple(cells)),), links=around.links if around else (), section=(name,)
    )


def _placed(cell: Cell, line: int, column: int) -> Cell:
    return replace(cell, place=(line, column))
