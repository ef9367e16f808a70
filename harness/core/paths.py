"""Folders and files that may be on another machine: a path, or a URL of any file system that fsspec knows."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from upath import UPath

Location: TypeAlias = "Path | UPath"


def is_url(text: str) -> bool:
    return re.match(r"[\w+.:-]+://", text) is not None


def shown_file(file: str) -> str:
    """A file as a reader finds it: from the working directory where it lies below that, else as it was given.

    Of a path from the root that is its name alone, since a report is no place for a machine's folders.
    """
    here, path = Path.cwd(), Path(os.path.abspath(file))  # noqa: PTH100 - a link stays what the repository has
    if path.is_relative_to(here):
        return path.relative_to(here).as_posix()
    return path.name if Path(file).is_absolute() else file


def shown_path(path: Location) -> str:
    """A path as somebody elsewhere can use it: relative to here, or its name alone; a URL as it is."""
    if not isinstance(path, Path):
        return str(path)
    relative = os.path.relpath(path)
    return path.name if relative.startswith("../../..") else relative
