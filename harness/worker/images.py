"""Labelled images as a worker is given them, and their bytes. Standard library alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import InputError, readable
from harness.core.paths import is_url


@dataclass(frozen=True)
class ImageRef:
    """Where one labelled image is."""

    name: str  #: path inside the data set, "/" separators, what is not UTF-8 as \xNN; unique
    label: int  #: class index, 0..999, in the order of the sorted synsets
    file: str  #: absolute path of the file that holds the bytes: the image, or the tar
    offset: int | None  #: bytes from the start of an uncompressed tar; None for a plain file
    length: int | None  #: bytes inside the tar; None for a plain file
    row: int | None = None  #: of a Parquet file, from 0; the bytes of such images are taken out before workers get them


def read_image(ref: ImageRef) -> bytes:
    """The encoded image; opens its file each time, so any thread may call it. Raises InputError."""
    if ref.row is not None:
        raise ValueError(f"{ref.name} is row {ref.row} of {ref.file}, which harness.dataset.reading takes out")
    with readable(ref.file):
        content = _remote_bytes(ref) if is_url(ref.file) else _local_bytes(ref)
    if ref.length not in (None, len(content)):
        raise InputError(
            f"{ref.file}: {ref.name} has {len(content)} of its {ref.length} bytes. The tar is cut off, or "
            "has changed since it was opened: check its size and start again"
        )
    return content


def _local_bytes(ref: ImageRef) -> bytes:
    with Path(ref.file).open("rb") as file:
        if ref.offset:
            file.seek(ref.offset)
        return file.read(-1 if ref.length is None else ref.length)


def _remote_bytes(ref: ImageRef) -> bytes:
    """In one request; a file that is opened asks first how large it is and then reads many images ahead."""
    import fsspec

    system, path = fsspec.core.url_to_fs(ref.file)
    start = ref.offset or 0
    content: bytes = system.cat_file(path, start=start, end=None if ref.length is None else start + ref.length)
    return content


_JPEG, _PNG, _PNG_END = b"\xff\xd8", b"\x89PNG", b"IEND"


#: a marker that is neither a stuffed FF nor a restart; only the end has no length behind it
_JPEG_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")

_JPEG_END = b"\xd9"


def truncation(image: bytes) -> str | None:
    """Why an encoded image is incomplete, or None."""
    if not image:
        return "the file is empty"
    if image.startswith(_JPEG) and not _has_end(image):
        return f"the JPEG is truncated: no end marker in its {len(image)} bytes"
    if image.startswith(_PNG) and image.find(_PNG_END, -64) < 0:
        return f"the PNG is truncated: no end chunk in its {len(image)} bytes"
    return None


def _has_end(jpeg: bytes) -> bool:
    """Whether the image's own end marker is there.

    Segments are skipped by their length (ITU-T T.81, B.1.1.4), so that a thumbnail's marker does not count.
    """
    marker = _JPEG_MARKER.search(jpeg, len(_JPEG))
    while marker and marker.group(1) != _JPEG_END:
        length = int.from_bytes(jpeg[marker.end() : marker.end() + 2], "big")
        marker = _JPEG_MARKER.search(jpeg, marker.end() + length)
    return marker is not None
