"""The tables of a reStructuredText file: simple ones between lines of "=", grids, and the directives of tables."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from harness.tables import reshape
from harness.tables.cells import Cell, Problem, RawTable
from harness.tables.formats import directives
from harness.tables.formats.outline import addresses

_BORDER = re.compile(r"\s*=+(?:\s+=+)+\s*$")
_GRID = re.compile(r"\s*\+(?:[-=]+\+)+\s*$")
_UNDERLINE = re.compile(r"([=\-~^\"'`#*+.:_])\1*\s*$")
_ROLE = re.compile(r":[\w:+.-]{1,50}:(?=`)")
_LINK = re.compile(r"`([^`<>]{0,300}?)\s*<([^`<>]{1,500})>`__?")
_FOOTNOTE = re.compile(r"\[[^\[\]]{1,40}\]_")
#: what is shown as written or not at all: a paragraph that ends in ::, a directive of code, a comment
_LITERAL = re.compile(r"(?!\s*\.\. ).*::\s*$|\s*\.\. +(?:code|code-block|sourcecode|parsed-literal|highlight|raw)::")
_COMMENT = re.compile(r"\s*\.\.(?:\s*$|\s+(?!\s|[\w:+.-]{1,60}::|\[|_|\|))")
_QUOTED = re.compile(r"``?([^`]{0,500})``?_{0,2}")
Rows = list[tuple[int, tuple[Cell, ...]]]


def read(file: str, text: str) -> tuple[list[RawTable], list[Problem]]:
    """Every table of a text that is shown as a table; one that is not closed or stands elsewhere is a problem."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").expandtabs(8).split("\n")
    found: list[tuple[int, Rows, str]] = []
    problems = []
    at = 0
    section = ""
    while at < len(lines):
        if directives.START.match(lines[at]):
            table = directives.read(lines, at, _cell)
            problems += [Problem(file, at + 1, table.wrong)] if table.wrong else []
            at = table.end
            found.append((at, table.rows, section))
        elif _LITERAL.match(lines[at]) or _COMMENT.match(lines[at]):
            at = _end_of_block(lines, at)
        elif _BORDER.match(lines[at]):
            rows, at, closed = _simple(lines, at)
            found.append((at, rows, section))
            if not closed:
                problems.append(Problem(file, at, "a table is not closed by a line of '='; what is above is read"))
        elif _GRID.match(lines[at]):
            rows, at = _grid(lines, at)
            found.append((at, rows, section))
        elif at and lines[at - 1].strip() and _is_underline(lines, at):
            section = lines[at - 1].strip()
        at += 1
    links = addresses(text)
    tables = [
        RawTable(file, rows[0][0], rows[0][1], tuple(rows[1:]), section=(section,) if section else (), links=links)
        for _, rows, section in found
        if rows
    ]
    return reshape.reshaped(tables, [], ""), problems


def cell_spans(line: str) -> list[tuple[int, int]]:
    """Where the cells of a line stand: between the bars of a grid, else apart by two spaces."""
    if line.strip().startswith("|"):
        bars = [found.start() for found in re.finditer(r"\|", line)]
        spans = [(start + 1, end) for start, end in itertools.pairwise(bars)]
        return [_stripped(line, start, end) for start, end in spans]
    if re.match(r"\s*(?:[*+-]\s+){1,2}", line):  # of a list
        return [_stripped(line, 0, len(line))]
    spans = [found.span() for found in re.finditer(r"\S+(?: \S+)*", line)]
    if len(spans) > 1 or not re.search(r"[,;\t]", line):
        return spans
    values = re.finditer(r'(?:^|[,;\t])\s*("(?:[^"]|"")*"|[^,;\t]*)', line)
    return [found.span(1) for found in values]


def _stripped(line: str, start: int, end: int) -> tuple[int, int]:
    text = line[start:end]
    start += len(text) - len(text.lstrip())
    return start, max(start, start + len(text.strip()))


def _end_of_block(lines: Sequence[str], start: int) -> int:
    """The last line of what is indented below a line."""
    at = start + 1
    while at < len(lines) and (not lines[at].strip() or directives.indent(lines[at]) > directives.indent(lines[start])):
        at += 1
    return at - 1


def _is_underline(lines: Sequence[str], at: int) -> bool:
    return bool(_UNDERLINE.match(lines[at])) and len(lines[at].strip()) >= min(4, len(lines[at - 1].strip()))


def _simple(lines: Sequence[str], start: int) -> tuple[Rows, int, bool]:
    """The rows of a table between borders, the heading first; its last line; and whether it was closed."""
    columns = [found.span() for found in re.finditer(r"=+", lines[start])]
    rows: Rows = []
    borders, at = 1, start + 1
    while at < len(lines) and borders < 3:
        if _BORDER.match(lines[at]):
            borders += 1
            if borders == 2 and not _goes_on(lines, at):  # a table without a heading
                return rows, at, True
        elif lines[at].strip():
            cells = _cells(lines[at], columns)
            if rows and not cells[0].text and not _is_apart(lines[at], columns):
                rows[-1] = (rows[-1][0], tuple(map(_continued, rows[-1][1], cells)))
            else:
                rows.append((at + 1, cells))
        at += 1
    return rows, at - 1, borders == 3


def _goes_on(lines: Sequence[str], at: int) -> bool:
    """Whether a border has rows and another border below it."""
    for line in lines[at + 1 : at + 2]:
        return bool(line.strip()) and not _BORDER.match(line)
    return False


def _is_apart(line: str, columns: Sequence[tuple[int, int]]) -> bool:
    """Whether a line without a first cell begins a row: reStructuredText says so by a backslash there."""
    return line[slice(*columns[0])].strip().startswith("\\")


def _cells(line: str, columns: Sequence[tuple[int, int]]) -> tuple[Cell, ...]:
    ends = [start for start, _ in columns[1:]] + [max(len(line), columns[-1][1])]
    return tuple(_cell(line[start:end]) for (start, _), end in zip(columns, ends, strict=True))


def _continued(above: Cell, below: Cell) -> Cell:
    return Cell(f"{above.text} {below.text}".strip(), (*above.links, *below.links))


def _grid(lines: Sequence[str], start: int) -> tuple[Rows, int]:
    """The rows of a grid, the heading first, and its last line; cells over several columns stand in the first."""
    rows: Rows = []
    at, begins = start + 1, True
    while at < len(lines) and (lines[at].strip().startswith(("|", "+"))):
        if lines[at].strip().startswith("+"):
            begins = True
        else:
            cells = tuple(_cell(text) for text in _between_bars(lines[at]))
            if begins or not rows or len(cells) != len(rows[-1][1]):
                rows.append((at + 1, cells))
            else:
                rows[-1] = (rows[-1][0], tuple(map(_continued, rows[-1][1], cells)))
            begins = False
        at += 1
    return rows, at - 1


def _between_bars(line: str) -> Iterator[str]:
    yield from line.strip().strip("|").split("|")


def _cell(text: str) -> Cell:
    text = _FOOTNOTE.sub("", _ROLE.sub("", text.strip()))
    links = tuple((found[1].strip(), found[2]) for found in _LINK.finditer(text))
    text = _QUOTED.sub(r"\1", _LINK.sub(r"\1", text))
    return Cell(" ".join(text.replace("**", "").replace("\\", "").split()), links)
