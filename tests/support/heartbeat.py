"""A line of progress each half minute, so that a log shows which tests take long; a plugin of tests/conftest.py."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

#: tests that one line names at most
NAMED = 3


class Heartbeat:
    """Counts tests in the process that reports them, which under xdist is not one of those that run them."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._began = time.monotonic()
        self._running: dict[str, float] = {}  #: test -> when it was started, seconds of time.monotonic
        self._done = 0
        self._total = 0
        self._over = threading.Event()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Iterator[None]:
        self._total = self._total or session.testscollected
        capture = session.config.pluginmanager.getplugin("capturemanager")
        # what a test writes is captured; these lines must not be part of it
        with capture.global_and_fixture_disabled():
            output = os.dup(1)
        thread = threading.Thread(target=self._print, args=(output,), daemon=True)
        thread.start()
        try:
            return (yield)
        finally:
            self._over.set()
            thread.join()
            os.close(output)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        self._total = len(ids)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._running[nodeid] = time.monotonic()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._running.pop(nodeid, None)
        self._done += 1

    def _print(self, output: int) -> None:
        while not self._over.wait(self._interval):
            os.write(output, f"\n{self.line()}\n".encode())

    def line(self) -> str:
        """Minutes, tests done, and the tests that have been running longest."""
        now = time.monotonic()
        longest = sorted(self._running.copy().items(), key=lambda one: one[1])[:NAMED]
        running = ", ".join(f"{name.rpartition('/')[2]} ({now - since:.0f} s)" for name, since in longest)
        minutes, seconds = divmod(int(now - self._began), 60)
        done = f"{self._done} of {self._total or '?'} tests are done"
        return f"[{minutes}:{seconds:02}] {done}; running: {running or 'none'}"


def pytest_addoption(parser: pytest.Parser) -> None:
    what = "print a line of progress this often (default: never)"
    parser.addoption("--heartbeat", type=float, default=0.0, metavar="SECONDS", help=what)


def pytest_configure(config: Any) -> None:
    interval = config.getoption("--heartbeat")
    if interval and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Heartbeat(interval), "progress lines")
