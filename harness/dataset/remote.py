"""Images that are on another machine, brought here for as long as they are needed."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.core.cancellation import side_by_side
from harness.core.paths import is_url
from harness.worker.images import ImageRef, read_image


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
