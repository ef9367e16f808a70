"""A table as text, before anyone knows what it says, and a place in it that cannot be read."""

from __future__ import annotations

import itertools
import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

_NOTE = re.compile(r"(?:\s*(?:\[\^[^\]]*\]|\^[^\s^]+|[*†‡§¶`]))+$")


@dataclass(frozen=True)
class Cell:
    """What a cell shows, without markup. What is raised follows a caret, such as 10^6."""

    text: str
    links: tuple[tuple[str, str], ...] = ()  #: text and address


@dataclass(frozen=True)
class Sheet:
    """A table as text."""

    file: str  #: path as the user gave it
    line: int  #: 1-based, of the heading
    heading: tuple[Cell, ...]
    rows: tuple[tuple[int, tuple[Cell, ...]], ...]  #: 1-based line and cells, as many as stand there
    source: str | None = None  #: whose figures they are where no column says it
    version: str | None = None  #: of that source, without "v"


@dataclass(frozen=True)
class Problem:
    """A place in a table that cannot be read as the claim it seems to be."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"

    @property
    def place(self) -> dict[str, str | int]:
        """Where it is, as the evidence of a finding."""
        return {"file": shown_file(self.file), "line": self.line}


def shown_file(file: str) -> str:
    """A file as a reader finds it: from the working directory where it lies below that, else as it was given.

    Of a path from the root that is its name alone, since a report is no place for a machine's folders.
    """
    here, path = Path.cwd(), Path(os.path.abspath(file))  # noqa: PTH100 - a link stays what the repository has
    if path.is_relative_to(here):
        return path.relative_to(here).as_posix()
    return path.name if Path(file).is_absolute() else file


def plain(text: str) -> str:
    """The same text in the characters of a keyboard: one width, one dash, one kind of space, raised ones after ^."""
    runs = itertools.groupby(text, key=_is_raised)
    joined = "".join("^" * raised + unicodedata.normalize("NFKC", "".join(run)) for raised, run in runs)
    kept = (char for char in joined if char.isspace() or unicodedata.category(char) not in ("Cc", "Cf"))
    return " ".join("".join("-" if _is_dash(char) else char for char in kept).split())


def without_notes(text: str) -> str:
    """A text of `plain` without the signs at its end that point to a footnote."""
    return _NOTE.sub("", text).strip("* `")


def _is_raised(char: str) -> bool:
    return unicodedata.decomposition(char).startswith(("<super>", "<circle>"))


def _is_dash(char: str) -> bool:
    return unicodedata.category(char) == "Pd" or char == "\N{MINUS SIGN}"
