"""report.json, whose names scripts outside the repository read. Figures are in the unit that the table prints."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import __version__
from harness.checks import issues
from harness.checks.accuracy.judge import accuracy
from harness.checks.accuracy.metrics import registry
from harness.checks.equivalence.paired_accuracy import sentence
from harness.checks.equivalence.run import PairedRuns
from harness.checks.results import Results
from harness.checks.statistics import interval95
from harness.core.findings import Finding
from harness.core.paths import LineEntry, is_url, line_entry, shown_file
from harness.core.records import UNITS, Claim, PairResult, Row, Run, Verdict

SCHEMA = 1


def report(results: Results) -> dict[str, Any]:
    """The whole report as plain data."""
    runs = [*results.runs, *([results.demonstration] if results.demonstration else [])]
    return {
        "schema": SCHEMA,
        "harness": __version__,
        "table": named(results),
        "exit_status": results.exit_status,
        "sources": [
            {
                "name": source.name,
                "version": source.version,
                "python": installed.python_version,
                "packages": dict(package.split("==") for package in installed.packages if "==" in package),
            }
            for source, installed in results.installed.items()
        ],
        "data": data(results),
        "cells": [cell(verdict) for verdict in results.verdicts],
        "pairs": [
            *(pair_entry(pair) for pair in results.pairs),
            *(paired_entry(runs) for runs in results.paired),
        ],
        "preprocessing": [dataclasses.asdict(comparison) for comparison in results.preprocessing],
        "runs": [run_entry(run, results.options.out) for run in runs],
        "findings": findings(results),
        "entries": [entry(one) for one in results.entries],
    }


def named(results: Results) -> str:
    """The first table, and how many more there are."""
    files = [shown_file(file) for file in results.plan.table.files]
    return files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"


def data(results: Results) -> dict[str, Any] | None:
    """The data set; None where none was given."""
    images = results.images
    if images is None:
        return None
    return {
        "layout": images.layout,
        "images": len(images.images),
        "digest": images.digest,
        "is_imagenet_val": images.is_imagenet_val,
        "is_documented": all(page.is_about(images) for page in results.plan.pages.values()),
        "identity": images.identity,
        "labels": images.labelled_by,
        "notes": list(images.notes),
    }


def cell(verdict: Verdict) -> dict[str, Any]:
    claim = verdict.claim
    return {
        "row": claim.row.number,
        **line_entry(claim.row.file, claim.row.line),
        "source": claim.row.source,
        "version": verdict.source.version,
        "model": claim.row.model,
        "input_size": claim.row.input_size,
        "metric": claim.metric,
        "documented": claim.text,
        "unit": claim.unit,
        "images": claim.measured_on and claim.measured_on.name,
        "printed_as_error": claim.is_error,
        "measured": None if verdict.measured is None else verdict.measured / UNITS[claim.unit],
        "outcome": str(verdict.outcome),
        "convention": verdict.convention,
        "cause": verdict.cause,
        "evidence": verdict.evidence,
        "expectations": list(verdict.expectations),
    }


def run_entry(run: Run, out: Path | None = None) -> dict[str, Any]:
    """One evaluation; accuracies and their 95 % interval are in percent of the scored images.

    `predictions` are the folder or URL of what was predicted for each image, relative to the folder `out` of the
    report.
    """
    low, high = interval95(run.top1_count, run.images)
    return {
        "source": run.source.name,
        "version": run.source.version,
        "model": run.documented_model,
        "built_as": run.model,
        "input_size": run.input_size,
        "preprocessing": dataclasses.asdict(run.preprocessing),
        "checkpoint": {
            "file": run.checkpoint.file.rpartition("/")[2],
            "sha256": run.checkpoint.sha256,
            "verified": run.checkpoint.verified,
            "origin": run.checkpoint.origin,
            "stand_in": run.checkpoint.stand_in is not None,
            "states": list(run.checkpoint.states),
        },
        "images": run.images,
        "top1_count": run.top1_count,
        "top5_count": run.top5_count,
        "top1": accuracy(run, "top1"),
        "top5": accuracy(run, "top5"),
        "interval95": [low, high],
        "interval95_top5": list(interval95(run.top5_count, run.images)),
        "decode_errors": len(run.decode_errors),
        "undecodable": dict(run.decode_errors),
        "seconds": run.seconds,
        "images_per_second": run.measured_now / run.seconds if run.seconds else None,
        "runtime": run.runtime,
        "precision": run.precision,
        "engine": run.engine,
        "device": dataclasses.asdict(run.device),
        "planned": run.planned,
        "predictions": _from(out, run.predictions) if out and run.predictions else None,
        "certificate": certificate_entry(run),
        "metrics": metric_entries(run),
    }


def _from(out: Path, predictions: str) -> str:
    return predictions if is_url(predictions) else Path(os.path.relpath(predictions, out)).as_posix()


def metric_entries(run: Run) -> dict[str, dict[str, Any]]:
    """Every registered metric of a run; the value is None where the stored predictions do not give it."""
    return {
        metric.name: {
            "value": run.metrics.get(metric.name),
            "unit": metric.unit,
            "better": metric.better,
            "documented": metric.judge is not None,
        }
        for metric in registry.registered()
    }


def certificate_entry(run: Run) -> dict[str, Any] | None:
    """Why the predictions are those of the native network; drops are those of the faster alone, in points."""
    found = run.certificate
    if found is None:
        return None
    renamed = {"cross_checked": "checked", "confident": "sure"}
    entry = {renamed.get(name, name): value for name, value in dataclasses.asdict(found).items()}
    for name in ("deviation", "relative", "margin"):  # JSON has no infinity
        entry[name] = entry[name] if math.isfinite(entry[name]) else None
    for metric, alone, own in (
        ("top1", found.top1_count, run.top1_count),
        ("top5", found.top5_count, run.top5_count),
    ):
        entry[f"{metric}_drop"] = None if alone is None or not run.images else 100 * (own - alone) / run.images
    return entry


def pair_entry(pair: PairResult) -> dict[str, Any]:
    """Two sources with the same weights. `smallest_tolerance` is the absolute one that would have passed."""
    divergence = pair.divergence
    return {
        "a": str(pair.a),
        "b": str(pair.b),
        "model": pair.model,
        "input_size": pair.input_size,
        "same_weights": pair.outcome != "no_correspondence",
        "images": pair.images,
        "max_abs_diff": pair.max_abs_diff,
        "smallest_tolerance": pair.max_abs_diff,
        "relative_diff": pair.relative_diff,
        "top1_agreement": pair.top1_agreement,
        "top5_agreement": pair.top5_agreement,
        "outcome": pair.outcome,
        "first_divergence": dataclasses.asdict(divergence) if divergence else None,
        "wiring_differences": [dataclasses.asdict(difference) for difference in pair.wiring_differences],
        "operators": [dict(inventory) for inventory in pair.inventories],
        "reason": pair.reason,
        "known_gap": dict(pair.known_gap) if pair.known_gap else None,
    }


def paired_entry(runs: PairedRuns) -> dict[str, Any]:
    """Two sources, each with its own weights, on the same images; differences in points of top-1."""
    found = runs.paired
    return {
        "a": str(runs.a.source),
        "b": str(runs.b.source),
        "model": runs.a.documented_model,
        "input_size": runs.a.input_size,
        "same_weights": runs.a.checkpoint.sha256 == runs.b.checkpoint.sha256,
        "stand_in": bool(runs.a.checkpoint.stand_in or runs.b.checkpoint.stand_in),
        "images": found.images,
        "max_abs_diff": None,
        "top1_agreement": found.same_class / found.images,
        "outcome": "equivalent" if found.equivalent else "different" if found.mcnemar_p < 0.05 else "undecided",
        "first_divergence": None,
        # margins of all images would be most of the report
        "paired": {name: value for name, value in dataclasses.asdict(found).items() if name != "margins"},
        "sentence": sentence(found, str(runs.a.source), str(runs.b.source)),
    }


def findings(results: Results, of_rows: bool = True) -> list[dict[str, Any]]:
    """All findings, failures and unreadable cells, most severe first.

    With `of_rows` False, without the findings about rows, which are among the `entries`.
    """
    found: list[dict[str, Any]] = [
        {
            "kind": finding.kind,
            "severity": finding.severity,
            "source": finding.source,
            "model": finding.model,
            "text": finding.text,
            "evidence": {**_line_of(finding.row), **finding.evidence, **suspects(finding)},
        }
        for finding in results.findings
        if of_rows or finding.row is None
    ]
    found += [_error("failure", f.source, f.model or "", f.message, {"stage": f.stage}) for f in results.failures]
    found += [_error("unreadable", "", "", p.text, p.entry) for p in results.problems]
    order = ("error", "warning", "note")
    return sorted(found, key=lambda finding: order.index(finding["severity"]))


def entry(one: issues.Issue) -> dict[str, Any]:
    """Something to fix in a document."""
    claim = one.claim
    return {
        "severity": one.severity,
        "kind": one.kind,
        **line_entry(one.file, one.line),
        "source": one.source,
        "model": one.model,
        **_correction(claim, one.corrected),
        "cause": one.cause,
    }


def suspects(finding: Finding) -> dict[str, Any]:
    """The cells that a finding calls wrong, or possibly wrong."""
    cells = [
        {
            **line_entry(one.claim.row.file, one.claim.row.line),
            "row": one.claim.row.number,
            **_correction(one.claim, one.corrected),
        }
        for one in finding.suspects
    ]
    return {"cells": cells} if cells else {}


def _correction(claim: Claim | None, corrected: str | None) -> dict[str, Any]:
    """The documented figure of a cell and the suggested one."""
    return {
        "metric": claim and claim.metric,
        "documented": claim and claim.text,
        "unit": claim and claim.unit,
        "corrected": corrected,
    }


def _line_of(row: Row | None) -> LineEntry | dict[str, Any]:
    return {} if row is None else line_entry(row.file, row.line)


def _error(kind: str, source: str, model: str, text: str, evidence: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": kind,
        "severity": "error",
        "source": source,
        "model": model,
        "text": text,
        "evidence": dict(evidence),
    }
