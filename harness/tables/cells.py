"""A table as text, before its columns are understood, and a line in it that cannot be read."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.paths import LineEntry, line_entry, shown_line


@dataclass(frozen=True)
class Cell:
    """The text of a cell without markup; superscripts follow a caret, such as 10^6."""

    text: str
    links: tuple[tuple[str, str], ...] = ()  #: text and address
    #: 1-based line and 0-based position in it, of a cell that stands elsewhere than its row and its column say
    place: tuple[int, int] | None = None
    across: int = 1  #: columns that it spans


@dataclass(frozen=True)
class RawTable:
    """A table as text."""

    file: str  #: path as the user gave it
    line: int  #: 1-based, of the heading
    heading: tuple[Cell, ...]
    rows: tuple[tuple[int, tuple[Cell, ...]], ...]  #: 1-based line and cells, as many as the row has
    source: str | None = None  #: that all figures are of, where no column says it
    version: str | None = None  #: of that source, without "v"
    section: tuple[str, ...] = ()  #: the headings of the page above it, the outermost first
    above: str = ""  #: the text between the last of these headings and the table
    links: tuple[str, ...] = ()  #: addresses that the whole page links to


@dataclass(frozen=True)
class Problem:
    """A line of a table that cannot be read, or a note about one."""

    file: str
    line: int  #: 1-based
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"

    @property
    def where(self) -> str:
        """File and line for a reader of a report."""
        return shown_line(self.file, self.line)

    @property
    def entry(self) -> LineEntry:
        """File and line as the evidence of a finding."""
        return line_entry(self.file, self.line)
