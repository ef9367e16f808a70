"""Progress of a run: shown on a terminal, or not at all."""

from __future__ import annotations

import math
import threading
import time

from rich.console import Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from harness.cli.terminal import console_for, print_preview, settled_line
from harness.core.findings import Finding
from harness.core.records import Verdict
from harness.core.text import plural
from harness.plan.preview import Preview


class Silent:
    """No output at all."""

    def stage(self, text: str) -> None: ...

    def estimate(self) -> None: ...

    def images(self, run: str, done: int, total: int, added: int, seconds: float) -> None: ...

    def networks(self, what: str, model: str, done: int, total: int, workers: int) -> None: ...

    def settled(self, one: Finding | Verdict) -> None: ...


class Terminal:
    """Progress on standard error: live bars on a terminal, occasional lines elsewhere."""

    EVERY = 30.0  #: seconds between two lines about one run where there is no terminal

    def __init__(self, quiet: bool = False) -> None:
        self.console = console_for(stderr=True, quiet=quiet)
        self._lock = threading.Lock()
        self._bars: dict[str, TaskID] = {}
        self._rates: dict[str, tuple[int, float]] = {}
        self._said: dict[str, float] = {}
        self._left: dict[str, int] = {}
        self._pace: dict[str, float] = {}  #: seconds per image of the last batch
        self._begun: dict[str, float] = {}  #: when counting began
        self.said: set[str] = set()  #: findings and verdicts that stand on the terminal
        self._networks = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        self._counted = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
        )
        self._now = Progress(SpinnerColumn(), TimeElapsedColumn())  #: since the last line
        self._live = Live(Group(self._networks, self._counted, self._now), console=self.console)

    def __enter__(self) -> Terminal:
        if self.console.is_terminal and not self.console.quiet:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._forget_stages()
        self._live.stop()

    def stage(self, text: str) -> None:
        with self._lock:
            self.console.print(Text(text))
            self._forget_stages()
            self._now.add_task(text)

    def _forget_stages(self) -> None:
        for task in self._now.task_ids:
            self._now.remove_task(task)

    def plan(self, preview: Preview) -> None:
        """Shows what will be done."""
        print_preview(self.console, preview)

    def estimate(self) -> None:
        with self._lock:
            left = {run: count for run, count in self._left.items() if count and run in self._pace}
            if left:
                seconds = duration(sum(count * self._pace[run] for run, count in left.items()))
                images = f"{sum(left.values()):,} forward passes are left"
                self.console.print(Text(f"{images}: about {seconds}"))

    def images(self, run: str, done: int, total: int, added: int, seconds: float) -> None:
        with self._lock:
            measured, spent = self._rates.get(run, (0, 0.0))
            self._rates[run] = measured, spent = measured + added, spent + seconds
            rate = f"{measured / spent:.1f} images/s" if spent else ""
            self._left[run] = total - done
            if added:
                self._pace[run] = seconds / added
            if run not in self._bars:
                self._bars[run] = self._networks.add_task(run, total=total, completed=done, rate=rate)
            self._networks.update(self._bars[run], completed=done, rate=rate)
            if not self.console.is_terminal and (added or done == total) and self._said.get(run) != math.inf:
                now = time.monotonic()
                if done == total or now - self._said.get(run, 0.0) > self.EVERY:
                    self._said[run] = now if done < total else math.inf  # a repeated run is not reported again
                    left = f", {(total - done) * spent / measured:.0f} s left" if measured and done < total else ""
                    self.console.print(Text(f"{run}: {done}/{total} images{', ' if rate else ''}{rate}{left}"))

    def networks(self, what: str, model: str, done: int, total: int, workers: int) -> None:
        with self._lock:
            now = time.monotonic()
            begun = self._begun.setdefault(what, now)
            # the pace of those that are done; what is begun at once is done at once
            left = (now - begun) / done * (total - done) if workers < done < total else None
            rate = "" if left is None else f"about {duration(left)} left"
            if what not in self._bars:
                self._bars[what] = self._counted.add_task(what, total=total, completed=done, rate=rate)
            self._counted.update(
                self._bars[what], description=f"{what} {model}", completed=done, total=total, rate=rate
            )
            if done == total:
                self._counted.remove_task(self._bars.pop(what))
                self._begun.pop(what)
            if not self.console.is_terminal and (done == total or now - self._said.get(what, begun) > self.EVERY):
                self._said[what] = now
                said = f"{what}: {done} of {plural(total, 'network')} counted, the last {model}"
                self.console.print(Text(f"{said}{', ' if rate else ''}{rate}"))

    def settled(self, one: Finding | Verdict) -> None:
        if (text := settled_line(one)) is not None:
            with self._lock:
                self.said.add(text.plain)
                self.console.print(text)


def duration(seconds: float) -> str:
    """Seconds in words, rounded: `50 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
