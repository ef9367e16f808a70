"""Folders and files that may be on another machine: a path, or a URL of any file system that fsspec knows."""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from upath import UPath

from harness.cancellation import side_by_side
from harness.errors import InputError
from harness.images import ImageRef, is_url, read_image

Place: TypeAlias = Path | UPath


class PlaceError(InputError, argparse.ArgumentTypeError):
    """A URL that nobody knows what to do with; argparse prints it as it is."""


def place(text: str) -> Place:
    """What `--data` and `--store` name. A listing is never taken from a cache, since others may write there, too."""
    if not is_url(text):
        return Path(text)
    if text.startswith("file://"):
        return Path(text.removeprefix("file://"))
    try:
        return UPath(text, use_listings_cache=False)
    except ValueError as error:
        raise PlaceError(f"{text}: {error}. Give a path, or a URL of a file system that fsspec knows") from error


@contextmanager
def fetched(refs: Sequence[ImageRef]) -> Iterator[list[ImageRef]]:
    """The images as local files, those of a URL for as long as this holds; workers know no file system but theirs."""
    remote = [ref for ref in refs if is_url(ref.file)]
    if not remote:
        yield list(refs)
        return
    with tempfile.TemporaryDirectory(prefix="parity-images-") as folder:

        def fetch(numbered: tuple[int, ImageRef]) -> ImageRef:
            number, ref = numbered
            if not is_url(ref.file):
                return ref
            file = Path(folder) / str(number)
            file.write_bytes(read_image(ref))
            return dataclasses.replace(ref, file=str(file), offset=None, length=None)

        yield side_by_side(fetch, enumerate(refs), threads=16)
