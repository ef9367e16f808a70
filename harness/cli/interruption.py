"""What SIGINT and SIGTERM do to a command of the terminal: it ends within seconds with status 130."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn

INTERRUPTED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def start(main: Callable[[], int]) -> NoReturn:
    """Has a command run, of which nothing was imported yet, and ends the process with its status."""
    _set(_exit)
    status = INTERRUPTED
    with contextlib.suppress(KeyboardInterrupt):
        status = main()
    _set(signal.SIG_IGN)  # it is done, whatever still comes
    sys.exit(status)


@contextlib.contextmanager
def raising() -> Iterator[None]:
    """In here the first signal raises KeyboardInterrupt, and no other disturbs what is ended because of it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are not for it
        return
    before = [signal.getsignal(number) for number in SIGNALS]
    _set(_raise)
    try:
        yield
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)


def _set(handler: signal.Handlers | Callable[..., object]) -> None:
    for number in SIGNALS:
        signal.signal(number, handler)


def _raise(*_: object) -> NoReturn:
    _set(signal.SIG_IGN)
    raise KeyboardInterrupt


def _exit(*_: object) -> NoReturn:
    with contextlib.suppress(OSError):
        os.write(2, b"interrupted before anything was begun\n")
    os._exit(INTERRUPTED)
