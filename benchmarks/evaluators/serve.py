"""Evaluates slices of a list of images whenever it is told to, so that several of these can take turns.

`python serve.py MODULE` with a job on the first line of standard input, in an environment of any source and
with the standard library alone. MODULE has a class `Evaluator` that fulfils the contract below. On standard output,
one JSON object a line: {"ready": seconds since the process was started, ...}, and for each further line of input
{"images": [start, stop]} what `Evaluator.evaluate` returns of the images from start to stop, with

    images         how many they were
    peak_rss_mib   the most memory in MiB that this process has held in RAM so far, without its loading workers'

Ends at the end of input.

    class Evaluator:
        def __init__(self, job): ...     # {"model", "checkpoint", "images": [[path, label], ...], "batch_size", ...}
        about: dict                      # anything to be told with "ready"
        def evaluate(self, images): ...  # -> {"seconds", "first_batch", "top1", "top5", "best", ...}

    seconds      of the evaluation, from before its data set is made to its last result, starting of workers included
    first_batch  how many of these went by before the network had its first batch
    top1, top5   how many of the images are right, by the evaluator's own metric
    best         for each image the five best classes, best first; found where the clock does not run
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    # frameworks print to standard output; events get a descriptor that nobody else knows
    events = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    job = json.loads(sys.stdin.readline())
    images = job["images"]
    evaluator = importlib.import_module(sys.argv[1]).Evaluator(job)
    events.write(json.dumps({"ready": seconds_since_start(), **evaluator.about}) + "\n")
    for line in sys.stdin:
        start, stop = json.loads(line)["images"]
        result: dict[str, Any] = evaluator.evaluate(images[start:stop])
        # a pass's workers are to be gone before another contestant has its turn
        gc.collect()
        result |= {"images": len(images[start:stop]), "peak_rss_mib": peak_rss_mib()}
        events.write(json.dumps(result) + "\n")


def seconds_since_start() -> float:
    """Since this process was started, starting of the interpreter included; to a hundredth of a second."""
    # the name of the command, the second field, may hold spaces and ends at the last bracket
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return round(time.clock_gettime(time.CLOCK_BOOTTIME) - started, 2)


def peak_rss_mib() -> float:
    # resource.getrusage would begin with what the process that started this one held
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise RuntimeError("no VmHWM in /proc/self/status")


if __name__ == "__main__":
    main()
