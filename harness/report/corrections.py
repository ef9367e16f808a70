"""What can be corrected in a document: a figure, several figures as one, the unit that a heading says.

Each correction says what its cells are meant to say afterwards, and tries ways to write that; whether the document then
reads so is for harness.report.corrected_copies to see.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Protocol, TypeAlias

from harness.core.records import UNITS, Claim, Row
from harness.tables import numbers, readers
from harness.tables.cells import Problem
from harness.tables.claims import claims_of

Position: TypeAlias = tuple[int, int]  #: of a cell: 1-based line and 0-based column
_LINE_END = re.compile(r"(\r\n|\r|\n)")
_BYTE_ORDER_MARK = "\ufeff"
#: ways to write one correction that are tried, each of which is a reading of the document
_TRIES = 24
#: signs by which headings name a unit
_SIGNS: Mapping[str, str] = {"K": "K", "M": "M", "G": "GB", "T": "T"}


def position_of(claim: Claim) -> Position:
    return claim.line or claim.row.line, claim.column


@dataclass(frozen=True)
class Reading:
    """What a document says when it is read, except for the number of printed digits."""

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]
    values: tuple[tuple[Position, float], ...]  #: percent or plain count of each claim

    def changed(self, values: Mapping[Position, float]) -> Reading:
        return replace(self, values=tuple((position, values.get(position, value)) for position, value in self.values))


@dataclass(frozen=True)
class Document:
    """The text of a file."""

    file: str
    parts: tuple[str, ...]  #: lines, and their line ends between them

    @staticmethod
    def of(file: str, text: str) -> Document:
        return Document(file, tuple(_LINE_END.split(text)))

    @property
    def text(self) -> str:
        return "".join(self.parts)

    @cached_property
    def reading(self) -> Reading:
        found, problems = readers.parse(self.file, "\n".join(self.parts[::2]).removeprefix(_BYTE_ORDER_MARK))
        table = claims_of(found)
        values = tuple((position_of(claim), claim.value) for claim in table.claims)
        return Reading(table.rows, (*problems, *table.problems), values)

    def values(self, position: Position) -> list[float]:
        """Of every claim of a cell."""
        return [value for where, value in self.reading.values if where == position]

    def line(self, number: int) -> str:
        return self.parts[2 * (number - 1)]

    def with_line(self, number: int, text: str) -> Document:
        return replace(self, parts=(*self.parts[: 2 * (number - 1)], text, *self.parts[2 * number - 1 :]))


class Correction(Protocol):
    """What is corrected as one."""

    @property
    def values(self) -> Mapping[Position, float]:
        """What its cells say afterwards: percent or plain count."""
        ...

    def candidates(self, document: Document) -> Iterator[Document]:
        """The document with it, in each way to write it, the likeliest first."""
        ...


@dataclass(frozen=True)
class Figure:
    """A figure and its correction, both in the unit of the claim."""

    claim: Claim
    corrected: str

    @property
    def values(self) -> Mapping[Position, float]:
        return {position_of(self.claim): float(Decimal(self.corrected) * Decimal(UNITS[self.claim.unit]))}

    @property
    def printed(self) -> tuple[str, str]:
        """The documented and the corrected figure as the cell has them: of an error what is left to 100."""
        if not self.claim.is_error:
            return self.claim.text, self.corrected
        return str(100 - Decimal(self.claim.text)), str(100 - Decimal(self.corrected))

    def candidates(self, document: Document) -> Iterator[Document]:
        """The document with the figure corrected, once for each place in its cell with the figure's digits."""
        number, column = position_of(self.claim)
        documented, corrected = self.printed
        line = document.line(number)
        for start, end in readers.cell_spans(document.file, line)[column : column + 1]:
            for digits in numbers.DIGITS.finditer(line, start, end):
                text = numbers.written_as(digits.group(0), documented, corrected)
                if text is not None and text != digits.group(0):
                    yield document.with_line(number, line[: digits.start()] + text + line[digits.end() :])


@dataclass(frozen=True)
class Together:
    """Figures that are corrected as one, or not at all."""

    figures: tuple[Figure, ...]

    @property
    def values(self) -> Mapping[Position, float]:
        return {position: value for figure in self.figures for position, value in figure.values.items()}

    def candidates(self, document: Document) -> Iterator[Document]:
        return itertools.islice(self._each(document), _TRIES)

    def _each(self, document: Document) -> Iterator[Document]:
        if not self.figures:
            yield document
            return
        for changed in self.figures[0].candidates(document):
            yield from Together(self.figures[1:])._each(changed)


@dataclass(frozen=True)
class Heading:
    """A heading that says another unit than its column is in."""

    claims: tuple[Claim, ...]  #: figures of the column that are right in the other unit
    unit: str  #: a key of UNITS
    others: tuple[Figure, ...] = ()  #: of the column, wrong in this unit as well

    @property
    def values(self) -> Mapping[Position, float]:
        ratio = UNITS[self.unit] / UNITS[self.claims[0].unit]
        right = {position_of(claim): claim.value * ratio for claim in self.claims}
        return {**right, **Together(tuple(map(self._moved, self.others))).values}

    def _moved(self, figure: Figure) -> Figure:
        """A figure in the unit that the heading is going to say, in as many digits as its cell has."""
        value = Decimal(figure.corrected) * Decimal(UNITS[figure.claim.unit]) / Decimal(UNITS[self.unit])
        return Figure(replace(figure.claim, unit=self.unit), f"{value:.{figure.claim.decimals}f}")

    def candidates(self, document: Document) -> Iterator[Document]:
        others = Together(tuple(map(self._moved, self.others)))
        headed = itertools.islice(self._headed(document), _TRIES)
        return itertools.chain.from_iterable(others.candidates(changed) for changed in headed)

    def _headed(self, document: Document) -> Iterator[Document]:
        """The document with each sign in the heading's lines that may be the unit, those of the column itself first."""
        first = self.claims[0]
        lines = range(first.row.table, min(position_of(claim)[0] for claim in self.claims))
        found = [spot for number in reversed(lines) for spot in self._signs(document, number, first)]
        for _, number, at in sorted(found):
            line = document.line(number)
            sign = self.unit if line[at].isupper() else self.unit.lower()
            yield document.with_line(number, line[:at] + sign + line[at + 1 :])
        for number in lines:
            for _, end in readers.cell_spans(document.file, document.line(number))[first.column : first.column + 1]:
                line = document.line(number)
                yield document.with_line(number, f"{line[:end]} ({self.unit}){line[end:]}")

    def _signs(self, document: Document, number: int, of: Claim) -> Iterator[tuple[int, int, int]]:
        """Signs of the heading's unit in a line: how unlikely each is to be it, the line, and the position."""
        line = document.line(number)
        spans = readers.cell_spans(document.file, line)[of.column : of.column + 1]
        for at, sign in enumerate(line):
            if sign.upper() in _SIGNS.get(of.unit, "") and sign.strip():
                within = any(start <= at < end for start, end in spans)
                alone = not (line[at - 1 : at].isalnum() or line[at + 1 : at + 2].isalnum())
                yield 2 * (not within) + (not alone), number, at
