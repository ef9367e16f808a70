"""The tables that are directives: list-table and csv-table of reStructuredText, and of Markdown with MyST.

A directive goes on as long as the lines below it are indented; its options come first, then its rows.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from harness.tables.cells import Cell

Rows = list[tuple[int, tuple[Cell, ...]]]  #: 1-based line and cells, the heading first
ReadCell = Callable[[str], Cell]

START = re.compile(r"(\s*)\.\. +(list-table|csv-table)::")
_OPTION = re.compile(r"\s*:([\w-]{1,40}):\s*(.*)$")
_ROW = re.compile(r"(\s*)[*+-]\s+([*+-])(?=\s|$)")
_NAMED_CHARACTERS = {"tab": "\t", "space": " "}


@dataclass
class Found:
    """What a directive says."""

    rows: Rows = field(default_factory=list)
    end: int = 0  #: 0-based, of its last line
    wrong: str = ""  #: why it cannot be read, or not completely


def read(lines: Sequence[str], start: int, read_cell: ReadCell) -> Found:
    """The table of the directive in the line `start`, 0-based; none where no directive of a table begins there."""
    begins = START.match(lines[start])
    if begins is None:
        return Found(end=start)
    body = start + 1
    end = start + 1
    while end < len(lines) and (not lines[end].strip() or indent(lines[end]) > len(begins[1])):
        end += 1
    options, body = _options(lines, body, end)
    found = Found(end=end - 1)
    if elsewhere := options.get("file", options.get("url")):
        found.wrong = f"the rows of this table are in {elsewhere}; give that file instead"
    elif begins[2] == "list-table":
        found.rows = list(_listed(lines, body, end, read_cell))
    else:
        _separated(lines, (start, body, end), options, read_cell, found)
    return found


def fenced(info: str, content: str) -> list[str]:
    """The lines of a fenced block of Markdown as those of a directive; none where it is no table."""
    named = re.match(r"\{(list-table|csv-table)\}", info.strip())
    if named is None:
        return []
    return [f".. {named[1]}::", *(f"   {line}" for line in content.split("\n"))]


def indent(line: str) -> int:
    """Spaces that a line begins with."""
    return len(line) - len(line.lstrip())


def _options(lines: Sequence[str], start: int, end: int) -> tuple[Mapping[str, str], int]:
    """The options of a directive, and the line below them; an option may go on in lines that are further indented."""
    options: dict[str, str] = {}
    name, at = "", start
    while at < end and lines[at].strip():
        if option := _OPTION.match(lines[at]):
            name = option[1].lower()
            options[name] = option[2].strip()
        elif name:
            options[name] += f"\n{lines[at].strip()}"
        else:
            return options, at
        at += 1
    return options, at


def _listed(lines: Sequence[str], start: int, end: int, read_cell: ReadCell) -> Iterator[tuple[int, tuple[Cell, ...]]]:
    """The rows of a list of lists: each item of the outer one is a row, each of its items a cell."""
    outer = inner = -1
    line, texts = 0, list[tuple[int, str]]()
    for at in range(start, end):
        text = lines[at]
        row = _ROW.match(text)
        if row and outer in (-1, len(row[1])):
            if texts:
                yield line, _cells(texts, read_cell)
            outer, inner = len(row[1]), row.start(2)
            line, texts = at + 1, [(at + 1, text[row.end() :])]
        elif texts and text[:inner].strip() == "" and re.match(r"[*+-](?:\s|$)", text[inner:]):
            texts.append((at + 1, text[inner + 1 :]))
        elif texts and text.strip():
            place, above = texts[-1]
            texts[-1] = (place, f"{above} {text.strip()}")
    if texts:
        yield line, _cells(texts, read_cell)


def _cells(texts: Sequence[tuple[int, str]], read_cell: ReadCell) -> tuple[Cell, ...]:
    """The cells of a row; each has a line of its own."""
    read_cells = ((at, read_cell(text.strip())) for at, text in texts)
    return tuple(Cell(cell.text, cell.links, (at, 0)) for at, cell in read_cells)


def _separated(
    lines: Sequence[str], place: tuple[int, int, int], options: Mapping[str, str], read_cell: ReadCell, found: Found
) -> None:
    """The rows of separated values, below a heading that an option may give."""
    start, body, end = place
    try:
        if heading := options.get("header"):
            for cells in csv.reader(heading.split("\n"), _dialect(options)):
                line = next((at for at in range(start, body) if ":header:" in lines[at]), start)
                found.rows.append((line + 1, tuple(map(read_cell, cells))))
        reader = csv.reader((line.strip(" ") for line in lines[body:end]), _dialect(options))
        before = 0
        for cells in reader:
            if any(cell.strip() for cell in cells):
                found.rows.append((body + before + 1, tuple(read_cell(cell.strip()) for cell in cells)))
            before = reader.line_num  # a quoted cell may go over several lines
    except (csv.Error, TypeError) as error:
        found.wrong = f"the rows of this table cannot be read: {error}; correct them"


def _dialect(options: Mapping[str, str]) -> type[csv.Dialect]:
    """How the values are separated and quoted."""
    chosen = {name: options[name] for name in ("delim", "quote", "escape") if options.get(name)}
    named = {name: _NAMED_CHARACTERS.get(text.lower(), text) for name, text in chosen.items()}
    names = {"delim": "delimiter", "quote": "quotechar", "escape": "escapechar"}
    given = {"skipinitialspace": "keepspace" not in options, **{names[name]: text for name, text in named.items()}}
    return cast("type[csv.Dialect]", type("Given", (csv.excel,), given))
