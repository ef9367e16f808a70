"""What is given up ends, whatever it waits for, and with it all that it has started."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.core import cancellation
from harness.core.cancellation import Abandoned, Cancellation, Cancelled, interruptible, side_by_side
from harness.core.files import locked

#: they have bounds in seconds
pytestmark = pytest.mark.timing


def interrupted(work: Callable[[], object], after: float = 0.1) -> float:
    """Seconds until the work, interrupted after as many, has ended."""
    timer = threading.Timer(after, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interruptible(work)
    timer.join()
    return time.monotonic() - started - after


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] not in "ZX"


def test_what_is_done_is_given_back() -> None:
    assert interruptible(lambda: 3) == 3
    with pytest.raises(OSError, match="no space"):
        interruptible(lambda: (_ for _ in ()).throw(OSError("no space")))


def test_what_sleeps_ends_at_once() -> None:
    seen: list[type[BaseException]] = []

    def work() -> None:
        try:
            cancellation.sleep(60)
        except BaseException as error:
            seen.append(type(error))
            raise

    assert interrupted(work) < 1
    assert seen == [Cancelled], "which no `except Exception` takes for a failure"


def test_a_signal_that_another_thread_receives_ends_it() -> None:
    def work() -> None:
        time.sleep(0.2)  # the main thread waits by now, and is not waked
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        cancellation.sleep(10)

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interruptible(work)
    assert time.monotonic() - started < 1


def test_programs_end_with_what_they_have_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = ["sh", "-c", f"sleep 60 & echo $! > {pids}; echo $$ >> {pids}; wait"]
    assert interrupted(lambda: cancellation.run(command), 0.3) < 1
    time.sleep(0.1)
    assert not [pid for pid in pids.read_text().split() if alive(int(pid))]


def test_a_program_that_does_not_end_is_killed(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = f"import signal, time; signal.signal(15, signal.SIG_IGN); open({str(ready)!r}, 'w'); time.sleep(60)"

    def work() -> None:
        cancellation.run([sys.executable, "-c", code])

    assert cancellation.GRACE <= interrupted(work, 1.0) < cancellation.GRACE + 1
    assert ready.exists()


def test_what_never_listens_is_abandoned() -> None:
    end = threading.Event()
    timer = threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    started = time.monotonic()
    with pytest.raises(Abandoned):
        interruptible(end.wait)
    assert time.monotonic() - started < 5
    end.set()


def test_who_waits_for_a_lock_ends(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with file.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def work() -> None:
            with locked(file):
                pytest.fail("it is held")

        assert interrupted(work) < 1
    with locked(file), file.open("w") as third, pytest.raises(BlockingIOError):
        fcntl.flock(third, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_all_that_is_done_side_by_side_ends() -> None:
    ended: list[int] = []

    def one(number: int) -> None:
        try:
            side_by_side(lambda _: cancellation.run(["sleep", "60"]), range(2))
        finally:
            ended.append(number)

    assert interrupted(lambda: side_by_side(one, range(3)), 0.3) < 1
    assert sorted(ended) == [0, 1, 2]


def test_side_by_side_keeps_the_order() -> None:
    begun = threading.Barrier(3)

    def one(seconds: float) -> float:
        begun.wait()
        time.sleep(seconds)
        return seconds

    assert side_by_side(one, [0.1, 0.0, 0.05]) == [0.1, 0.0, 0.05]
    assert side_by_side(one, []) == []
    assert len({*side_by_side(lambda _: threading.get_ident(), range(50), threads=3)}) <= 3


def test_one_that_raises_gives_up_the_others_and_nothing_else() -> None:
    started = time.monotonic()

    def one(number: int) -> None:
        if number == 1:
            time.sleep(0.2)
            raise OSError("no space")
        cancellation.run(["sleep", "60"])

    def work() -> str:
        with pytest.raises(OSError, match="no space"):
            side_by_side(one, range(3))
        cancellation.check()
        return cancellation.run(["echo", "goes on"]).stdout

    assert interruptible(work) == "goes on\n"
    assert time.monotonic() - started < 5


def test_nothing_is_started_once_it_was_given_up() -> None:
    given_up = Cancellation()
    given_up.cancel()
    with pytest.raises(Cancelled):
        given_up.start(["sleep", "60"])
    with pytest.raises(Cancelled), given_up.part():
        pytest.fail("it was given up")
    assert isinstance(cancellation.current(), Cancellation), "what belongs to no run is never given up"


def test_what_is_started_at_that_very_moment_ends() -> None:
    for _ in range(50):
        one = Cancellation()
        processes: list[subprocess.Popen[bytes]] = []

        def start(one: Cancellation = one, processes: list[subprocess.Popen[bytes]] = processes) -> None:
            try:
                while True:
                    processes.append(one.start(["sleep", "60"]))
            except Cancelled:
                pass

        thread = threading.Thread(target=start)
        thread.start()
        time.sleep(0.003)
        one.cancel()
        thread.join()
        assert [process.wait(timeout=5) for process in processes] == [-15] * len(processes)
