"""What a command prints: the plan, the results, the diagnoses and the corrected copies."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.checks import totals
from harness.checks.equivalence import preprocessing
from harness.checks.equivalence.findings import pair_sentence
from harness.checks.results import Results
from harness.checks.run import Share
from harness.cli.doctor import Diagnosis
from harness.core.findings import Finding
from harness.core.paths import shown_file, shown_line
from harness.core.records import METRICS, Outcome, Verdict
from harness.core.text import plural
from harness.plan.plan import Plan
from harness.plan.preview import Preview
from harness.report import report_json
from harness.report.corrected_copies import Copy
from harness.report.fitting import SETTLED
from harness.report.markdown import rows
from harness.report.wording import SIGNS, finding_line, line, outcome_words, summary, unmeasured

#: width in characters at which no line is broken
_UNBROKEN = 100_000
STYLES = {
    Outcome.REPRODUCED: "green",
    Outcome.WITHIN_REPETITIONS: "green",
    Outcome.EXPLAINED: "cyan",
    Outcome.DOUBTFUL: "yellow",
    Outcome.CONTRADICTED: "bold red",
    Outcome.KNOWN_GAP: "yellow",
    Outcome.NOT_COMPARABLE: "cyan",
    Outcome.NOT_MEASURED: "dim",
    Outcome.ERROR: "bold magenta",
}


def console_for(stderr: bool = False, quiet: bool = False) -> Console:
    """Standard output or error; lines are broken only on a terminal."""
    console = Console(stderr=stderr, quiet=quiet, highlight=False)
    if not console.file.isatty():  # FORCE_COLOR makes Rich take a file for a terminal
        console.width = _UNBROKEN
    return console


def show(results: Results, report: Path, quiet: bool = False, said: Container[str] = ()) -> None:
    """Prints the outcome of every cell, each error in words, what the files come to, and where the report is.

    The outcomes are a table on a terminal and tab-separated lines elsewhere; `quiet` leaves them out. Of several files
    the table has the rows in which something is wrong. Pages that are judged by themselves have findings instead.
    `said` are lines that stand on the same terminal already.
    """
    console = console_for()
    for text in _whose(results.plan):
        console.print(text)
    alone = not results.options.asks_sources
    if not quiet and not sys.stdout.isatty():
        for values in _findings(results) if alone else _lines(results):
            print(values)
    elif not quiet and not alone:
        console.print(_outcomes(results))
    for text in _errors(results):
        if text.plain not in said:
            console.print(text)
    if not quiet:
        for totals_of in _summaries(results):
            console.print(totals_of)
    counts = Counter(verdict.outcome for verdict in results.verdicts)
    tally = Text(", ").join(
        Text(f"{SIGNS[outcome]} {counts[outcome]} {outcome_words(outcome)}", style=STYLES[outcome])
        for outcome in Outcome
        if counts[outcome]
    )
    console.print()
    console.print(Text(summary(results), style="bold"), tally, sep="\n")
    console.print(Text(f"Report: {report}, for a browser {report.with_suffix('.html')}"))


#: lines about tables that name no source
_LINES = 5
#: tables with something to look at that are shown, the worst first
_TABLES = 10


def _whose(plan: Plan) -> Iterator[Text]:
    """Which sources have to be given, and which were told from the pages."""
    asked = [Text(f"? {one.where}: {one.text}", style="yellow") for one in plan.without_source]
    lines = [(one.file, one.line, one.text) for one in plan.inferred]
    lines += [(one.file, one.line, one.text) for one in plan.of_other_releases]
    told = [Text(f"{shown_line(file, line)}: {text}") for file, line, text in lines]
    for shown in (asked, told):
        yield from shown[:_LINES]
        if len(shown) > _LINES:
            yield Text(f"… and {plural(len(shown) - _LINES, 'table')} more")


def settled_line(one: Finding | Verdict) -> Text | None:
    """What is shown of a finding or a verdict as soon as it is settled; None where nothing is wrong."""
    if isinstance(one, Verdict):
        if one.outcome not in (Outcome.CONTRADICTED, Outcome.DOUBTFUL):
            return None
        return Text(f"{SIGNS[one.outcome]} {line(one)}", style=STYLES[one.outcome])
    if one.severity == "note":
        return None
    outcome = Outcome.CONTRADICTED if one.severity == "error" else Outcome.DOUBTFUL
    return Text(f"{SIGNS[outcome]} {finding_line(one)}", style=STYLES[outcome])


def _errors(results: Results) -> Iterator[Text]:
    """What is wrong, cell by cell, then pair by pair, then what could not be measured or read.

    Of pages that are judged by themselves, warnings too.
    """
    alone = not results.options.asks_sources
    for verdict in results.verdicts:
        if verdict.outcome in (Outcome.CONTRADICTED, Outcome.DOUBTFUL):
            yield Text(f"{SIGNS[verdict.outcome]} {line(verdict)}", style=STYLES[verdict.outcome])
    for claim, texts in () if alone else results.wrong.items():
        where = shown_line(claim.row.file, claim.row.line)
        yield Text(f"✗ {where}: {' '.join(texts)}", style=STYLES[Outcome.CONTRADICTED])
    for finding in results.findings if alone else ():
        if (found := settled_line(finding)) is not None:
            yield found
    yield from _comparisons(results)
    for failure in results.failures:
        where = f"{failure.source} {failure.model}" if failure.model else failure.source
        yield Text(f"! {where}: {failure.message}", style=STYLES[Outcome.ERROR])
    for problem in results.problems:
        yield Text(f"! {problem}", style=STYLES[Outcome.ERROR])
    if not results.plan.targets:
        for reason, cells in unmeasured(results.verdicts):
            yield Text(f"! {reason}: {cells}", style=STYLES[Outcome.ERROR])


def _comparisons(results: Results) -> Iterator[Text]:
    """The pairs of sources, the preprocessings and the reasons for differences, as they are."""
    for pair in results.pairs:
        good = pair.outcome == "same_function"
        sign, style = ("✓", Outcome.REPRODUCED) if good else ("✗", Outcome.CONTRADICTED)
        if pair.known_gap and pair.outcome == "different_function":
            sign, style = "⚑", Outcome.KNOWN_GAP
        yield Text(f"{sign} {pair_sentence(pair)}", style=STYLES[style])
    for comparison in results.preprocessing:
        yield Text(preprocessing.sentence(comparison))
    for attribution in results.attributions:
        yield Text(f"? {attribution.source} {attribution.model}: {attribution.text}")


def _summaries(results: Results) -> Iterator[Table]:
    """Totals of every zoo, or of every file of one, and of every kind of finding; nothing of a single file."""
    judged = (results.plan.table, results.verdicts, results.entries)
    files, zoos = totals.by_file(*judged), totals.by_zoo(*judged)
    if len(files) < 2:
        return
    parts, several = (zoos, True) if len(zoos) > 1 else (files, False)
    striking = [one for one in totals.by_table(*judged) if not one.is_clean]
    yield _summed("zoo" if several else "file", [*parts, totals.total(files)])
    if striking:
        worst = sorted(striking, key=lambda one: (-one.severities["error"], -one.severities["warning"]))[:_TABLES]
        yield _summed("table" if len(worst) == len(striking) else f"table (of {len(striking)})", worst)
    shown = Table("finding", "severity", "number", *(["of these"] if several else []), "the first")
    for kind in totals.kinds(results.plan.table, results.entries, results.findings, results.failures):
        where = ", ".join(f"{number} in {shown_file(zoo)}" for zoo, number in kind.zoos.items() if zoo)
        shown.add_row(outcome_words(kind.name), kind.severity, str(kind.count), *([Text(where)] if several else []),
                      Text(kind.first))  # fmt: skip
    if shown.row_count:
        yield shown


def _summed(what: str, parts: Sequence[totals.Summary]) -> Table:
    table = Table(what, *("rows", "cells", "wrong", "doubtful", "errors", "warnings", "unreadable"))
    for one in parts:
        name = shown_line(one.file, one.line) if one.line else shown_file(one.file)
        judged = (one.outcomes[Outcome.CONTRADICTED], one.outcomes[Outcome.DOUBTFUL])
        numbers = (one.rows, one.cells, *judged, one.severities["error"], one.severities["warning"], one.unread)
        table.add_row(Text(name), *(f"{number:,}" for number in numbers))
    return table


def _outcomes(results: Results) -> Table:
    """The documented table with an outcome in each cell; of several files, the rows in which something is wrong."""
    several = len(results.plan.table.files) > 1
    metrics = [m for m in METRICS if any(v.claim.metric == m for v in results.verdicts)]
    table = Table("model", "source", *metrics, title=Text(report_json.named(results)), title_justify="left")
    for entry in rows(results):
        if several and all(one.outcome in SETTLED for one in entry["cells"].values()):
            continue
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
    """The same for a program: a line of names, then a line for each cell."""
    yield "\t".join(("outcome", "source", "model", "metric", "documented", "measured", "unit", "where"))
    for verdict in results.verdicts:
        claim, row = verdict.claim, verdict.claim.row
        measured = "" if verdict.measured is None else claim.printed(verdict.measured)
        values = (verdict.outcome, verdict.source, row.model, claim.metric, claim.text, measured, claim.unit)
        yield "\t".join(" ".join(str(value).split()) for value in (*values, f"{row.file}:{row.line}"))


def _findings(results: Results) -> Iterator[str]:
    """What is wrong with the pages, for a program: a line of names, then a line for each finding."""
    yield "\t".join(("severity", "kind", "where", "model", "finding"))
    for finding in results.findings:
        where, _, text = finding_line(finding).partition(": ")
        told = (where, finding.model, text) if text and text == finding.text else ("", finding.model, finding.text)
        yield "\t".join(" ".join(str(value).split()) for value in (finding.severity, finding.kind, *told))


def show_preview(preview: Preview) -> None:
    """Prints what a run would do."""
    print_preview(console_for(), preview)


def print_preview(console: Console, preview: Preview) -> None:
    """The sources with their models, and the images on which they will be evaluated."""
    table = Table("source", "environment", "models", "networks to evaluate", title="The plan", title_justify="left")
    for part in preview.parts:
        ready = "ready" if part.prepared else "not yet prepared"
        table.add_row(Text(str(part.source)), ready, str(part.models), str(part.networks or "–"))
    if preview.parts:
        console.print(table)
    documented, targets = preview.planned.table, preview.planned.targets
    asked = f"{len({target.row for target in targets})} of {plural(len(documented.rows), 'row')}"
    console.print(
        Text(f"{asked} in {plural(len(documented.files), 'file')}; checks: {', '.join(preview.options.checks)}")
    )
    for text in _whose(preview.planned):
        console.print(text)
    for row in preview.planned.foreign:
        if row.source:
            console.print(Text(f"– {row.model}: no adapter for {row.source}, not measured"))
    if preview.images is not None:
        console.print(Text(preview.images.identity))
        if preview.images.labelled_by:
            console.print(Text(f"labels from {preview.images.labelled_by}"))
    if preview.forward_passes:
        console.print(Text(f"{plural(preview.forward_passes, 'forward pass')} of one image"))
    for problem in preview.planned.table.problems:
        console.print(Text(f"! {problem}", style=STYLES[Outcome.ERROR]))


def show_share(share: Share) -> None:
    """Prints what a shard has done, and what comes next."""
    console = console_for()
    for failure in share.failures:
        where = f"{failure.source} {failure.model}" if failure.model else failure.source
        console.print(Text(f"! {where}: {failure.message}", style=STYLES[Outcome.ERROR]))
    mine = f"{share.images:,} of {plural(share.of, 'image')} for {plural(share.networks, 'network')}"
    kept = "what could be evaluated of it is stored" if share.failures else "stored"
    console.print(Text(f"Shard {share.shard}: {mine}, {kept} in {share.store}"))
    console.print(Text(f"Once all {share.shard.of} are done: the same command with --shard merge/{share.shard.of}"))


def show_diagnoses(diagnoses: Sequence[Diagnosis]) -> None:
    """Prints what was checked, and what to do about it."""
    console = console_for()
    signs = {"good": ("✓", "green"), "warning": ("?", "yellow"), "bad": ("✗", "bold red")}
    for one in diagnoses:
        sign, style = signs[one.state]
        console.print(
            Text(
                f"{sign} {one.about}: {one.text}"
                + (f". {one.remedy[0].upper()}{one.remedy[1:]}" if one.remedy else ""),
                style=style,
            )
        )


def show_copies(copies: Sequence[Copy]) -> None:
    """Prints where the corrected copies are, and which cells have to be corrected by hand."""
    console = console_for()
    for copy in copies:
        if copy.path is not None:
            console.print(Text(f"Fixed: {copy.path} ({plural(copy.cells, 'cell')} corrected)"))
        for entry in copy.left:
            documented = f"{entry.claim.metric} {entry.claim.text} {entry.claim.unit}".rstrip() if entry.claim else ""
            what = f"{entry.model} of {entry.source}, {documented}, could not be corrected to {entry.corrected}"
            console.print(Text(f"! {entry.file}:{entry.line}: {what}, correct it by hand", style=STYLES[Outcome.ERROR]))
    if not copies:
        console.print(Text("Fixed: nothing, because no cell has a correction"))
