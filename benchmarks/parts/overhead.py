"""An evaluation against its bare parts: decoding with preparation, and the forward passes of the same network."""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import frameworks, harness_contestant, images, interleaved
from benchmarks.interleaved import Contestant, Failed
from benchmarks.rows import rows
from benchmarks.speed_report import markdown
from benchmarks.told import Told
from harness.execution import environments, registry

SOURCE, MODEL = "timm", "cspresnet50"
#: images that both run before any counts
WARM_UP = 64


def measure(given: argparse.Namespace) -> str:
    [row] = rows(given.weights.absolute(), [SOURCE], [MODEL])
    listed = images.labelled(given.images + WARM_UP, given.data, given.labels)
    spec = registry.sources()[row.source]
    ready = environments.prepare(spec, row.version)
    job = {
        "adapter": spec.module,
        "model": row.model,
        "checkpoint": row.checkpoint.file,
        "images": listed,
        "batch_size": given.batch_size,
    }
    command = [str(ready.python), str(frameworks.SERVE), "benchmarks.bare_evaluator"]
    turns = interleaved.slices(given.images, given.slice)
    with tempfile.TemporaryDirectory(prefix="parity-overheads-") as folder:
        environment = harness_contestant.in_source_environment(spec, Path(folder) / "path")
        contestants = [
            Contestant("bare", command, environment, job),
            harness_contestant.contestant([row], "harness", "native", "fp32", listed, given.images, given.batch_size),
        ]
        bare, harness = interleaved.run(contestants, turns, (given.images, given.images + WARM_UP), told=Told())
    for outcome in (bare, harness):
        if outcome.failure:
            raise Failed(f"{outcome.name}: {outcome.failure}")
    table = compared(bare.passes, harness.passes)
    return f"{row.label}, {row.size} pixels, {given.images} images in batches of {given.batch_size}:\n\n{table}"


def compared(bare: Sequence[Mapping[str, Any]], harness: Sequence[Mapping[str, Any]]) -> str:
    """Pure: from what both said of the same slices."""
    images = sum(one["images"] for one in harness)
    whole = [one["seconds"] for one in harness]
    parts = {
        "decode and prepare, alone": [one["decode"] for one in bare],
        "forward passes, alone": [one["forward"] for one in bare],
        "both, one after the other": [one["decode"] + one["forward"] for one in bare],
        "both, overlapped": [one["overlapped"] for one in bare],
    }
    lines = [
        [
            name,
            f"{1000 * sum(seconds) / images:.1f}",
            f"{sum(whole) / sum(seconds) - 1:+.1%}" if name.startswith("both") else "–",
            _spread([mine / other - 1 for mine, other in zip(whole, seconds, strict=True)])
            if name.startswith("both")
            else "–",
        ]
        for name, seconds in parts.items()
    ]
    lines.append(["harness", f"{1000 * sum(whole) / images:.1f}", "–", "–"])
    return markdown(["", "ms per image", "harness beyond it", "by slice: least, median, most"], lines)


def _spread(values: Sequence[float]) -> str:
    return ", ".join(f"{value:+.1%}" for value in (min(values), statistics.median(values), max(values)))
