"""A run that is killed halfway, and what the same command does twice when it goes on."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from benchmarks.harness_contestant import environment
from benchmarks.interleaved import Failed
from benchmarks.speed_report import markdown

SOURCE, MODEL = "timm", "cspresnet50"
#: seconds between two looks into the store, and until one that does not get on is given up
LOOK, PATIENCE = 0.05, 600.0


@dataclass
class Seen:
    """What was seen of the store while a process ran."""

    first: float | None = None  #: seconds from its start to the first batch that was stored
    since_last: float = 0.0  #: seconds from the last batch that was stored to its end
    between: float = 0.0  #: seconds between the last two
    images: dict[str, int] = field(default_factory=dict)  #: name -> parts that have it, of those it has written


def measure(given: argparse.Namespace) -> str:
    with tempfile.TemporaryDirectory(prefix="parity-overheads-") as folder:
        out = Path(folder)
        before = _run(given, out, until=lambda images: images >= given.images / 2)
        # what was killed may have written more than was looked at
        stored = set(_stored(out))
        after = _run(given, out)
        [run] = json.loads((out / "report.json").read_text(encoding="utf-8"))["runs"]
    counted = round(run["images_per_second"] * run["seconds"])
    lines = [
        ["images stored when it was killed", str(len(stored))],
        ["images run when it went on, as the report says", str(counted)],
        ["images stored in both", str(len(stored & set(after.images)))],
        ["seconds of work in no stored batch when it was killed", f"{before.since_last:.1f}"],
        ["seconds from the start to the first stored batch, counting FLOPs included", _seconds(before.first)],
        ["the same when it went on, where they were counted", _seconds(after.first)],
    ]
    return (
        f"{SOURCE} {MODEL}, {given.images} images in batches of {given.batch_size}, killed by SIGKILL halfway:\n\n"
        f"{markdown(['', ''], lines)}\n\n"
        f"Of what is in no stored batch, at most one batch and what was decoded ahead of it, is done twice."
    )


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _run(given: argparse.Namespace, out: Path, until: Callable[[int], bool] = lambda _: False) -> Seen:
    """The run until its end, or killed with its worker once `until` says so of the images it has stored."""
    command = [sys.executable, "-m", "harness.run", "--data", str(given.data), "--weights", str(given.weights)]
    command += ["--labels", str(given.labels)] if given.labels else []
    command += ["--sources", SOURCE, "--models", MODEL, "--checks", "accuracy", "--limit", str(given.images)]
    command += ["--batch-size", str(given.batch_size), "--out", str(out)]
    seen = Seen()
    known = set(_parts(out))
    began = last = time.monotonic()
    with tempfile.TemporaryFile("w+") as stderr:
        process = subprocess.Popen(
            command, env=environment(), stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True
        )
        try:
            while process.poll() is None and time.monotonic() - began < PATIENCE:
                for part in _parts(out) - known:
                    known.add(part)
                    seen.between, last = time.monotonic() - last, time.monotonic()
                    seen.first = seen.first or last - began
                    for name in _names(part):
                        seen.images[name] = seen.images.get(name, 0) + 1
                if until(len(seen.images)):
                    time.sleep(seen.between / 2)  # in the middle of the next batch
                    break
                time.sleep(LOOK)
        finally:
            killed = process.poll() is None
            if killed:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        seen.since_last = time.monotonic() - last
        stderr.seek(0)
        if killed != until(len(seen.images)) or process.returncode == 2:
            raise Failed(f"the run did not go as it should: {stderr.read().strip()[-300:]}")
    return seen


def _parts(out: Path) -> set[Path]:
    return set((out / "store" / "predictions").glob("*/part-*.parquet"))


def _names(part: Path) -> list[str]:
    try:
        return list(pd.read_parquet(part, columns=["image"])["image"])
    except FileNotFoundError:  # the run has just put it into a larger file
        return []


def _stored(out: Path) -> list[str]:
    return [name for part in _parts(out) for name in _names(part)]
