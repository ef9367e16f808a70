"""The harness as a contestant; see harness_evaluator.py for what it runs."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.frameworks import SERVE, plain_environment
from benchmarks.interleaved import Contestant
from benchmarks.rows import Row
from harness.execution import process
from harness.execution.registry import SourceSpec

#: the folder that has harness, adapters, benchmarks and tests in it
ROOT = Path(__file__).parents[1]


def environment() -> dict[str, str]:
    """A plain environment in which this checkout is found, whatever else is installed."""
    return {**plain_environment(), "PYTHONPATH": str(ROOT)}


def in_source_environment(spec: SourceSpec, folder: Path) -> dict[str, str]:
    """A plain environment for a source's interpreter: it finds the adapter as a worker does, and benchmarks.

    What is found is linked in `folder`, which must not exist yet. The variables for memory are those of workers.
    """
    process.make_path(spec, folder)
    (folder / "benchmarks").symlink_to(ROOT / "benchmarks")
    return {**plain_environment(), **process.KEEP_MEMORY, "PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}


def contestant(
    rows: Sequence[Row],
    name: str,
    runtime: str,
    precision: str,
    images: Sequence[tuple[str, int]],
    counted: int,
    batch_size: int,
) -> Contestant:
    """All rows of one source together; those of the images that follow the `counted` first are to warm up with."""
    job = {
        "source": rows[0].source,
        "version": rows[0].version,
        "rows": [
            {
                "documented": row.documented,
                "model": row.model,
                "size": row.size,
                "checkpoint": dataclasses.asdict(row.checkpoint),
            }
            for row in rows
        ],
        "runtime": runtime,
        "precision": precision,
        "images": images,
        "counted": counted,
        "batch_size": batch_size,
    }
    command = [sys.executable, str(SERVE), "benchmarks.harness_evaluator"]
    return Contestant(name, command, environment(), job)
