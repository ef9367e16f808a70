"""Files -> raw tables: Markdown with HTML tables, reStructuredText, .csv and .tsv, and lists of models in YAML."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from harness.core.errors import InputError
from harness.tables.cells import Cell, Problem, RawTable
from harness.tables.formats import markdown, models_list, rst

__all__ = ["Cell", "Problem", "RawTable", "cell_spans", "parse", "read"]

_SEPARATORS = {".csv": ",", ".tsv": "\t"}


def read(path: Path) -> tuple[list[RawTable], list[Problem]]:
    """The tables of a file: by its ending separated values, reStructuredText or YAML, else Markdown.

    Raises InputError where the file cannot be read.
    """
    try:
        return parse(str(path), path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(f"{path}: cannot read the table: {why}. Check the path and its permissions") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: cannot read the table: not UTF-8 ({error}). Save it as UTF-8") from error
    except csv.Error as error:
        raise InputError(f"{path}: cannot read the table: {error}. Correct the file") from error


def parse(file: str, text: str) -> tuple[list[RawTable], list[Problem]]:
    """The raw tables in the text of a file. Raises csv.Error for a broken .csv or .tsv."""
    separator = _separator(file)
    if separator is not None:
        return _separated(file, text, separator), []
    ending = Path(file).suffix.lower()
    if ending in (".yml", ".yaml"):
        return models_list.read(file, text)
    return rst.read(file, text) if ending == ".rst" else markdown.read(file, text)


def cell_spans(file: str, line: str) -> list[tuple[int, int]]:
    """Where the cells of a line of a table start and end; of a cell over several lines, its part in this line."""
    separator = _separator(file)
    ending = Path(file).suffix.lower()
    if ending in (".yml", ".yaml"):
        return models_list.cell_spans(line)
    if ending == ".rst":
        return rst.cell_spans(line)
    if separator is None:
        return markdown.cell_spans(line)
    cells = re.finditer(rf'(?:^|{separator})("(?:[^"]|"")*"|[^{separator}]*)', line)
    return [cell.span(1) for cell in cells]


def _separator(file: str) -> str | None:
    return _SEPARATORS.get(Path(file).suffix.lower())


def _separated(file: str, text: str, separator: str) -> list[RawTable]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows, before = [], 0
    for cells in reader:
        if any(cell.strip() for cell in cells):
            rows.append((before + 1, tuple(Cell(" ".join(cell.split())) for cell in cells)))
        before = reader.line_num  # a quoted cell may go over several lines
    return [RawTable(file, rows[0][0], rows[0][1], tuple(rows[1:]))] if rows else []
