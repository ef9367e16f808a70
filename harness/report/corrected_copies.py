"""Copies of documents in which the cells to be corrected differ and nothing else does.

A correction is kept only if the copy, read again, has the corrected figure in its cell and the same claims everywhere
else. That is not certain beforehand: one figure can change how its column or its row is read (its unit, its padding, a
row that becomes a heading between rows). So all corrections are tried at once, and where the copy then does not read
as intended, each half of them, and so on, until only the corrections that spoil the reading are left out.
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

_Position: TypeAlias = tuple[int, int]  #: of a cell: 1-based line and 0-based column
_LINE_END = re.compile(r"(\r\n|\r|\n)")
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class Copy:
    """The corrected copy of a document."""

    file: str  #: path of the document as the user gave it
    path: Path | None  #: of its copy; None where no cell could be corrected
    corrected: tuple[Issue, ...]
    left: tuple[Issue, ...]  #: issues that could not be corrected

    @property
    def cells(self) -> int:
        """Number of corrected cells; several issues may be about one."""
        return len({_position(entry.claim) for entry in self.corrected if entry.claim})


def write(files: Sequence[str], entries: Iterable[Issue], folder: Path) -> list[Copy]:
    """Copies of the files that have corrections, in `folder`, with the paths that they have below their common folder.

    An earlier copy of a file that has no corrections any more is removed. Raises InputError where a file cannot be
    read, where its copy cannot be written, and where the copy would overwrite one of the files.
    """
    asked: dict[str, list[Issue]] = {file: [] for file in files}
    for entry in entries:
        if entry.claim is not None and entry.corrected is not None:
            asked[entry.file].append(entry)
    given = {file: os.path.abspath(file) for file in files}  # noqa: PTH100 - links stay links
    above = os.path.commonpath([os.path.dirname(path) for path in given.values()])  # noqa: PTH120
    copies = []
    for file, wrong in asked.items():
        path = folder / os.path.relpath(given[file], above)
        if any(path.exists() and path.samefile(other) for other in files):
            raise InputError(f"{path}: a corrected copy would overwrite this table; give another --out")
        left = _write_copy(file, path, wrong)
        if wrong:
            done = tuple(entry for entry in wrong if entry not in left)
            copies.append(Copy(file, path if done else None, done, tuple(left)))
    return copies


def _write_copy(file: str, path: Path, wrong: Sequence[Issue]) -> list[Issue]:
    """Writes the copy, or removes an earlier one where nothing changes; the issues that could not be corrected."""
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
    return left


def corrected(text: str, entries: Iterable[Issue]) -> tuple[str, list[Issue]]:
    """The text of one file with its cells corrected, and the issues whose correction could not be written.

    Issues without a claim or a correction are left out. A cell of several sources is corrected where all of them have
    the same correction.
    """
    asked: dict[_Position, list[Issue]] = {}
    for entry in entries:
        if entry.claim is not None and entry.corrected is not None:
            asked.setdefault(_position(entry.claim), []).append(entry)
    if not asked:
        return text, []
    file = next(iter(asked.values()))[0].file
    document = _Document(file, tuple(_LINE_END.split(text)))
    figures = [figure for position, wrong in asked.items() if (figure := _agreed(document, position, wrong))]
    document, written = _with_corrections(document, [one for one in figures if one.candidates(document)])
    positions = {_position(one.claim) for one in written}
    left = [entry for position, wrong in asked.items() if position not in positions for entry in wrong]
    return "".join(document.parts), left


@dataclass(frozen=True)
class _Reading:
    """What a document says when it is read, except for the number of printed digits."""

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]
    values: tuple[tuple[_Position, float], ...]  #: percent or plain count of each claim

    def changed(self, values: Mapping[_Position, float]) -> _Reading:
        return replace(self, values=tuple((position, values.get(position, value)) for position, value in self.values))


@dataclass(frozen=True)
class _Document:
    file: str
    parts: tuple[str, ...]  #: lines, and their line ends between them

    @cached_property
    def reading(self) -> _Reading:
        found, problems = readers.parse(self.file, "\n".join(self.parts[::2]).removeprefix(_BYTE_ORDER_MARK))
        table = claims_of(found)
        values = tuple((_position(claim), claim.value) for claim in table.claims)
        return _Reading(table.rows, (*problems, *table.problems), values)

    def values(self, position: _Position) -> list[float]:
        """Of every claim of a cell."""
        return [value for where, value in self.reading.values if where == position]

    def line(self, number: int) -> str:
        return self.parts[2 * (number - 1)]

    def with_line(self, number: int, text: str) -> _Document:
        return replace(self, parts=(*self.parts[: 2 * (number - 1)], text, *self.parts[2 * number - 1 :]))


@dataclass(frozen=True)
class _Figure:
    """A figure and its correction, both in the unit of the claim."""

    claim: Claim
    corrected: str

    @property
    def value(self) -> float:
        return float(Decimal(self.corrected) * Decimal(UNITS[self.claim.unit]))

    @property
    def printed(self) -> tuple[str, str]:
        """The documented and the corrected figure as the cell has them: of an error what is left to 100."""
        if not self.claim.is_error:
            return self.claim.text, self.corrected
        return str(100 - Decimal(self.claim.text)), str(100 - Decimal(self.corrected))

    def candidates(self, document: _Document) -> list[_Document]:
        """The document with the figure corrected, once for each place in its cell with the figure's digits."""
        number, column = _position(self.claim)
        documented, corrected = self.printed
        line = document.line(number)
        spans = readers.cell_spans(document.file, line)
        return [
            document.with_line(number, line[: digits.start()] + text + line[digits.end() :])
            for start, end in spans[column : column + 1]
            for digits in numbers.DIGITS.finditer(line, start, end)
            if (text := numbers.written_as(digits.group(0), documented, corrected)) is not None
            and text != digits.group(0)
        ]


def _agreed(document: _Document, position: _Position, entries: Sequence[Issue]) -> _Figure | None:
    """The correction of a cell; None where its issues disagree, or do not cover all claims of the cell."""
    texts = {entry.corrected: entry.claim for entry in entries}
    values = [claim.value for claim in dict.fromkeys(entry.claim for entry in entries) if claim]
    [(text, claim), *others] = texts.items()
    if others or text is None or claim is None or values != document.values(position):
        return None
    return _Figure(claim, text)


def _position(claim: Claim) -> _Position:
    return claim.line or claim.row.line, claim.column


def _with_corrections(document: _Document, figures: Sequence[_Figure]) -> tuple[_Document, list[_Figure]]:
    """The document with all figures corrected where it then reads as intended, else with those of each half that do."""
    intended = document.reading.changed({_position(one.claim): one.value for one in figures})
    for candidate in _candidates(document, figures):
        if candidate.reading == intended:
            return candidate, list(figures)
    if len(figures) < 2:
        return document, []
    half = len(figures) // 2
    document, first = _with_corrections(document, figures[:half])
    document, second = _with_corrections(document, figures[half:])
    return document, first + second


def _candidates(document: _Document, figures: Sequence[_Figure]) -> Iterator[_Document]:
    """Every way to write one figure; for several figures the most likely way only."""
    if len(figures) == 1:
        yield from figures[0].candidates(document)
    else:
        for one in figures:
            document = next(iter(one.candidates(document)), document)
        yield document
