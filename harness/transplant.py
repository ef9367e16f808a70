"""One run's weights in the network of another: are they the same, and what would the other say with them?

Which entry is which is found as for the numerics, from how the networks run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness import correspondence, traces
from harness.environments import Installed
from harness.measure import Measurer
from harness.prepared import load
from harness.records import Run, Source


@dataclass(frozen=True)
class Transplant:
    """The other run's weights in a run's own network."""

    state: Path | None  #: the whole state, as a worker loads it; None where it cannot be made
    tensors: int = 0  #: compared
    differing: int = 0  #: of these, in any bit
    first: str = ""  #: the run's own name of the first that differs, in the order of execution
    why: str = ""  #: why it cannot be made


def transplant(
    run: Run, other: Run, installed: Mapping[Source, Installed], measurer: Measurer, folder: Path
) -> Transplant:
    """Writes the state and compares it with the run's own."""
    shapes: dict[Source, dict[str, tuple[int, ...]]] = {}
    tasks: dict[Source, list[tuple[Source, dict[str, Any]]]] = {}
    for one in (run, other):
        task = {
            "kind": "state",
            "documented": one.documented_model,
            "model": one.model,
            "checkpoint": one.checkpoint.file,
            "match": one.checkpoint.match,
            "input_size": one.input_size,
            "out": str(folder / str(one.source)),
        }
        tasks[one.source] = [(one.source, task)]
    failed: list[str] = []

    def handle(source: Source, event: Mapping[str, Any]) -> None:
        if event["event"] == "state":
            shapes[source] = {name: tuple(shape) for name, shape in event["shapes"].items()}
        elif event["event"] == "failed":
            failed.append(event["message"])

    measurer.side_by_side(installed, tasks, "why", handle, len(tasks))
    if failed:
        return Transplant(None, why=failed[0])
    mine, theirs = (folder / str(one.source) for one in (run, other))
    try:
        layers = correspondence.match(traces.read(theirs), traces.read(mine), shapes[other.source], shapes[run.source])
    except correspondence.CorrespondenceError as error:
        return Transplant(None, why=f"the weights of {other.source} cannot be moved: {error}")
    own = load(mine / "state.npz")
    moved = correspondence.transfer(layers, load(theirs / "state.npz"))
    differing = [name for name, value in moved.items() if not np.array_equal(value, own[name])]
    whole: dict[str, Any] = {**own, **moved}
    np.savez(folder / "state.npz", **whole)
    return Transplant(folder / "state.npz", len(moved), len(differing), differing[0] if differing else "")
