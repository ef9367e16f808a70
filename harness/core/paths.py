"""Folders and files that may be on another machine: a path, or a URL of any file system that fsspec knows."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from harness.core.errors import InputError

if TYPE_CHECKING:
    from upath import UPath

Place: TypeAlias = "Path | UPath"


def is_url(text: str) -> bool:
    return re.match(r"[\w+.:-]+://", text) is not None


class PlaceError(InputError, argparse.ArgumentTypeError):
    """A URL that nobody knows what to do with; argparse prints it as it is."""


def place(text: str) -> Place:
    """What `--data` and `--store` name. A listing is never taken from a cache, since others may write there, too."""
    if not is_url(text):
        return Path(text)
    if text.startswith("file://"):
        return Path(text.removeprefix("file://"))
    from upath import UPath  # only where somebody names a URL

    try:
        return UPath(text, use_listings_cache=False)
    except ValueError as error:
        raise PlaceError(f"{text}: {error}. Give a path, or a URL of a file system that fsspec knows") from error
