"""Memory after a few images and after ten times as many: what grows with them."""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import tempfile
from pathlib import Path

from benchmarks import harness_contestant, images, interleaved
from benchmarks.interleaved import Failed, Outcome
from benchmarks.rows import Row
from benchmarks.speed_report import markdown
from benchmarks.told import Told
from harness.execution import environments, registry
from harness.execution.checkpoints import Checkpoint
from harness.execution.engine import BLOCK

SOURCE, MODEL, SIZE = "timm", "resnet18", 224  #: pixels
TIMES = 10
#: writes a checkpoint of seeded random weights
_SAVE = """
import sys
from pathlib import Path
from harness.adapters.timm import Adapter
Adapter().build(sys.argv[1], seed=0).save(Path(sys.argv[2]), "stand-in: seeded random weights")
"""


def measure(given: argparse.Namespace) -> str:
    with tempfile.TemporaryDirectory(prefix="parity-overheads-") as folder:
        row = _row(Path(folder))
        outcomes = [_run(row, number, given) for number in (given.images, TIMES * given.images)]
    return f"{row.label} with random weights, {SIZE} pixels:\n\n{compared(*outcomes)}"


def _run(row: Row, number: int, given: argparse.Namespace) -> Outcome:
    """One evaluation of its own, in steps of as many images as the harness takes."""
    listed = images.labelled(number, given.data, given.labels)
    how = ("native", "fp32", listed, number, given.batch_size)
    contestant = harness_contestant.contestant([row], f"{number} images", *how)
    [outcome] = interleaved.run([contestant], interleaved.slices(number, BLOCK * given.batch_size), told=Told())
    if outcome.failure:
        raise Failed(f"{outcome.name}: {outcome.failure}")
    return outcome


def _row(folder: Path) -> Row:
    spec = registry.sources()[SOURCE]
    ready = environments.prepare(spec, spec.default_version)
    file = folder / f"{MODEL}.pth"
    command = [str(ready.python), "-c", _SAVE, MODEL, str(file)]
    environment = harness_contestant.in_source_environment(spec, folder / "path")
    subprocess.run(command, env=environment, check=True, capture_output=True)
    checkpoint = Checkpoint(str(file), hashlib.sha256(file.read_bytes()).hexdigest(), None, str(folder))
    return Row(SOURCE, spec.default_version, MODEL, MODEL, SIZE, checkpoint, 0.0)


def compared(few: Outcome, many: Outcome) -> str:
    """Pure: what each process held at the end, and at most."""
    lines = []
    for name, now, most in (
        ("main process", "rss_mib", "peak_rss_mib"),
        ("worker", "worker_rss_mib", "worker_peak_rss_mib"),
    ):
        for what, figure in (("at the end", now), ("at most", most)):
            a, b = few.passes[-1][figure], many.passes[-1][figure]
            lines.append([f"{name}, {what}", f"{a:,.0f}", f"{b:,.0f}", f"{b / a - 1:+.1%}"])
    head = ["MiB in RAM", f"{few.images:,} images", f"{many.images:,} images", "difference"]
    return markdown(head, lines)
