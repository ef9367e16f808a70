"""The two ways in which a run can end badly without a claim being wrong."""

from __future__ import annotations

import errno
import os
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
    """Turns an OSError about `path`, or whatever goes wrong with a URL, into an InputError that names it."""
    try:
        yield
    except OSError as error:
        missing = os.strerror(errno.ENOENT) if isinstance(error, FileNotFoundError) else ""
        why = error.strerror or missing or str(error) or type(error).__name__
        raise InputError(f"{path}: cannot be read: {why}. Check the path and its permissions") from error
    except InputError:
        raise
    except Exception as error:  # every file system has exceptions of its own
        if "://" not in str(path):
            raise
        why = str(error) or type(error).__name__
        raise InputError(f"{path}: cannot be read: {why}. Check the address and your credentials") from error
