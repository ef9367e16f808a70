"""What the harness costs beside the networks: python -m benchmarks.overheads.

What the numbers mean stands in README.md here; progress goes to standard error, Markdown to standard output.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import images
from benchmarks.interleaved import Failed
from benchmarks.parts import memory, nodes, overhead, resume, static
from harness.core.errors import InputError, MeasurementError

PARTS = {
    "overhead": ("An evaluation against its bare parts", overhead.measure),
    "memory": ("Memory", memory.measure),
    "resume": ("Going on after a kill", resume.measure),
    "ray": ("Nodes of a Ray cluster", nodes.measure),
    "static": ("Static checks", static.measure),
}


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overheads", description=__doc__)
    add = parser.add_argument
    add("--parts", default=",".join(PARTS), help=f"some of {','.join(PARTS)} (default: all)")
    add("--data", type=Path, default=images.SAMPLE, help="labelled images, as for python -m harness.run")
    add("--labels", type=Path)
    add("--weights", type=Path, help="folder with a checkpoint of timm's cspresnet50; for overhead and resume")
    add("--images", type=int, default=500, metavar="N", help="memory also runs ten times as many (default: 500)")
    add("--slice", type=int, default=128, metavar="N", help="images of a turn, whole batches (default: 128)")
    add("--batch-size", type=int, default=32, metavar="N")
    add("--batches", type=int, default=1563, metavar="N", help="for ray (default: 1563, those of 50,000 images)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 where a part could not be measured, or 2 for wrong usage."""
    given = parser().parse_args(arguments)
    asked = [part.strip() for part in given.parts.split(",") if part.strip()]
    if wrong := [part for part in asked if part not in PARTS]:
        return _refused(f"--parts: unknown {', '.join(wrong)}; expected some of {', '.join(PARTS)}")
    if given.slice % given.batch_size:
        return _refused(f"--slice {given.slice} is no whole number of batches of {given.batch_size}")
    if given.weights is None and {"overhead", "resume"} & set(asked):
        return _refused("--weights: overhead and resume take a folder of checkpoints")
    # what was started ends with this process
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    status = 0
    for part in asked:
        title, measure = PARTS[part]
        print(f"--- {part}", file=sys.stderr, flush=True)
        try:
            told = measure(given)
        except (Failed, InputError, MeasurementError, OSError, subprocess.SubprocessError, ImportError) as error:
            told, status = f"Could not be measured: {error}", 1
        print(f"## {title}\n\n{told}\n", flush=True)
    return status


def _refused(why: str) -> int:
    print(f"error: {why}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
