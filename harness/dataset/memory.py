"""What was seen of the bytes of images, remembered as long as their files keep path, size and time.

Files on other machines are read each time. Standard library alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.files import write_whole
from harness.core.paths import is_url
from harness.dataset.facts import Facts
from harness.worker.images import ImageRef

#: of what is written; another one is not read
_VERSION = 1
#: nanoseconds; a file may be written again within the resolution of its time, which some file systems keep in 2 s
_SETTLED = 2 * 10**9


@dataclass(frozen=True)
class Seen:
    """What the bytes of an image are."""

    sha256: str  #: hex
    facts: Facts


class Memory:
    """What is known of the images of one folder or archive, in a file of a folder that runs share."""

    def __init__(self, folder: Path | None, location: str) -> None:
        """Nothing is remembered without a folder."""
        key = hashlib.sha256(location.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        self._file = folder / f"{key}.json" if folder else None
        self._stamps: dict[str, tuple[int, int, int] | None] = {}
        self._entries = self._read()

    def known(self, ref: ImageRef) -> Seen | None:
        """What was seen of this image; None where its file may have changed since, or was never read."""
        entry = self._entries.get(_key(ref))
        stamp = self._stamp(ref.file)
        if entry is None or stamp is None or entry[:3] != list(stamp):
            return None
        try:
            return Seen(entry[3], Facts(*entry[4:]))
        except (TypeError, IndexError):
            return None

    def keep(self, seen: Mapping[ImageRef, Seen]) -> None:
        """Remembers what was seen of images. What cannot be written is read again another time."""
        if self._file is None or not seen:
            return
        now = time.time_ns()
        for ref, one in seen.items():
            stamp = self._stamp(ref.file)
            if stamp is not None and now - max(stamp[1:]) > _SETTLED:
                self._entries[_key(ref)] = [*stamp, one.sha256, *one.facts]
        content = json.dumps({"version": _VERSION, "facts": list(Facts._fields), "images": self._entries})
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._file, content.encode("ascii"))

    def _stamp(self, file: str) -> tuple[int, int, int] | None:
        """Size in bytes and the times of the last change of content and entry, in nanoseconds."""
        if file not in self._stamps:
            self._stamps[file] = None
            if self._file is not None and not is_url(file):
                with contextlib.suppress(OSError):
                    found = Path(file).stat()
                    self._stamps[file] = (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        return self._stamps[file]

    def _read(self) -> dict[str, list[Any]]:
        if self._file is None:
            return {}
        try:
            content = json.loads(self._file.read_bytes())
            fits = (content["version"], content["facts"]) == (_VERSION, list(Facts._fields))
            return dict(content["images"]) if fits else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}


def _key(ref: ImageRef) -> str:
    return f"{ref.file}\0{'' if ref.offset is None else ref.offset}\0{'' if ref.row is None else ref.row}"
