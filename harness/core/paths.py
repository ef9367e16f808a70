"""Folders and files that may be on another machine: a path, or a URL of any file system that fsspec knows."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypedDict

if TYPE_CHECKING:
    from upath import UPath

Location: TypeAlias = "Path | UPath"


def is_url(text: str) -> bool:
    return re.match(r"[\w+.:-]+://", text) is not None


class LineEntry(TypedDict):
    """A line of a document, as `report.json` names it."""

    file: str  #: as `shown_file` writes it
    line: int  #: 1-based


def shown_file(path: str | Location, above: int = 0) -> str:
    """A file or folder as a reader of a report finds it:

    - a URL as it is;
    - what lies below the working directory, relative to that;
    - a relative path to somewhere else, as it was given;
    - an absolute path to somewhere else, relative to the working directory where that takes at most `above` steps up,
      else its name alone: a report does not show the folders of a machine.
    """
    return _shown(str(path), above, os.getcwd())  # noqa: PTH109 - faster than a Path


@functools.lru_cache(maxsize=4096)  # a report names few files very often
def _shown(file: str, above: int, _cwd: str) -> str:
    if is_url(file):
        return file
    relative = Path(os.path.relpath(os.path.abspath(file)))  # noqa: PTH100 - a link stays what the repository has
    steps = relative.parts.count("..")
    if not steps:
        return relative.as_posix()
    if not Path(file).is_absolute():
        return file
    to_root = steps == len(Path.cwd().parts) - 1  # the whole path from the root would be in it
    return relative.as_posix() if steps <= above and not to_root else Path(file).name


def shown_line(file: str, line: int) -> str:
    """A line of a document for a reader, "README.md:7"."""
    return f"{shown_file(file)}:{line}"


def line_entry(file: str, line: int) -> LineEntry:
    """A line of a document for report.json."""
    return {"file": shown_file(file), "line": line}
