"""Copies of documents that differ from them in the cells to be corrected and in nothing else.

A correction is kept only if the document, read again, says the corrected figure there and the same everywhere else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from harness.checks.issues import Issue
from harness.core.errors import InputError
from harness.core.files import write_whole
from harness.core.records import UNITS, Claim, Row
from harness.tables import numbers, readers
from harness.tables.cells import Problem
from harness.tables.claims import claims_of

_Place: TypeAlias = tuple[int, int]  #: 1-based line and 0-based column
_LINE_END = re.compile(r"(\r\n|\r|\n)")
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class Copy:
    """What became of a document of which cells are to be corrected."""

    file: str  #: path of the document as the user gave it
    path: Path | None  #: of its copy; None where no cell could be corrected
    corrected: tuple[Issue, ...]
    left: tuple[Issue, ...]  #: those that could not be corrected

    @property
    def cells(self) -> int:
        """Corrected ones; several entries may be about one."""
        return len({_place(entry.claim) for entry in self.corrected if entry.claim})


def write(files: Sequence[str], entries: Iterable[Issue], folder: Path) -> list[Copy]:
    """Copies of those of the files that have corrections, in `folder` as they lie beneath what all files lie in.

    A copy that was made earlier goes where there is nothing to correct any more. Raises InputError where a file cannot
    be read or its copy not be written, or would take its place.
    """
    asked: dict[str, list[Issue]] = {file: [] for file in files}
    for entry in entries:
        if entry.claim is not None and entry.corrected is not None:
            asked[entry.file].append(entry)
    given = {file: os.path.abspath(file) for file in files}  # noqa: PTH100 - links are followed by nobody
    above = os.path.commonpath([os.path.dirname(path) for path in given.values()])  # noqa: PTH120
    copies = []
    for file, wrong in asked.items():
        path = folder / os.path.relpath(given[file], above)
        if any(path.exists() and path.samefile(other) for other in files):
            raise InputError(f"{path}: a corrected copy would take the place of this table; give another --out")
        try:
            text = Path(file).read_bytes().decode()
            changed, left = corrected(text, wrong)
            if changed == text:
                path.unlink(missing_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, changed.encode())
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot write the corrected copy of {file}: {error}") from error
        if wrong:
            done = tuple(entry for entry in wrong if entry not in left)
            copies.append(Copy(file, path if done else None, done, tuple(left)))
    return copies


def corrected(text: str, entries: Iterable[Issue]) -> tuple[str, list[Issue]]:
    """The text of one file with its cells corrected, and the entries whose correction could not be written.

    Entries without a claim or a correction ask for nothing. A cell of several sources is corrected where all of them
    ask for the same.
    """
    asked: dict[_Place, list[Issue]] = {}
    for entry in entries:
        if entry.claim is not None and entry.corrected is not None:
            asked.setdefault(_place(entry.claim), []).append(entry)
    if not asked:
        return text, []
    file = next(iter(asked.values()))[0].file
    document = _Document(file, tuple(_LINE_END.split(text)))
    figures = [figure for place, wrong in asked.items() if (figure := _agreed(document, place, wrong))]
    document, written = _with_as_many_as_possible(document, [one for one in figures if one.ways(document)])
    places = {_place(one.claim) for one in written}
    left = [entry for place, wrong in asked.items() if place not in places for entry in wrong]
    return "".join(document.parts), left


@dataclass(frozen=True)
class _Shown:
    """What a reader of a document learns, but for how many digits."""

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]
    values: tuple[tuple[_Place, float], ...]  #: percent or plain count of each claim

    def but(self, values: Mapping[_Place, float]) -> _Shown:
        return replace(self, values=tuple((place, values.get(place, value)) for place, value in self.values))


@dataclass(frozen=True)
class _Document:
    file: str
    parts: tuple[str, ...]  #: lines, and between them what ends them

    @cached_property
    def shown(self) -> _Shown:
        found, problems = readers.parse(self.file, "\n".join(self.parts[::2]).removeprefix(_BYTE_ORDER_MARK))
        table = claims_of(found)
        values = tuple((_place(claim), claim.value) for claim in table.claims)
        return _Shown(table.rows, (*problems, *table.problems), values)

    def values(self, place: _Place) -> list[float]:
        """Of every claim of a cell."""
        return [value for where, value in self.shown.values if where == place]

    def line(self, number: int) -> str:
        return self.parts[2 * (number - 1)]

    def with_line(self, number: int, text: str) -> _Document:
        return replace(self, parts=(*self.parts[: 2 * (number - 1)], text, *self.parts[2 * number - 1 :]))


@dataclass(frozen=True)
class _Figure:
    """A figure and what to write in its place, both in the unit of the claim."""

    claim: Claim
    corrected: str

    @property
    def value(self) -> float:
        return float(Decimal(self.corrected) * Decimal(UNITS[self.claim.unit]))

    def ways(self, document: _Document) -> list[_Document]:
        """The document with the figure corrected wherever its digits stand in its cell, one at a time."""
        number, column = _place(self.claim)
        line = document.line(number)
        spans = readers.cell_spans(document.file, line)
        return [
            document.with_line(number, line[: digits.start()] + text + line[digits.end() :])
            for start, end in spans[column : column + 1]
            for digits in numbers.DIGITS.finditer(line, start, end)
            if (text := numbers.written_as(digits.group(0), self.claim.text, self.corrected)) is not None
            and text != digits.group(0)
        ]


def _agreed(document: _Document, place: _Place, entries: Sequence[Issue]) -> _Figure | None:
    """What all claims of a cell ask for; None where they do not agree, or are not all that the cell claims."""
    texts = {entry.corrected: entry.claim for entry in entries}
    values = [claim.value for claim in dict.fromkeys(entry.claim for entry in entries) if claim]
    [(text, claim), *others] = texts.items()
    if others or text is None or claim is None or values != document.values(place):
        return None
    return _Figure(claim, text)


def _place(claim: Claim) -> _Place:
    return claim.row.line, claim.column


def _with_as_many_as_possible(document: _Document, figures: Sequence[_Figure]) -> tuple[_Document, list[_Figure]]:
    """The document with all figures corrected where that reads as it should, else with as many as do in their order."""
    intended = document.shown.but({_place(one.claim): one.value for one in figures})
    for way in _ways(document, figures):
        if way.shown == intended:
            return way, list(figures)
    if len(figures) < 2:
        return document, []
    half = len(figures) // 2
    document, first = _with_as_many_as_possible(document, figures[:half])
    document, second = _with_as_many_as_possible(document, figures[half:])
    return document, first + second


def _ways(document: _Document, figures: Sequence[_Figure]) -> Iterator[_Document]:
    """Every way to write one figure; the likeliest one for several."""
    if len(figures) == 1:
        yield from figures[0].ways(document)
    else:
        for one in figures:
            document = next(iter(one.ways(document)), document)
        yield document
