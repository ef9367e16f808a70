"""The sources that a cell of a table names, with their releases."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.tables.cells import Cell

_VERSION_IN_LINK = re.compile(
    r"/(?:blob|tree|tag|raw|project/[^/]+)/v?(\d+(?:\.\d+)+(?:[-.]?(?:rc|post|dev)\d*)?)(?:/|$|#|\?)"
)
_VERSION_IN_TEXT = re.compile(r"(?:\bv|==\s*|[\s(])v?(\d+(?:\.\d+)+)\b")
_NAME = re.compile(r"[A-Za-z][\w.-]*")
_SEVERAL = re.compile(r"\s*[,;&+、]\s*|\s+(?:/|and)\s+")


def sources_in(cell: Cell) -> Iterator[tuple[str, str | None, str | None]]:
    """Name, version and link of every source that a cell names."""
    only = cell.links[0][1] if len(cell.links) == 1 else None
    parts = cell.links if len(cell.links) > 1 else [(text, only) for text in _SEVERAL.split(cell.text)]
    for text, link in parts:
        if name := _NAME.search(text):
            yield name.group(0).lower(), _version(text, link), link


def release_in(link: str) -> str | None:
    """The release that an address names."""
    found = _VERSION_IN_LINK.search(link)
    return found.group(1) if found else None


def _version(text: str, link: str | None) -> str | None:
    in_text = _VERSION_IN_TEXT.search(text)
    return release_in(link or "") or (in_text.group(1) if in_text else None)
