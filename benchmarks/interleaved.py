"""Runs several evaluators over the same slices of images by turns, so that a drift of the machine hits all alike.

A contestant is a process that speaks the protocol of evaluators/serve.py. The turns go A B C, C B A, A B C, ...: each
is as often early as late. Only one computes at a time, their starting included. All stay in memory, so together they
must fit into it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: seconds before every turn: threads of the one before spin for a while (Intel's OpenMP for 0.2 s) before they sleep
PAUSE = 0.5
#: seconds that a contestant has to end after its last turn
GRACE = 10.0
#: what is told of every turn; see evaluators/serve.py
PASS = ("seconds", "images", "top1", "top5", "best", "peak_rss_mib")
#: how many of its last lines a contestant that died is quoted with
LAST_LINES = 5

Slice = tuple[int, int]  #: positions in the list of images: from, to


@dataclass(frozen=True)
class Contestant:
    """What is started, and what it is told."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]  #: all of it: nothing is inherited
    job: Mapping[str, Any]  #: the first line of its standard input


@dataclass
class Outcome:
    """What one contestant did in its turns; a figure without a turn to take it from is NaN."""

    name: str
    ready: Mapping[str, Any] = field(default_factory=dict)  #: {"ready": seconds, ...} as it said
    passes: list[Mapping[str, Any]] = field(default_factory=list)  #: what it said of every turn that counts, in order
    failure: str | None = None  #: why it ended before it was through; its turns until then stand

    @property
    def images(self) -> int:
        return sum(one["images"] for one in self.passes)

    @property
    def ms_per_image(self) -> float:
        """All seconds over all images."""
        return 1000 * sum(one["seconds"] for one in self.passes) / self.images if self.images else float("nan")

    @property
    def ms_per_image_by_slice(self) -> list[float]:
        return [1000 * one["seconds"] / one["images"] for one in self.passes]

    @property
    def best(self) -> list[list[int]]:
        """The five best classes of every image, in the order of the slices."""
        return [classes for one in self.passes for classes in one["best"]]

    @property
    def peak_rss_mib(self) -> float:
        """Of its main process, since it was started."""
        return max((one["peak_rss_mib"] for one in self.passes), default=float("nan"))

    def summary(self) -> dict[str, Any]:
        """The figures, as JSON takes them: milliseconds per image over all slices and by slice, counts, MiB."""
        told = {"name": self.name, **self.ready, "images": self.images, "failure": self.failure}
        if not self.passes:
            return told
        by_slice = self.ms_per_image_by_slice
        return {
            **told,
            "ms_per_image": round(self.ms_per_image, 2),
            "slices": {
                "number": len(by_slice),
                "min": round(min(by_slice), 2),
                "median": round(statistics.median(by_slice), 2),
                "max": round(max(by_slice), 2),
            },
            "top1": sum(one["top1"] for one in self.passes),
            "top5": sum(one["top5"] for one in self.passes),
            "peak_rss_mib": self.peak_rss_mib,
        }


class Failed(Exception):
    """A contestant ended too early or does not keep to the protocol; the message says how."""


def slices(images: int, size: int, rounds: int = 1) -> list[Slice]:
    """The list of images cut into slices of `size`, the last one what is left, all of it `rounds` times."""
    return [(start, min(start + size, images)) for start in range(0, images, size)] * rounds


def run(
    contestants: Sequence[Contestant],
    turns: Sequence[Slice],
    warm_up: Slice | None = None,
    pause: float = PAUSE,
    told: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Every contestant over every slice; outcomes in the order of the contestants.

    A slice to warm up with is run by each first and does not count. `told` hears of an outcome after each of its
    turns. Whoever fails has no more turns, and the others go on.
    """
    outcomes = [Outcome(contestant.name) for contestant in contestants]
    processes: dict[int, _Process] = {}
    with contextlib.ExitStack() as running:
        for index, images, counts in _order(len(contestants), turns, warm_up):
            outcome = outcomes[index]
            if outcome.failure:
                continue
            time.sleep(pause)
            try:
                if images is None:
                    processes[index] = running.enter_context(_started(contestants[index]))
                    outcome.ready = processes[index].ask(contestants[index].job, ("ready",))
                else:
                    said = processes[index].ask({"images": images}, PASS)
                    if not said["images"] == len(said["best"]) == images[1] - images[0]:
                        raise Failed(f"answered for {said['images']} images when asked for those of {images}")
                    outcome.passes += [said] if counts else []
            except (Failed, OSError) as failure:
                outcome.failure = str(failure)
                if index in processes:
                    processes[index].kill()
            told(outcome)
    return outcomes


def _order(contestants: int, turns: Sequence[Slice], warm_up: Slice | None) -> Iterator[tuple[int, Slice | None, bool]]:
    """Whose turn it is, what it runs (None: it is started), and whether that counts."""
    everyone = range(contestants)
    yield from ((index, None, False) for index in everyone)
    if warm_up:
        yield from ((index, warm_up, False) for index in everyone)
    for number, images in enumerate(turns):
        yield from ((index, images, True) for index in (everyone if number % 2 == 0 else reversed(everyone)))


class _Process:
    """The driver's side of a running contestant."""

    def __init__(self, process: subprocess.Popen[str], stderr: Any) -> None:
        self._process = process
        self._stderr = stderr

    def ask(self, line: Mapping[str, Any], expected: Sequence[str]) -> Mapping[str, Any]:
        """What it answers to one line of input. Raises Failed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # one that died has an exit status that says more
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(line) + "\n")
            self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer.endswith("\n"):
            raise Failed(self._death())
        try:
            said = json.loads(answer)
        except json.JSONDecodeError:
            raise Failed(f"said what is no JSON: {answer.strip()[:200]}") from None
        if not isinstance(said, dict) or (missing := [name for name in expected if name not in said]):
            lacks = f"lacks {', '.join(missing)}" if isinstance(said, dict) else "is no JSON object"
            raise Failed(f"said what {lacks}: {answer.strip()[:200]}")
        return said

    def kill(self) -> None:
        """Ends it and the loading workers that it has, which are of the same session."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _death(self) -> str:
        try:
            status = self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            return "closed its output without ending"
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        self._stderr.seek(0)
        # a progress bar goes back to the start of its line
        written = self._stderr.read().decode(errors="replace").replace("\r", "\n").splitlines()
        last = [text.rstrip() for text in written if text.strip()][-LAST_LINES:]
        return "\n".join([f"{how}; its last lines:", *last] if last else [f"{how} and wrote nothing"])


@contextlib.contextmanager
def _started(contestant: Contestant) -> Iterator[_Process]:
    """The running process; at the end it and all that it started are gone."""
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            contestant.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=contestant.environment,
            encoding="utf-8",
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        running = _Process(process, stderr)
        try:
            yield running
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
        finally:
            running.kill()
            process.wait()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.stdout.close()
