"""How a command of the terminal ends: with its exit status, an error in words, or an interruption within seconds."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn

INTERRUPTED = 130
FAILED = 2
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def start(main: Callable[[], int]) -> NoReturn:
    """Runs a command of which nothing was imported yet, and ends the process with its status."""
    _set(_exit)
    status = INTERRUPTED
    with contextlib.suppress(KeyboardInterrupt):
        status = main()
    _set(signal.SIG_IGN)  # the command is done; a late signal must not change its status
    gc.freeze()  # else the interpreter visits all objects of all libraries before it ends, for half a second
    sys.exit(status)


def guarded(work: Callable[[], int], saved: object = None) -> int:
    """The exit status of `work`; prints why where that raises, and ends what it has started where it is interrupted.

    `saved` is where completed measurements are. What the user can fix is one line: a HarnessError, or an OSError of the
    disk. Anything else is a fault of the harness and has its traceback.
    """
    from harness.core.cancellation import Abandoned, interruptible
    from harness.core.errors import HarnessError, InputError

    resume = f"Completed measurements are saved in {saved}. " if saved is not None else ""
    try:
        with raising():
            return interruptible(work)
    except InputError as error:
        _say(f"error: {error}")
    except KeyboardInterrupt as interruption:
        _say(f"interrupted. {resume}Run the same command again to {'resume' if saved is not None else 'repeat it'}")
        if isinstance(interruption, Abandoned):
            os._exit(INTERRUPTED)
        return INTERRUPTED
    except Exception as error:
        again = f"{resume}Fix the problem and run the same command again{' to resume' if saved is not None else ''}."
        if isinstance(error, HarnessError | OSError):
            _say(f"error: {str(error).rstrip('.') or type(error).__name__}. {again}")
        else:
            import traceback

            traceback.print_exc()
            _say(
                "error: this is a fault of the harness, not of the table, the data or the machine. Please report it "
                f"with the traceback above. {resume}"
                + ("The same command resumes there once the fault is fixed." if saved is not None else "")
            )
    return FAILED


def _say(text: str) -> None:
    print(text.rstrip(), file=sys.stderr)


@contextlib.contextmanager
def raising() -> Iterator[None]:
    """Within it the first signal raises KeyboardInterrupt, and later ones do not disturb the clean-up."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
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
        os.write(2, b"interrupted before anything was started\n")
    os._exit(INTERRUPTED)
