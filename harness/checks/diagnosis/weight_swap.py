"""Moves one run's weights into the network of another, and compares them with its own.

Corresponding entries are found as for the numerics, from how the networks run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.checks.equivalence import layer_matching, trace
from harness.core.records import Run, Source
from harness.worker.arrays import load
from harness.worker.tasks import WriteState


@dataclass(frozen=True)
class Transplant:
    """The other run's weights in a run's own network."""

    state: Path | None  #: the whole state, as a worker loads it; None where it cannot be made
    tensors: int = 0  #: compared
    differing: int = 0  #: of these, in any bit
    first: str = ""  #: the run's own name of the first that differs, in the order of execution
    why: str = ""  #: why it cannot be made


def state_task(run: Run, folder: Path) -> WriteState:
    """Has a worker write the run's state, and how its network is made up."""
    return WriteState(
        documented=run.documented_model,
        model=run.model,
        checkpoint=run.checkpoint.file,
        match=run.checkpoint.match,
        input_size=run.input_size,
        out=str(folder / str(run.source)),
    )


def transplant(
    run: Run, other: Run, shapes: Mapping[Source, Mapping[str, tuple[int, ...]]], folder: Path
) -> Transplant:
    """Writes the state of the other's weights in the run's network, and compares it with the run's own.

    Both states are in the folder already; `shapes` are those of their entries.
    """
    if lacking := [str(one.source) for one in (run, other) if one.source not in shapes]:
        return Transplant(None, why=f"the state of {lacking[0]} could not be written")
    own_folder, other_folder = (folder / str(one.source) for one in (run, other))
    try:
        layers = layer_matching.match(
            trace.read(other_folder), trace.read(own_folder), shapes[other.source], shapes[run.source]
        )
    except layer_matching.CorrespondenceError as error:
        return Transplant(None, why=f"the weights of {other.source} cannot be moved: {error}")
    own = load(own_folder / "state.npz")
    moved = layer_matching.transfer(layers, load(other_folder / "state.npz"))
    differing = [name for name, value in moved.items() if not np.array_equal(value, own[name])]
    state: dict[str, Any] = {**own, **moved}
    np.savez(folder / "state.npz", **state)
    return Transplant(folder / "state.npz", len(moved), len(differing), differing[0] if differing else "")
