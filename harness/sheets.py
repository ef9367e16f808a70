"""Files -> tables as text, whatever the files are written in."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from harness import markdown
from harness.cells import Cell, Problem, Sheet
from harness.errors import InputError

__all__ = ["Cell", "Problem", "Sheet", "read"]

_SEPARATORS = {".csv": ",", ".tsv": "\t"}


def read(path: Path) -> tuple[list[Sheet], list[Problem]]:
    """The tables of a file: one in a .csv or .tsv, any number in any other, which is Markdown.

    Raises InputError where the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        separator = _SEPARATORS.get(path.suffix.lower())
        return markdown.read(str(path), text) if separator is None else (_separated(str(path), text, separator), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot read the table: {error}") from error


def _separated(file: str, text: str, separator: str) -> list[Sheet]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows, before = [], 0
    for cells in reader:
        if any(cell.strip() for cell in cells):
            rows.append((before + 1, tuple(Cell(" ".join(cell.split())) for cell in cells)))
        before = reader.line_num  # a quoted cell may go over several lines
    return [Sheet(file, rows[0][0], rows[0][1], tuple(rows[1:]))] if rows else []
