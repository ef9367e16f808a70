"""Files that are written completely or not at all, their digests, and locks."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from harness.core.cancellation import LOOK, sleep
from harness.core.errors import storing
from harness.core.paths import Location


def write_whole(path: Location, content: bytes) -> None:
    """Writes a file completely or not at all, even if interrupted or written by others at the same time."""
    if not isinstance(path, Path):
        with storing(path):
            path.write_bytes(content)  # an object is written completely or not at all
        return
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
        sync_folder(path.parent)
    except BaseException:  # above all on a full disk, which a partial file would keep full
        beside.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """The names of its files survive a power cut after this."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """Hex digest of a whole file. Raises OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of `locked`."""
    try:
        with path.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Locks a file for one process at a time; the file is left behind. Raises OSError.

    Removing it would let two processes hold locks on two files of that name.
    """
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                sleep(LOOK)
        yield
