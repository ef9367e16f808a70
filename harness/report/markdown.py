"""report.md, which a maintainer can read in ten seconds, and what report.md and report.html share."""

from __future__ import annotations

import dataclasses
import functools
import html as html_escape
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness import __version__
from harness.checks import totals
from harness.checks.accuracy import certificate
from harness.checks.accuracy.judge import accuracy
from harness.checks.accuracy.metrics import registry
from harness.checks.accuracy.metrics.base import RunMetric
from harness.checks.diagnosis.attribution import Agreement
from harness.checks.equivalence import preprocessing
from harness.checks.results import Results
from harness.core.paths import shown_file, shown_line
from harness.core.records import METRICS, UNJUDGED, Outcome, Row, Run, Source, Verdict
from harness.execution.environments import Installed
from harness.plan.arguments import command_of
from harness.plan.options import Options
from harness.report import report_json
from harness.report.fitting import NOTHING_WRONG, fitted, left_out, striking
from harness.report.plots import FOLDER, Plot
from harness.report.wording import (
    SIGNS,
    expected,
    figure,
    markdown_cell,
    measured,
    outcome_words,
    paragraph,
    sentence_case,
    summary,
    unmeasured,
)

#: packages that hold and decode the images of every source
_IMAGES = ("numpy", "pillow")
#: of swaps, the most informative first
_STATUSES = ("control", "fits", "undecided", "refuted", "not tried")


def markdown(shared: Mapping[str, Any], figures: Sequence[Plot] = ()) -> str:
    """The report as GitHub-flavoured Markdown; `shared` is its `context`, `figures` are files next to it."""
    return fitted(
        lambda fitting: render(
            "report.md.j2", **fitting, figures=figures, folder=FOLDER, collapsed=True, cell=markdown_cell
        ),
        shared,
        of_cell=20,
    )


def context(results: Results) -> dict[str, Any]:
    """What the templates of report.md and report.html show."""
    wrong = {*results.wrong, *(entry.claim for entry in results.entries)}
    every = rows(results)
    # pages that are judged by themselves have nothing to show of a cell with which nothing is wrong
    shown = every if results.options.asks_sources else striking(every, wrong)
    besides = report_json.findings(results, of_rows=False)
    judged = (results.plan.table, results.verdicts, results.entries)
    files, zoos, tables = totals.by_file(*judged), totals.by_zoo(*judged), totals.by_table(*judged)
    return {
        "results": results,
        "table": report_json.named(results),
        "version": __version__,
        "counts": Counter(verdict.outcome for verdict in results.verdicts),
        "summary": summary(results),
        "outcomes": list(Outcome),
        "signs": SIGNS,
        "metrics": [m for m in METRICS if any(v.claim.metric == m for v in results.verdicts)],
        "rows": shown,
        "paragraphs": [paragraph(cells) for cells in alike(results.verdicts)],
        "entries": results.entries,
        "wrong": wrong,
        "files": [*files, totals.total(files)] if len(files) > 1 else [],
        "zoos": [*zoos, totals.total(files)] if len(zoos) > 1 else [],
        "tables": [one for one in tables if not one.is_clean] if len(tables) > 1 else [],
        "kinds": totals.kinds(results.plan.table, results.entries, results.findings, results.failures)
        if len(files) > 1
        else [],
        "brief": False,
        "left_out": left_out(len(every) - len(shown), "row", NOTHING_WRONG),
        "cut": "",
        "mapped": mapped(results),
        "unmeasured": unmeasured(results.verdicts) if results.options.asks_sources else [],
        "expected": expected(results.verdicts),
        "findings": besides,
        "runs": [run_line(run, registry.shown(results.runs)) for run in results.runs],
        "measured_metrics": registry.shown(results.runs),
        "pairs": results.pairs,
        "preprocessing": [(comparison, preprocessing.sentence(comparison)) for comparison in results.preprocessing],
        "beside": [
            found
            for found in besides
            # these have a section of their own
            if found["severity"] != "error" and found["kind"] != "attribution"
        ],
        "attributions": [(one, _deciding_first(one.evidence)) for one in results.attributions],
        "paired": [report_json.paired_entry(runs) for runs in results.paired],
        "demonstration": run_line(results.demonstration, []) if results.demonstration else None,
        "data": report_json.data(results),
        "sources": [
            (source, installed.python_version, _shown_packages(installed))
            for source, installed in results.installed.items()
        ],
        "command": command_of(results.options),
        "figure": figure,
        "measured": measured,
        "words": outcome_words,
        "safety": f"{certificate.SAFETY:g}",
    }


def _shown_packages(installed: Installed) -> list[str]:
    """name==version of those whose release can change a figure: what the source's requirements name, and _IMAGES."""
    shown = {*installed.named, *_IMAGES}
    return [package for package in installed.packages if package.partition("==")[0] in shown]


def templates(autoescape: bool) -> Environment:
    """The templates of this package."""
    environment = Environment(
        loader=PackageLoader("harness.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=autoescape,
    )
    environment.filters["where"] = lambda at: shown_line(at.file, at.line)
    environment.filters["name"] = shown_file
    environment.filters["table"] = lambda one: shown_line(one.file, one.line) if one.line else shown_file(one.file)
    environment.filters["capital"] = sentence_case
    environment.filters["words"] = outcome_words
    return environment


def render(template: str, **context: Any) -> str:
    """A template of this package as Markdown."""
    # the output is Markdown; the text of tables is escaped by escape() below
    environment = templates(autoescape=False)
    environment.filters["md"] = escape
    return re.sub(r"\n{3,}", "\n\n", environment.get_template(template).render(**context))


def alike(verdicts: Sequence[Verdict]) -> list[list[Verdict]]:
    """The cells that the plain convention does not reproduce; cells of a column with one convention are together."""
    found: dict[object, list[Verdict]] = {}
    for verdict in verdicts:
        row, metric = verdict.claim.row, verdict.claim.metric
        if verdict.outcome is Outcome.EXPLAINED:
            column = (verdict.source, row.file, row.table, metric, verdict.convention)
            found.setdefault(column, []).append(verdict)
        elif verdict.outcome not in (Outcome.REPRODUCED, *UNJUDGED):
            found[verdict.claim, verdict.source] = [verdict]
    return list(found.values())


def mapped(results: Results) -> list[tuple[str, list[tuple[str, str]]]]:
    """For each source, the documented names that differ from its own, with its own."""
    found: dict[str, dict[str, str]] = {}
    for (row, source), static in results.statics.items():
        if static.model != row.model:
            found.setdefault(str(source), {})[row.model] = static.model
    return [(source, list(names.items())) for source, names in found.items()]


def _deciding_first(evidence: Sequence[Any]) -> list[Any]:
    """The most informative first; swaps that build on each other stay in their order."""
    if any(isinstance(swap, Agreement) for swap in evidence):
        return list(evidence)
    return sorted(evidence, key=lambda swap: _STATUSES.index(swap.status))


def rows(results: Results) -> list[Mapping[str, Any]]:
    """The documented table, a verdict in each cell."""
    found: dict[tuple[Row, Source], dict[str, Any]] = {}
    for verdict in results.verdicts:
        row = found.setdefault(
            (verdict.claim.row, verdict.source),
            {"row": verdict.claim.row, "source": verdict.source, "cells": {}},
        )
        row["cells"][verdict.claim.metric] = verdict
    return list(found.values())


def run_line(run: Run, metrics: Sequence[RunMetric]) -> dict[str, Any]:
    """What the table of evaluations shows of a run; `metrics`: those of its columns that are measured only."""
    entry = report_json.run_entry(run)
    return {
        **entry,
        "top1": _percent(accuracy(run, "top1")),
        "top5": _percent(accuracy(run, "top5")),
        "interval": f"{entry['interval95'][0]:.1f} to {entry['interval95'][1]:.1f}",
        "interval5": f"{entry['interval95_top5'][0]:.1f} to {entry['interval95_top5'][1]:.1f}",
        "weights": "stand-in" if run.checkpoint.stand_in else "real",
        "stand_in_text": run.checkpoint.stand_in,
        "verified": run.checkpoint.verified or "not verified",
        "measured": [
            f"{run.metrics[metric.name]:.{metric.decimals}f}" if metric.name in run.metrics else "–"
            for metric in metrics
        ],
        "rate": (f"{entry['images_per_second']:.1f}" if entry["images_per_second"] else "stored")
        + (f", {run.device}" if run.device.kind != "cpu" else ""),
    }


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def escape(text: object) -> str:
    """The text with its Markdown and HTML characters escaped, for use in table cells too."""
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", html_escape.escape(" ".join(str(text).split()), quote=False))


def cell_command(results: Results, verdict: Verdict) -> str:
    """The command that checks a cell again; empty where its source has no adapter.

    Counts are judged column by column, so that the command keeps the other rows of the source.
    """
    file, sources = verdict.claim.row.file, (str(verdict.source),)
    if not results.options.asks_sources:
        return _command(file, (), "documents")
    if verdict.source.name not in results.plan.known:
        return ""
    options, tables = results.options, (Path(file),)
    if verdict.claim.metric in ("flops", "params"):
        return _command(file, sources, "static")
    models = (verdict.claim.row.model,)
    asked = dataclasses.replace(options, tables=tables, sources=sources, models=models, checks=("accuracy",))
    return command_of(asked, measuring=True)


@functools.lru_cache(maxsize=4096)  # the same for all cells of a table
def _command(file: str, sources: tuple[str, ...], check: str) -> str:
    return command_of(Options(tables=(Path(file),), sources=sources, checks=(check,)))
