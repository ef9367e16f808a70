"""What the cache holds: environments, converted networks, weights, photographs; how large it is, and what nobody needs.

Nothing is removed that is being made, or that an installed source would use now, unless it was not used for as long as
the caller says.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.core.errors import HarnessError
from harness.core.files import is_locked
from harness.execution.environments import cache, environment_plan
from harness.execution.registry import sources

State = Literal["ready", "unfinished", "replaced", "no source"]

_ENVIRONMENT = re.compile(r"(?P<rest>.+)-[0-9a-f]{16}")
_DAY = 86_400.0


@dataclass(frozen=True)
class Entry:
    """A file or folder that is kept."""

    kind: str  #: the folder of the cache that it is in
    name: str
    path: Path
    size: int  #: bytes; environments share most of theirs with each other and with uv's own cache
    used: float  #: seconds since the epoch
    state: State = "ready"

    @property
    def is_needed(self) -> bool:
        return self.state == "ready"


def entries() -> list[Entry]:
    """Everything in the cache, the largest first within its kind."""
    found = []
    for folder in sorted(_listed(cache())):
        if folder.is_dir() and not folder.is_symlink():
            inside = [_entry(folder.name, path) for path in _listed(folder) if path.suffix != ".lock"]
            found += sorted(inside, key=lambda entry: -entry.size)
    return found


def useless(every: Sequence[Entry], unused_for: float | None) -> list[Entry]:
    """What no installed source would use, and what was not used for so many days where a number is given."""
    now = time.time()
    return [
        entry
        for entry in every
        if not entry.is_needed or (unused_for is not None and now - entry.used > unused_for * _DAY)
    ]


def remove(entry: Entry) -> bool:
    """Whether it was removed; not while another process makes it. Raises OSError."""
    if is_locked(entry.path.with_name(f"{entry.path.name}.lock")):
        return False
    if entry.path.is_dir() and not entry.path.is_symlink():
        shutil.rmtree(entry.path)
    else:
        entry.path.unlink(missing_ok=True)
    return True


def _entry(kind: str, path: Path) -> Entry:
    state: State = "ready"
    complete = path / "complete"
    if kind == "environments":
        state = _state(path)
    used = complete if complete.is_file() else path
    return Entry(kind, path.name, path, sum(_sizes(path)), used.lstat().st_mtime, state)


def _state(folder: Path) -> State:
    """Whether an installed source would use an environment as it is."""
    name = _ENVIRONMENT.fullmatch(folder.name)
    if name is None or not (folder / "complete").is_file():
        return "unfinished"
    for spec in sources().values():
        if not name["rest"].startswith(f"{spec.name}-"):
            continue
        version = name["rest"].removeprefix(f"{spec.name}-")
        named, _, runtime = version.rpartition("-")
        for release, also in ((version, "native"), (named, runtime)):
            with contextlib.suppress(HarnessError):
                if release and environment_plan(spec, release, also).folder.name == folder.name:
                    return "ready"
        return "replaced"
    return "no source"


def _listed(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _sizes(path: Path) -> Iterator[int]:
    """Bytes of each file; what is linked to is not followed."""
    if not path.is_dir() or path.is_symlink():
        yield path.lstat().st_size
        return
    for parent, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                yield (Path(parent) / name).lstat().st_size
