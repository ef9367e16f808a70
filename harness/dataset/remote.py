"""Images on another machine: the URLs that name them, and their download for as long as they are needed."""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.core.cancellation import side_by_side
from harness.core.errors import InputError
from harness.core.paths import Location, is_url
from harness.worker.images import ImageRef, read_image


@contextmanager
def fetched(refs: Sequence[ImageRef]) -> Iterator[list[ImageRef]]:
    """The images as local files, which is all that workers read; downloads of URLs last until the block ends."""
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
