"""A checkpoint of whatever format with other names in it, as a file has that another package wrote."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable

#: a shorter name, in bytes, is found among the values of weights by chance
_SHORTEST = 4


def renamed(content: bytes, names: Iterable[str]) -> bytes | None:
    """The file with small and capital letters of each of the names exchanged; None where they are not found in it.

    The names keep their length, so that files of most formats stay whole: pickles, HDF5, safetensors, and archives of
    such files or with a file for each entry, whose checksums are computed again.
    """
    asked = {name.encode() for name in names}
    if zipfile.is_zipfile(io.BytesIO(content)):
        return _archive(content, asked)
    return _text(content, asked)


def _text(content: bytes, names: set[bytes]) -> bytes | None:
    if any(len(name) < _SHORTEST or name not in content or name.swapcase() == name for name in names):
        return None
    # the longest first: names are parts of others
    found = re.compile(b"|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)))
    return found.sub(lambda match: match[0].swapcase(), content)


def _archive(content: bytes, names: set[bytes]) -> bytes | None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {part.filename: archive.read(part) for part in archive.infolist()}
    # the suffix of a part is that of its own format
    entries = {name: name.rpartition(".")[0] for name in parts}
    if names <= {entry.encode() for entry in entries.values()}:
        swapped = {
            own.swapcase() + name.removeprefix(own) if own.encode() in names else name: parts[name]
            for name, own in entries.items()
        }
    else:
        changed = {name: _text(part, names) for name, part in parts.items()}
        if not any(changed.values()):
            return None
        swapped = {name: changed[name] or part for name, part in parts.items()}
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, part in swapped.items():
            archive.writestr(name, part)
    return written.getvalue()
