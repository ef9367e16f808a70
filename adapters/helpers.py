"""What adapters of all frameworks share: fitting a state, alterations, slices. NumPy alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from harness.adapters import keys
from harness.adapters.records import Array, CheckpointError, Match


def slice_attributes(shape: Sequence[int], index: Any) -> dict[str, Any]:
    """Axis and bounds of a subscript that cuts along one axis; any other subscript as it is written."""
    index = index if isinstance(index, tuple) else (index,)
    cut = [(axis, part) for axis, part in enumerate(index) if not (isinstance(part, slice) and part == slice(None))]
    if len(cut) != 1 or not isinstance(cut[0][1], slice) or any(part is Ellipsis for part in index):
        return {"index": str(index)}
    axis, part = cut[0]
    start, stop, step = part.indices(shape[axis])
    return {"axis": axis, "start": start, "stop": stop, **({"step": step} if step != 1 else {})}


class Alterations:
    """The present alterations of one network's forward pass; see Network.altered.

    They are applied only during each forward pass, so that another network may run in between.
    """

    def __init__(self) -> None:
        self._held: list[Callable[[], contextlib.AbstractContextManager[Any]]] = []

    @contextlib.contextmanager
    def holding(self, applying: Callable[[], contextlib.AbstractContextManager[Any]]) -> Iterator[None]:
        """Within it, applied() enters what `applying` makes, too."""
        self._held.append(applying)
        try:
            yield
        finally:
            self._held.remove(applying)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for applying in self._held:
                stack.enter_context(applying())
            yield


def deviation(expected: Array, given: Array) -> float:
    """The largest difference of two arrays of logits as a share of the range of the expected ones.

    Infinite where either is not finite.
    """
    if not (np.isfinite(expected).all() and np.isfinite(given).all()):
        return float("inf")
    largest, reach = float(np.abs(given - expected).max()), float(np.ptp(expected))
    return largest / reach if reach else float("inf") if largest else 0.0


def differences(expected: Mapping[str, Sequence[int]], given: Mapping[str, Sequence[int]]) -> list[str]:
    """Why a state does not fit, as readable lines: missing, unexpected, wrong shape.

    Both arguments map entry names to shapes.
    """
    lines = [f"missing {name} {tuple(shape)}" for name, shape in expected.items() if name not in given]
    lines += [f"unexpected {name} {tuple(shape)}" for name, shape in given.items() if name not in expected]
    lines += [
        f"{name} has shape {tuple(given[name])}, expected {tuple(shape)}"
        for name, shape in expected.items()
        if name in given and tuple(given[name]) != tuple(shape)
    ]
    return lines


def fit(
    expected: Mapping[str, Sequence[int]],
    given: Mapping[str, Sequence[int]],
    match: Match,
    where: str,
) -> dict[str, str]:
    """Expected entry name -> name in the checkpoint.

    Raises CheckpointError that lists the first three differences.
    """
    if match == "order":
        if len(expected) != len(given):
            raise CheckpointError(
                f"{where}: {len(given)} entries, the network has {len(expected)}; cannot match by order"
            )
        pairs = dict(zip(expected, given, strict=True))
        wrong = [
            f"entry {i}: {theirs} {tuple(given[theirs])} for {ours} {tuple(expected[ours])}"
            for i, (ours, theirs) in enumerate(pairs.items())
            if tuple(expected[ours]) != tuple(given[theirs])
        ]
    else:
        pairs = {name: name for name in expected}
        wrong = differences(expected, given)
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        if more and match == "name":
            more += f" ({keys.pattern(expected, given)})"
        raise CheckpointError(
            f"{where} does not fit the network, {len(wrong)} differences: {'; '.join(wrong[:3])}{more}. "
            "Is it the checkpoint of this model, in this source's format?"
        )
    return pairs
