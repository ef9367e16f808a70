"""The harness against the sources' own evaluation of the rows of CSPNet's table: python -m benchmarks.speed.

What the numbers mean stands in README.md here; progress goes to standard error, Markdown to standard output.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import frameworks, harness_contestant, images, interleaved, speed_report
from benchmarks.interleaved import Contestant, Outcome
from benchmarks.rows import Row, rows
from benchmarks.speed_report import RowTimes, SourceTime, markdown
from benchmarks.told import Told
from harness.core.errors import InputError, MeasurementError
from harness.execution import environments, registry

PEAK = Path(__file__).with_name("peak.py")
#: images that every contestant runs before any counts
WARM_UP = 64
RUNTIMES = ("native", "openvino", "openvino:bf16")
OWN = "its own evaluation"


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, default=images.SAMPLE, help="labelled images, as for python -m harness.run")
    add("--labels", type=Path)
    add("--weights", type=Path, required=True, help="folder with a checkpoint for every row")
    add("--images", type=int, default=500, metavar="N", help="how many, repeated where there are fewer (default: 500)")
    add("--slice", type=int, default=128, metavar="N", help="images of a turn, whole batches (default: 128)")
    add("--batch-size", type=int, default=32, metavar="N")
    add("--runtimes", default=",".join(RUNTIMES), help=f"RUNTIME[:PRECISION],… (default: {','.join(RUNTIMES)})")
    add("--sources", default="", help="some of them (default: all)")
    add("--models", default="", help="some of them, as the table calls them (default: all)")
    add("--out", type=Path, metavar="FILE", help="all figures as JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    if given.slice % given.batch_size:
        print(f"error: --slice {given.slice} is no whole number of batches of {given.batch_size}", file=sys.stderr)
        return 2
    # what was started ends with this process
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    row_times: list[RowTimes] = []
    source_times: list[SourceTime] = []
    outcomes: list[Outcome] = []
    try:
        timed = rows(given.weights.absolute(), _named(given.sources), _named(given.models))
        listed = images.labelled(given.images + WARM_UP, given.data, given.labels)
        peaks = {"at the start": measured_peak()}
        for source in dict.fromkeys(row.source for row in timed):
            found = one_source([row for row in timed if row.source == source], listed, given)
            row_times += found[0]
            source_times += found[1]
            outcomes += found[2]
            _save(given, peaks, row_times, source_times, outcomes)
    except (InputError, MeasurementError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        peaks["at the end"] = measured_peak()
    except MeasurementError as error:  # what was timed stands without it
        print(f"error: {error}", file=sys.stderr)
    _save(given, peaks, row_times, source_times, outcomes)
    print(report(row_times, source_times, peaks, given))
    return 0


def _named(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _save(
    given: argparse.Namespace,
    peaks: Mapping[str, Any],
    row_times: Sequence[RowTimes],
    source_times: Sequence[SourceTime],
    outcomes: Sequence[Outcome],
) -> None:
    if not given.out:
        return
    content = {
        "arguments": {name: str(value) for name, value in vars(given).items()},
        "peaks": peaks,
        "rows": [dataclasses.asdict(row) for row in row_times],
        "sources": [dataclasses.asdict(one) for one in source_times],
        "outcomes": [outcome.summary() for outcome in outcomes],
    }
    given.out.write_text(json.dumps(content) + "\n", encoding="utf-8")


def one_source(
    mine: Sequence[Row], listed: Sequence[tuple[str, int]], given: argparse.Namespace
) -> tuple[list[RowTimes], list[SourceTime], list[Outcome]]:
    """All contestants of the rows of one source, by turns; sources follow each other, or memory would not do."""
    contestants: list[Contestant] = []
    own: dict[str, list[tuple[int, str]]] = {}
    for row in mine:
        for name, variables in ways(row):
            own.setdefault(row.documented, []).append((len(contestants), name))
            contestants.append(evaluator(row, name, variables, listed, given.batch_size))
    harness: list[tuple[int, str]] = []
    for asked in _named(given.runtimes):
        runtime, _, precision = asked.partition(":")
        name = f"harness, {asked.replace(':', ' ')}"
        harness.append((len(contestants), name))
        how = (runtime, precision or "fp32")
        label = f"{mine[0].source}: {name}"
        contestants.append(harness_contestant.contestant(mine, label, *how, listed, given.images, given.batch_size))
    turns = interleaved.slices(given.images, given.slice)
    warm_up = (given.images, given.images + WARM_UP)
    outcomes = interleaved.run(contestants, turns, warm_up, told=Told())
    models = [row.documented for row in mine]
    by_row: dict[str, list[speed_report.Timed]] = {model: [] for model in models}
    wholes: list[SourceTime] = []
    for index, name in harness:
        parts, whole = speed_report.of_harness(outcomes[index], mine[0].source, name, models)
        for model, part in zip(models, parts, strict=True):
            by_row[model].append(part)
        wholes += [whole] if whole else []
    found = [
        RowTimes(
            row.source,
            row.label,
            row.size,
            row.gflops,
            [speed_report.of_evaluator(outcomes[index], name) for index, name in own[row.documented]],
            by_row[row.documented],
        )
        for row in mine
    ]
    return found, wholes, outcomes


def ways(row: Row) -> list[tuple[str, dict[str, str]]]:
    """The ways in which users run the source's own evaluation; Paddle takes one thread unless it is told otherwise."""
    cores = str(os.cpu_count() or 1)
    more = [(f"{OWN}, OMP_NUM_THREADS={cores}", {"OMP_NUM_THREADS": cores})] if row.source == "ppcls" else []
    return [(OWN, {}), *more]


def evaluator(
    row: Row, name: str, variables: dict[str, str], listed: Sequence[tuple[str, int]], batch_size: int
) -> Contestant:
    return frameworks.contestant(
        row.source,
        row.model,
        Path(row.checkpoint.file),
        listed,
        batch_size,
        f"{row.label}, {name}",
        variables,
        workers=os.cpu_count() or 1,
    )


def measured_peak() -> dict[str, Any]:
    """What peak.py says, in timm's environment with OpenVINO beside it."""
    spec = registry.sources()["timm"]
    ready = environments.prepare(spec, spec.default_version, "openvino")
    command = [str(ready.python), str(PEAK)]
    done = subprocess.run(command, env=frameworks.plain_environment(), capture_output=True, text=True)
    if done.returncode:
        raise MeasurementError(f"the peak could not be measured: {done.stderr.strip()[-300:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"the peak is {told['gflops']} GFLOP/s", file=sys.stderr, flush=True)
    return told


def report(
    row_times: Sequence[RowTimes],
    source_times: Sequence[SourceTime],
    peaks: Mapping[str, Any],
    given: argparse.Namespace,
) -> str:
    peak = max(one["gflops"] for one in peaks.values())
    half = max((one["bf16"]["gflops"] for one in peaks.values() if one["bf16"]), default=None)
    shown = [
        [name, f"{one['gflops']:.1f}", f"{one['bf16']['gflops']:.1f}" if one["bf16"] else speed_report.NONE]
        for name, one in peaks.items()
    ]
    engines = sorted({one.engine for row in row_times for one in row.harness if one.engine})
    return "\n\n".join([
        f"## {given.images} images in batches of {given.batch_size}, by turns of {given.slice}",
        markdown(["convolution peak, GFLOP/s", "fp32", "bf16"], shown),
        f"Shares of the peak are of {peak:.1f} GFLOP/s in fp32"
        + (f"; that of bf16 is {half / peak:.1f} times as much." if half else "."),
        *(speed_report.row_table(row, peak) for row in row_times),
        "### In sum: ms per image (ratio), share of the peak, time in no forward pass",
        speed_report.sum_table(row_times, source_times, peak),
        f"The harness ran {', '.join(engines)}.",
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
