"""The ways in which a run can end badly without a claim being wrong. Any other exception is a fault of the harness."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar


class HarnessError(Exception):
    """What is not a fault of the harness; `code` names its kind for programs."""

    code: ClassVar[str] = "error"


class InputError(HarnessError):
    """Something the user gave cannot be used.

    The message says what, where (file and line, image, row), what was expected and what to do;
    the command line prints it alone and exits with status 2.
    """

    code = "input"


class MeasurementError(HarnessError):
    """Something that was asked for could not be measured; everything else still is."""

    code = "measurement"


class StoreError(HarnessError, OSError):
    """The store cannot be read or written at present. What was measured before is kept."""

    code = "store"


@contextmanager
def readable(path: Path | str) -> Iterator[None]:
    """Turns an OSError about `path`, or any failure of a URL, into an InputError that names it."""
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


@contextmanager
def storing(path: object) -> Iterator[None]:
    """Turns what the file system of a URL raises into a StoreError; an OSError says what is wrong by itself.

    Only calls of that file system may be within, so that a fault of the harness is never reported as one of its errors.
    """
    try:
        yield
    except (OSError, HarnessError):
        raise
    except Exception as error:  # every file system has exceptions of its own
        if "://" not in str(path):
            raise
        raise StoreError(str(error) or f"{path}: {type(error).__name__}") from error
