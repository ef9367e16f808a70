"""What a run shows while it works and when it is done."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console, Group
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
from rich.table import Table
from rich.text import Text

from harness.checks.equivalence import preprocessing
from harness.checks.results import Results
from harness.checks.verdicts import pair_sentence
from harness.cli.doctor import Diagnosis
from harness.core.records import METRICS, Outcome
from harness.plan.preview import Ahead
from harness.report import report_json
from harness.report.corrected_copies import Copy
from harness.report.junit import sentence
from harness.report.markdown import SIGNS, rows, summary, unmeasured
from harness.tables.cells import shown_file

#: characters of a line that nothing breaks
_ENDLESS = 100_000
STYLES = {
    Outcome.REPRODUCED: "green",
    Outcome.EXPLAINED: "cyan",
    Outcome.CONTRADICTED: "bold red",
    Outcome.KNOWN_GAP: "yellow",
    Outcome.NOT_MEASURED: "dim",
    Outcome.ERROR: "bold magenta",
}


class Silent:
    """No output at all."""

    def stage(self, text: str) -> None: ...

    def estimate(self) -> None: ...

    def images(self, run: str, done: int, total: int, added: int, seconds: float) -> None: ...


class Terminal:
    """Progress on standard error: live bars on a terminal, a line now and then elsewhere."""

    EVERY = 30.0  #: seconds between two lines about one run where there is no terminal

    def __init__(self, quiet: bool = False) -> None:
        self.console = _console(stderr=True, quiet=quiet)
        self._lock = threading.Lock()
        self._bars: dict[str, TaskID] = {}
        self._rates: dict[str, tuple[int, float]] = {}
        self._said: dict[str, float] = {}
        self._left: dict[str, int] = {}
        self._pace: dict[str, float] = {}  #: seconds that an image took of late
        self._networks = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        self._now = Progress(SpinnerColumn(), TimeElapsedColumn())  #: since the last line was said
        self._live = Live(Group(self._networks, self._now), console=self.console)

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

    def plan(self, seen: Ahead) -> None:
        """What is going to be done."""
        _print_plan(self.console, seen)

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
                    self._said[run] = now if done < total else math.inf  # what is run again is no news
                    left = f", {(total - done) * spent / measured:.0f} s left" if measured and done < total else ""
                    self.console.print(Text(f"{run}: {done}/{total} images{', ' if rate else ''}{rate}{left}"))


def _console(stderr: bool = False, quiet: bool = False) -> Console:
    """Standard output, or what else is asked for; a line is broken only where it is shown on a terminal."""
    console = Console(stderr=stderr, quiet=quiet, highlight=False)
    if not console.file.isatty():  # whatever the environment says of colours
        console.width = _ENDLESS
    return console


def duration(seconds: float) -> str:
    """Rounded as somebody would say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


def show(results: Results, report: Path, quiet: bool = False) -> None:
    """The outcome of every cell, what is wrong in words, and where the report is, on standard output.

    The outcomes are a table on a terminal and lines of values between tabs elsewhere; `quiet` leaves them out.
    """
    console = _console()
    if not quiet and sys.stdout.isatty():
        console.print(_outcomes(results))
    elif not quiet:
        for line in _lines(results):
            print(line)
    counts = Counter(verdict.outcome for verdict in results.verdicts)
    for verdict in results.verdicts:
        if verdict.outcome is Outcome.CONTRADICTED:
            console.print(Text(f"{SIGNS[verdict.outcome]} {sentence(verdict)}", style=STYLES[verdict.outcome]))
    for claim, texts in results.wrong.items():
        place = f"{shown_file(claim.row.file)}:{claim.row.line}"
        console.print(Text(f"✗ {place}: {' '.join(texts)}", style=STYLES[Outcome.CONTRADICTED]))
    for pair in results.pairs:
        good = pair.outcome == "same_function"
        sign, style = ("✓", Outcome.REPRODUCED) if good else ("✗", Outcome.CONTRADICTED)
        if pair.known_gap and pair.outcome == "different_function":
            sign, style = "⚑", Outcome.KNOWN_GAP
        console.print(Text(f"{sign} {pair_sentence(pair)}", style=STYLES[style]))
    for comparison in results.preprocessing:
        console.print(Text(preprocessing.sentence(comparison)))
    for one in results.attributions:
        console.print(Text(f"? {one.source} {one.model}: {one.text}"))
    for failure in results.failures:
        where = f"{failure.source} {failure.model}" if failure.model else failure.source
        console.print(Text(f"! {where}: {failure.message}", style=STYLES[Outcome.ERROR]))
    for problem in results.problems:
        console.print(Text(f"! {problem}", style=STYLES[Outcome.ERROR]))
    tally = Text(", ").join(
        Text(f"{SIGNS[outcome]} {counts[outcome]} {outcome.replace('_', ' ')}", style=STYLES[outcome])
        for outcome in Outcome
        if counts[outcome]
    )
    if not results.plan.targets:
        for reason, cells in unmeasured(results.verdicts):
            console.print(Text(f"! {reason}: {cells}", style=STYLES[Outcome.ERROR]))
    console.print()
    console.print(Text(summary(results), style="bold"), tally, sep="\n")
    console.print(Text(f"Report: {report}, for a browser {report.with_suffix('.html')}"))


def _count(number: int, one: str, more: str = "") -> str:
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def _outcomes(results: Results) -> Table:
    """The documented table, an outcome in each cell."""
    metrics = [m for m in METRICS if any(v.claim.metric == m for v in results.verdicts)]
    table = Table("model", "source", *metrics, title=Text(report_json.named(results)), title_justify="left")
    for entry in rows(results):
        cells = []
        for metric in metrics:
            verdict = entry["cells"].get(metric)
            figure = f"{verdict.claim.text} {verdict.claim.unit}".strip() if verdict else ""
            cells.append(
                Text(f"{figure} {SIGNS[verdict.outcome]}", style=STYLES[verdict.outcome]) if verdict else Text()
            )
        table.add_row(Text(entry["row"].model), Text(str(entry["source"])), *cells)
    return table


def _lines(results: Results) -> Iterator[str]:
    """The same for a program: a line for each cell, after one with the names of the values."""
    yield "\t".join(("outcome", "source", "model", "metric", "documented", "measured", "unit", "where"))
    for verdict in results.verdicts:
        claim, row = verdict.claim, verdict.claim.row
        measured = "" if verdict.measured is None else claim.printed(verdict.measured)
        values = (verdict.outcome, verdict.source, row.model, claim.metric, claim.text, measured, claim.unit)
        yield "\t".join(" ".join(str(value).split()) for value in (*values, f"{row.file}:{row.line}"))


def show_ahead(seen: Ahead) -> None:
    """The plan: which sources, how many models of each, what they have to see; on standard output."""
    _print_plan(_console(), seen)


def _print_plan(console: Console, seen: Ahead) -> None:
    table = Table("source", "environment", "models", "networks to evaluate", title="The plan", title_justify="left")
    for part in seen.parts:
        ready = "ready" if part.prepared else "to be made"
        table.add_row(Text(str(part.source)), ready, str(part.models), str(part.networks or "–"))
    console.print(table)
    documented, targets = seen.planned.table, seen.planned.targets
    asked = f"{len({target.row for target in targets})} of {_count(len(documented.rows), 'row')}"
    console.print(Text(f"{asked} in {_count(len(documented.files), 'file')}; checks: {', '.join(seen.options.checks)}"))
    for row in seen.planned.foreign:
        console.print(Text(f"– {row.model}: no adapter for {row.source or 'a row without a source'}, not measured"))
    if seen.images is not None:
        console.print(Text(seen.images.identity))
    if seen.forward_passes:
        console.print(Text(f"{_count(seen.forward_passes, 'forward pass', 'forward passes')} of one image"))
    for problem in seen.planned.table.problems:
        console.print(Text(f"! {problem}", style=STYLES[Outcome.ERROR]))


def show_diagnoses(found: Sequence[Diagnosis]) -> None:
    """What was looked at, and what to do about it; on standard output."""
    console = _console()
    signs = {"good": ("✓", "green"), "warning": ("?", "yellow"), "bad": ("✗", "bold red")}
    for one in found:
        sign, style = signs[one.state]
        console.print(
            Text(
                f"{sign} {one.about}: {one.text}"
                + (f". {one.remedy[0].upper()}{one.remedy[1:]}" if one.remedy else ""),
                style=style,
            )
        )


def show_copies(copies: Sequence[Copy]) -> None:
    """Which corrected copies there are, and what could not be corrected in them, on standard output."""
    console = _console()
    for copy in copies:
        if copy.path is not None:
            console.print(Text(f"Fixed: {copy.path} ({_count(copy.cells, 'cell')} corrected)"))
        for entry in copy.left:
            documented = f"{entry.claim.metric} {entry.claim.text} {entry.claim.unit}".rstrip() if entry.claim else ""
            what = f"{entry.model} of {entry.source}, {documented}, could not be corrected to {entry.corrected}"
            console.print(Text(f"! {entry.file}:{entry.line}: {what}; do it by hand", style=STYLES[Outcome.ERROR]))
    if not copies:
        console.print(Text("Fixed: nothing, no cell has a correction"))
