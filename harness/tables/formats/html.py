"""The HTML tables in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

from harness.tables.cells import Cell

Rows = list[tuple[int, tuple[Cell, ...]]]  #: 1-based line and cells, the heading first


def read(text: str) -> list[Rows]:
    """Every HTML table in a text. A cell over several rows stands in each of them, one over columns in the first."""
    reader = _Reader()
    text = text.replace("<![", "&lt;![")  # valid in Markdown, and a broken section for the parser
    reader.feed(_REFERENCE.sub("\N{REPLACEMENT CHARACTER}", text))
    reader.close()
    found = [list(_spread(table)) for table in reader.tables]
    return [rows for rows in found if rows and any(cell.text for cell in rows[0][1])]


@dataclass
class _OpenCell:
    """A cell while it is read."""

    across: int  #: columns that it spans
    down: int  #: rows that it spans
    text: str = ""
    struck: str = ""  #: what is struck out in it
    links: list[tuple[str, str]] = field(default_factory=list)


#: tags around what an author has struck out
STRUCK = ("del", "s", "strike")
_WIDEST = 1000  # columns of a cell, the limit of browsers
#: of a character by a number that no character has
_REFERENCE = re.compile(r"&#[xX]?[0-9a-fA-F]{8,};?")
_Table = list[tuple[int, list[_OpenCell]]]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tables: list[_Table] = []
        self._open: list[_Table] = []
        self._cell: _OpenCell | None = None
        self._struck = 0

    def set_cdata_mode(self, elem: str, *, escapable: bool = False) -> None:
        """Never set: otherwise a sentence that mentions <script> would hide all tables below it."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "table":
            self.tables.append([])
            self._open.append(self.tables[-1])
        elif tag == "tr" and self._open:
            self._open[-1].append((self.getpos()[0], []))
            self._cell = None
        elif tag in ("td", "th") and self._open:
            if not self._open[-1]:  # a heading without its <tr>
                self._open[-1].append((self.getpos()[0], []))
            self._cell = _OpenCell(_span(given.get("colspan")), _span(given.get("rowspan")))
            self._open[-1][-1][1].append(self._cell)
        elif self._cell and tag == "a":
            self._cell.links.append(("", given.get("href", "")))
        elif tag in STRUCK:
            self._struck += 1
        elif self._cell and tag in ("br", "sup"):
            self._cell.text += {"br": " ", "sup": "^"}[tag]

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "tr", "table"):
            self._cell, self._struck = None, 0
        if tag in STRUCK:
            self._struck = max(0, self._struck - 1)
        if tag == "table" and self._open:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._cell and self._struck:
            self._cell.struck += data
        elif self._cell:
            self._cell.text += data
            if self._cell.links and self._cell.links[-1][0] == "":
                self._cell.links[-1] = (data.strip(), self._cell.links[-1][1])


def struck_out(text: str) -> str:
    """The text of a cell in which everything is struck out, so that it is said not to be read."""
    return f"~~{' '.join(text.split())}~~" if text.strip() else ""


def _span(given: str | None) -> int:
    if not given or not given.isdecimal():
        return 1
    return min(max(1, int(given)), _WIDEST) if len(given) < 5 else _WIDEST


def _spread(table: _Table) -> Iterator[tuple[int, tuple[Cell, ...]]]:
    """The rows with every cell in its column."""
    below: dict[int, tuple[int, Cell]] = {}  # column -> how many more rows a cell from above spans
    for line, written in table:
        cells: list[Cell] = []
        left = list(reversed(written))
        while left or len(cells) in below:
            if len(cells) in below:
                down, cell = below.pop(len(cells))
                across = 1
            else:
                new = left.pop()
                text = " ".join(new.text.split()) or struck_out(new.struck)
                cell = Cell(text, tuple(new.links), across=new.across)
                across, down = new.across, new.down
            for each in [cell, *[Cell("")] * (across - 1)]:
                if down > 1:
                    below[len(cells)] = (down - 1, each)
                cells.append(each)
        yield line, tuple(cells)
