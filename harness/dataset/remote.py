"""Images that workers cannot read where they are: on another machine, or in a column of a Parquet file.

The URLs that name them, their bytes, and their files for as long as they are needed.
"""

from __future__ import annotations

import argparse
import bisect
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.core.cancellation import side_by_side
from harness.core.errors import InputError
from harness.core.paths import Location, is_url
from harness.dataset import parquet
from harness.worker.images import ImageRef, read_image


@contextmanager
def fetched(refs: Sequence[ImageRef]) -> Iterator[list[ImageRef]]:
    """The images as local files, which is all that workers read; what was fetched lasts until the block ends."""
    away = [ref for ref in refs if is_url(ref.file) or ref.row is not None]
    if not away:
        yield list(refs)
        return
    with tempfile.TemporaryDirectory(prefix="parity-images-") as folder:
        files = {ref: Path(folder) / str(number) for number, ref in enumerate(away)}

        def fetch(part: Sequence[ImageRef]) -> None:
            for ref, content in contents(part):
                files[ref].write_bytes(content)

        side_by_side(fetch, parts(away, 1), threads=16)
        yield [
            dataclasses.replace(ref, file=str(files[ref]), offset=None, length=None, row=None) if ref in files else ref
            for ref in refs
        ]


def contents(refs: Sequence[ImageRef]) -> Iterator[tuple[ImageRef, bytes]]:
    """Each image with its bytes; rows of a Parquet file at the end, in their order. Raises InputError."""
    rows: dict[str, dict[int, ImageRef]] = {}
    for ref in refs:
        if ref.row is None:
            yield ref, read_image(ref)
        else:
            rows.setdefault(ref.file, {})[ref.row] = ref
    for file, wanted in rows.items():
        for row, content in parquet.images(file, list(wanted)):
            yield wanted[row], content


def parts(refs: Sequence[ImageRef], size: int) -> list[list[ImageRef]]:
    """The images in parts that are well read by one thread: `size` of them, or those of one group of rows."""
    plain = [ref for ref in refs if ref.row is None]
    grouped: dict[tuple[str, int], list[ImageRef]] = {}
    for ref in refs:
        if ref.row is not None:
            group = bisect.bisect_right(parquet.groups(ref.file), ref.row)
            grouped.setdefault((ref.file, group), []).append(ref)
    return [plain[start : start + size] for start in range(0, len(plain), size)] + list(grouped.values())


def image_bytes(ref: ImageRef) -> bytes:
    """The encoded image, wherever it is. Raises InputError."""
    return next(content for _, content in contents([ref]))


class LocationError(InputError, argparse.ArgumentTypeError):
    """A URL of an unknown file system; argparse prints the message as it is."""


def parse_location(text: str) -> Location:
    """The path or URL that `--data` or `--store` names. Listings are not cached: other runs may write there too.

    Raises LocationError for a URL of a file system that fsspec does not know.
    """
    if not is_url(text):
        return Path(text)
    if text.startswith("file://"):
        return Path(text.removeprefix("file://"))
    from upath import UPath  # loaded only for a URL

    try:
        return UPath(text, use_listings_cache=False)
    except ValueError as error:
        raise LocationError(f"{text}: {error}. Give a path, or a URL of a file system that fsspec knows") from error
