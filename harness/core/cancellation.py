"""Interruption as one mechanism: a run is given up by its cancellation, which everything that waits watches.

The main thread does nothing but wait (`interruptible`), so that a signal never interrupts other code; the
run itself is another thread. What belongs to a run knows its cancellation as `current()`: processes are started by
`Cancellation.start` and ended by `cancel`, several things are done at once by `side_by_side`, and other code that
waits calls `check` or `sleep`. Standard library alone.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

#: seconds for what is given up to end by itself, and again for it to end once its processes were killed
GRACE = 2.0
#: seconds between two checks of something that gives no signal when it happens
LOOK = 0.05
#: how many things are done at once by default
THREADS = 4

T = TypeVar("T")
R = TypeVar("R")


class Cancelled(BaseException):
    """The run was interrupted. It is not an Exception, so that it is never taken for a failure of what is measured."""


class Abandoned(KeyboardInterrupt):
    """An interruption of work that does not end: the process has to be ended without waiting for it."""


class Cancellation:
    """Whether something was given up, with its parts, and the processes that end with it."""

    def __init__(self) -> None:
        self._given_up = threading.Event()
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[Any]] = set()
        self._parts: set[Cancellation] = set()

    def cancel(self) -> None:
        """Ends all processes and lets no other be started; everything that waits raises Cancelled."""
        self._given_up.set()
        with self._lock:
            parts = set(self._parts)
        for part in parts:
            part.cancel()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the processes that did not end when they were asked to."""
        with self._lock:
            parts = set(self._parts)
        for part in parts:
            part.kill()
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with self._lock:
            for process in self._processes:
                if process.poll() is None:  # and the processes that it has started
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(process.pid, number)

    def check(self) -> None:
        """Raises Cancelled where it was given up."""
        if self._given_up.is_set():
            raise Cancelled

    def sleep(self, seconds: float) -> None:
        """Waits. Raises Cancelled as soon as it is given up."""
        if self._given_up.wait(seconds):
            raise Cancelled

    def start(self, command: list[str], **options: Any) -> subprocess.Popen[Any]:
        """A process, with options of subprocess.Popen; call `ended` once it has ended."""
        with self._lock:
            self.check()
            process = subprocess.Popen(command, start_new_session=True, **options)
            self._processes.add(process)
        return process

    def ended(self, process: subprocess.Popen[Any]) -> None:
        with self._lock:
            self._processes.discard(process)

    @contextlib.contextmanager
    def part(self) -> Iterator[Cancellation]:
        """Something that is given up with this, or alone."""
        part = Cancellation()
        with self._lock:
            self._parts.add(part)
        try:
            self.check()  # only now: either this check sees the cancellation, or the part receives it
            yield part
        finally:
            with self._lock:
                self._parts.discard(part)


_current: contextvars.ContextVar[Cancellation] = contextvars.ContextVar("cancellation")
#: for code that belongs to no run
_NEVER = Cancellation()


def current() -> Cancellation:
    """The cancellation of the run that the caller belongs to."""
    return _current.get(_NEVER)


def check() -> None:
    """Raises Cancelled where the run was given up."""
    current().check()


def sleep(seconds: float) -> None:
    """Waits. Raises Cancelled as soon as the run is given up."""
    current().sleep(seconds)


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a program, which ends with the run, and returns what it printed; options of subprocess.Popen."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    cancellation = current()
    process = cancellation.start(command, text=True, **streams, **options)
    try:
        output, errors = process.communicate()
    finally:
        cancellation.ended(process)
    cancellation.check()
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def side_by_side(one: Callable[[T], R], items: Iterable[T], threads: int = THREADS) -> list[R]:
    """`one` of every item, each in a thread; the results in the order of the items.

    Where one raises, the others are cancelled and its error is raised.
    """
    todo = list(items)
    if min(threads, len(todo)) < 2:
        return [one(item) for item in todo]
    results: dict[int, R] = {}
    errors: list[BaseException] = []
    numbered, taking = enumerate(todo), threading.Lock()

    def take() -> tuple[int, T] | None:
        with taking:
            return next(numbered, None)

    with current().part() as part:

        def work() -> None:
            _current.set(part)
            try:
                while taken := take():
                    part.check()
                    results[taken[0]] = one(taken[1])
            except BaseException as error:
                errors.append(error)
                part.cancel()

        started = [_thread(work) for _ in range(min(threads, len(todo)))]
        for thread in started:
            thread.join()  # it watches its cancellation, so it ends
    check()
    for error in errors:
        raise error  # the first: the others were given up because of it
    return [results[index] for index in range(len(todo))]


def _thread(work: Callable[[], None]) -> threading.Thread:
    """Started, with the variables of the context; it keeps no process from ending."""
    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
    thread.start()
    return thread


def interruptible(work: Callable[[], T]) -> T:
    """`work()` in a thread, while this one waits and can be interrupted at any moment.

    An interruption gives up the work, waits until it has ended, four seconds at most, and goes on as
    KeyboardInterrupt; as Abandoned where it has not ended even then.
    """
    cancellation = Cancellation()
    results: list[T] = []
    errors: list[BaseException] = []
    # of all things to wait for, only a lock can be waited for again after an interruption
    over = threading.Lock()
    over.acquire()

    def worked() -> None:
        _current.set(cancellation)
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)
        finally:
            over.release()

    try:
        _thread(worked)
        # a signal just before the wait, or one that another thread receives, does not end it: so it is a short one
        while not over.acquire(timeout=LOOK):
            pass
    except KeyboardInterrupt as interruption:
        cancellation.cancel()
        if not (results or errors or over.acquire(timeout=GRACE)):
            cancellation.kill()
            if not over.acquire(timeout=GRACE):
                raise Abandoned from interruption
        raise
    for error in errors:
        raise error
    return results[0]
