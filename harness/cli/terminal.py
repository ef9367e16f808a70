"""What a run shows while it works and when it is done."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.checks.equivalence import preprocessing
from harness.checks.equivalence.findings import pair_sentence
from harness.checks.results import Results
from harness.cli.doctor import Diagnosis
from harness.core.paths import shown_line
from harness.core.records import METRICS, Outcome
from harness.core.text import plural
from harness.plan.preview import Preview
from harness.report import report_json
from harness.report.corrected_copies import Copy
from harness.report.markdown import rows
from harness.report.wording import SIGNS, line, outcome_words, summary, unmeasured

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


def console_for(stderr: bool = False, quiet: bool = False) -> Console:
    """Standard output, or what else is asked for; a line is broken only where it is shown on a terminal."""
    console = Console(stderr=stderr, quiet=quiet, highlight=False)
    if not console.file.isatty():  # whatever the environment says of colours
        console.width = _ENDLESS
    return console


def show(results: Results, report: Path, quiet: bool = False) -> None:
    """The outcome of every cell, what is wrong in words, and where the report is, on standard output.

    The outcomes are a table on a terminal and lines of values between tabs elsewhere; `quiet` leaves them out.
    """
    console = console_for()
    if not quiet and sys.stdout.isatty():
        console.print(_outcomes(results))
    elif not quiet:
        for values in _lines(results):
            print(values)
    counts = Counter(verdict.outcome for verdict in results.verdicts)
    for verdict in results.verdicts:
        if verdict.outcome is Outcome.CONTRADICTED:
            console.print(Text(f"{SIGNS[verdict.outcome]} {line(verdict)}", style=STYLES[verdict.outcome]))
    for claim, texts in results.wrong.items():
        where = shown_line(claim.row.file, claim.row.line)
        console.print(Text(f"✗ {where}: {' '.join(texts)}", style=STYLES[Outcome.CONTRADICTED]))
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
        Text(f"{SIGNS[outcome]} {counts[outcome]} {outcome_words(outcome)}", style=STYLES[outcome])
        for outcome in Outcome
        if counts[outcome]
    )
    if not results.plan.targets:
        for reason, cells in unmeasured(results.verdicts):
            console.print(Text(f"! {reason}: {cells}", style=STYLES[Outcome.ERROR]))
    console.print()
    console.print(Text(summary(results), style="bold"), tally, sep="\n")
    console.print(Text(f"Report: {report}, for a browser {report.with_suffix('.html')}"))


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


def show_ahead(seen: Preview) -> None:
    """The plan: which sources, how many models of each, what they have to see; on standard output."""
    print_plan(console_for(), seen)


def print_plan(console: Console, seen: Preview) -> None:
    table = Table("source", "environment", "models", "networks to evaluate", title="The plan", title_justify="left")
    for part in seen.parts:
        ready = "ready" if part.prepared else "to be made"
        table.add_row(Text(str(part.source)), ready, str(part.models), str(part.networks or "–"))
    console.print(table)
    documented, targets = seen.planned.table, seen.planned.targets
    asked = f"{len({target.row for target in targets})} of {plural(len(documented.rows), 'row')}"
    console.print(Text(f"{asked} in {plural(len(documented.files), 'file')}; checks: {', '.join(seen.options.checks)}"))
    for row in seen.planned.foreign:
        console.print(Text(f"– {row.model}: no adapter for {row.source or 'a row without a source'}, not measured"))
    if seen.images is not None:
        console.print(Text(seen.images.identity))
    if seen.forward_passes:
        console.print(Text(f"{plural(seen.forward_passes, 'forward pass')} of one image"))
    for problem in seen.planned.table.problems:
        console.print(Text(f"! {problem}", style=STYLES[Outcome.ERROR]))


def show_diagnoses(found: Sequence[Diagnosis]) -> None:
    """What was looked at, and what to do about it; on standard output."""
    console = console_for()
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
    console = console_for()
    for copy in copies:
        if copy.path is not None:
            console.print(Text(f"Fixed: {copy.path} ({plural(copy.cells, 'cell')} corrected)"))
        for entry in copy.left:
            documented = f"{entry.claim.metric} {entry.claim.text} {entry.claim.unit}".rstrip() if entry.claim else ""
            what = f"{entry.model} of {entry.source}, {documented}, could not be corrected to {entry.corrected}"
            console.print(Text(f"! {entry.file}:{entry.line}: {what}; do it by hand", style=STYLES[Outcome.ERROR]))
    if not copies:
        console.print(Text("Fixed: nothing, no cell has a correction"))
