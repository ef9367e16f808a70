"""Copies of documents in which the cells to be corrected differ and nothing else does.

A correction is kept only if the copy, read again, has the corrected figure in its cell and the same claims everywhere
else. That is not certain beforehand: one figure can change how its column or its row is read (its unit, its padding, a
row that becomes a heading between rows). So all corrections are tried at once, and where the copy then does not read
as intended, each half of them, and so on, until only the corrections that spoil the reading are left out. One cause is
one correction: a heading gets another unit, two cells are exchanged, or neither is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harness.checks.issues import Issue
from harness.core.errors import InputError
from harness.core.files import write_whole
from harness.report.corrections import Correction, Document, Figure, Heading, Position, Together, position_of

C = TypeVar("C", bound=Correction)


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
        return len({position_of(entry.claim) for entry in self.corrected if entry.claim})


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
    asked: dict[Position, list[Issue]] = {}
    for entry in entries:
        if entry.claim is not None and entry.corrected is not None:
            asked.setdefault(position_of(entry.claim), []).append(entry)
    if not asked:
        return text, []
    document = Document.of(next(iter(asked.values()))[0].file, text)
    figures = {position: figure for position, wrong in asked.items() if (figure := _agreed(document, position, wrong))}
    document, headings = _with_corrections(document, list(_headings(asked, figures)))
    done = {position for heading in headings for position in heading.values}
    others = {position: figure for position, figure in figures.items() if position not in done}
    document, written = _with_corrections(document, list(_of_cells(document, asked, others)))
    done.update(position for one in written for position in one.values)
    left = [entry for position, wrong in asked.items() if position not in done for entry in wrong]
    return document.text, left


def _agreed(document: Document, position: Position, entries: Sequence[Issue]) -> Figure | None:
    """The correction of a cell; None where its issues disagree, or do not cover all claims of the cell."""
    texts = {entry.corrected: entry.claim for entry in entries}
    values = [claim.value for claim in dict.fromkeys(entry.claim for entry in entries) if claim]
    [(text, claim), *others] = texts.items()
    if others or text is None or claim is None or values != document.values(position):
        return None
    return Figure(claim, text)


def _headings(asked: Mapping[Position, Sequence[Issue]], figures: Mapping[Position, Figure]) -> Iterator[Heading]:
    """A correction for each heading whose column is in another unit, with the corrections of other cells below it."""
    columns: dict[tuple[int, str, int], dict[Position, Figure]] = {}
    units: dict[tuple[int, str, int], set[str]] = {}
    for position, figure in figures.items():
        column = figure.claim.row.table, figure.claim.header, figure.claim.column
        columns.setdefault(column, {})[position] = figure
        units.setdefault(column, set()).update(entry.unit for entry in asked[position] if entry.unit)
    for column, cells in columns.items():
        if len(units[column]) == 1:
            slipped = [f.claim for position, f in cells.items() if all(entry.unit for entry in asked[position])]
            rest = [figure for figure in cells.values() if figure.claim not in slipped]
            yield Heading(tuple(slipped), next(iter(units[column])), tuple(rest))


def _of_cells(
    document: Document, asked: Mapping[Position, Sequence[Issue]], figures: Mapping[Position, Figure]
) -> Iterator[Correction]:
    """The corrections of single cells, and of those that are exchanged."""
    seen: set[Position] = set()
    for position, figure in figures.items():
        others = {position_of(claim) for entry in asked[position] for claim in entry.together} - {position}
        if position in seen or not others <= figures.keys():
            continue
        seen.update(others)
        correction = Together((figure, *(figures[other] for other in sorted(others)))) if others else figure
        if next(iter(correction.candidates(document)), None) is not None:
            yield correction


def _with_corrections(document: Document, wanted: Sequence[C]) -> tuple[Document, list[C]]:
    """The document with all corrections where it then reads as intended, else with those of each half that do."""
    intended = document.reading.changed({p: value for one in wanted for p, value in one.values.items()})
    for candidate in _candidates(document, wanted):
        if candidate.reading == intended:
            return candidate, list(wanted)
    if len(wanted) < 2:
        return document, []
    half = len(wanted) // 2
    document, first = _with_corrections(document, wanted[:half])
    document, second = _with_corrections(document, wanted[half:])
    return document, first + second


def _candidates(document: Document, wanted: Sequence[Correction]) -> Iterator[Document]:
    """Every way to write one correction; for several the most likely way only."""
    if len(wanted) == 1:
        yield from wanted[0].candidates(document)
    else:
        for one in wanted:
            document = next(iter(one.candidates(document)), document)
        yield document
