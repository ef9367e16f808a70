"""The two ways in which a run can end badly without a claim being wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InputError(Exception):
    """Something the user gave cannot be used.

    The message says what, where (file and line, image, row), what was expected and what to do;
    the command line prints it alone and exits with status 2.
    """


class MeasurementError(Exception):
    """Something that was asked for could not be measured; everything else still is."""


@contextmanager
def readable(path: Path | str) -> Iterator[None]:
    """Turns an OSError about `path` into an InputError that names it."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(f"{path}: cannot be read: {why}. Check the path and its permissions") from error
