"""The clauses about what is learnt: random weights, checkpoints, the state, running statistics, the classifier."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from harness.adapters.base import Array, CheckpointError
from harness.adapters.testing.renaming import renamed
from harness.adapters.testing.subject import Skipped, Subject, expect, raises


class _Attack:
    """A pickle that would leave a file behind if it were executed."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> Any:
        return open, (str(self._file), "w")


def seed(s: Subject) -> None:
    """`build(seed=)` gives the same random weights for the same seed and others for another."""
    expect(s.same(s.build(seed=1)), "build(seed=1), twice", "other logits", "the same logits")
    expect(not s.same(s.build(seed=2)), "build(seed=2)", "the logits of seed 1", "other logits")


def checkpoint(s: Subject) -> None:
    """A checkpoint that `save()` wrote gives the same logits, and `stand_in()` of it is `None`."""
    path = s.saved("saved")
    expect(s.adapter.stand_in(path) is None, "stand_in() of save(path)", s.adapter.stand_in(path), "None")
    expect(s.same(s.build(checkpoint=path, seed=2)), "build() of save(path)", "other logits", "those that were saved")


def stand_in(s: Subject) -> None:
    """A checkpoint that `save()` marks says so in `stand_in()`, and gives the same logits."""
    path = s.saved("marked", "made up")
    mark = s.adapter.stand_in(path)
    expect(mark == "made up", "stand_in() of save(path, 'made up')", mark, "'made up'")
    expect(s.same(s.build(checkpoint=path)), "build() of a marked checkpoint", "other logits", "those that were saved")


def states(s: Subject) -> None:
    """`states()` has the weights that `build()` loaded, as the first, and loads each of them. *Optional.*"""
    s.need("states")
    expect(not s.network.states(), "states() without a checkpoint", list(s.network.states()), "nothing")
    network = s.build(checkpoint=s.saved("several"), seed=2)
    names = list(network.states())
    expect(names, "states() of save(path)", names, "the name of the weights in it")
    for name in [*names[1:], names[0]]:
        network.load_state(s.build(seed=3).state())
        network.states()[name]()
    expect(s.same(network), f"states()[{names[0]!r}]()", "other logits", "those that were saved")


def match_order(s: Subject) -> None:
    """`build(match="order")` loads a checkpoint with other names; by name it raises `CheckpointError`."""
    path = s.saved("renamed")
    content = renamed(path.read_bytes(), s.network.state())
    if content is None:
        raise Skipped(
            f"the names of state() are not found as text in what save() writes, so no {path.suffix or 'such'} file "
            "with other names can be made; test build(match='order') yourself"
        )
    path.write_bytes(content)
    what = "a checkpoint whose names have small and capital letters exchanged"
    raises(CheckpointError, f"build() of {what}", lambda: s.build(checkpoint=path))
    try:
        network = s.build(checkpoint=path, match="order", seed=2)
    except CheckpointError as error:
        expect(False, f"build(match='order') of {what}", f"CheckpointError: {error}", "the network that was saved")
    expect(s.same(network), f"build(match='order') of {what}", "other logits", "those that were saved")


def state(s: Subject) -> None:
    """`load_state()` takes what `state()` gives, and names what is missing, unknown or of another shape."""
    network, whole = s.build(seed=2), dict(s.network.state())
    first, *_, last = [*whole, *whole]
    without = {name: array for name, array in whole.items() if name != first}
    longer = {**whole, last: np.zeros((*np.shape(whole[last]), 2), np.float32)}
    more = {**whole, "no_such_entry": np.zeros(1, np.float32)}
    for what, name, given in (
        (f"lacks {first}", first, without),
        (f"has {last} in another shape", last, longer),
        ("has one more, no_such_entry", "no_such_entry", more),
    ):
        called = f"load_state() of a state that {what}"
        complaint = raises(CheckpointError, called, functools.partial(network.load_state, given))
        expect(name in complaint, f"CheckpointError of {called}", complaint, f"{name} in it")
    network.load_state(whole)
    expect(s.same(network), "load_state(state())", "other logits", "those of the network whose state it is")


def refusal(s: Subject) -> None:
    """`build()` raises `CheckpointError` for a file that is cut, empty or a pickle with code, which it never runs."""
    attack, executed = s.file("attack"), s.folder / "executed"
    attack.write_bytes(pickle.dumps({"weight": _Attack(executed)}))
    content = s.saved("whole").read_bytes()
    for name, written in (("cut", content[: min(1000, len(content) // 2)]), ("empty", b"")):
        s.file(name).write_bytes(written)
    try:
        for name in ("attack", "cut", "empty"):
            path = s.file(name)
            raises(CheckpointError, f"build() of {path.name}", functools.partial(s.build, checkpoint=path))
    finally:
        expect(not executed.exists(), "build() of a pickle with code in it", "the code was run", "that it is not")


def calibrate(s: Subject) -> None:
    """`calibrate()` replaces the running statistics by those of all batches, and nothing else."""
    one, two = s.images, 2 * s.images + 1
    before = _numbers(s.build(seed=1).state())
    network, once = _calibrated(s, [one])
    counts = network.parameters()
    changed = [name for name in before if not np.array_equal(once[name], before[name])]
    size = sum(before[name].size for name in changed)
    if not counts.running_statistics:
        expect(not changed, "calibrate() of a network without running statistics", changed, "that no entry changes")
        return
    at_most = counts.running_statistics + counts.other_buffers
    expect(changed, "state() after calibrate()", "what it was before", "other running statistics")
    expect(size <= at_most, "calibrate(): entries that changed", changed, "the running statistics alone")
    network.calibrate(iter([one]))
    again = _numbers(network.state())
    different = _apart(again, once)
    expect(not different, "calibrate(), twice with one batch", f"other values of {different}", "the same")
    both, turned = _calibrated(s, [one, two])[1], _calibrated(s, [two, one])[1]
    different = _apart(both, turned)
    wanted = "the statistics of all batches, the same in whatever order they come"
    expect(not different, "calibrate() of two batches and of the same in turn", f"others in {different}", wanted)
    expect(_apart(both, once), "calibrate() of two batches", "the statistics of the first", "those of both")
    network.forward(two)
    after = _numbers(network.state())
    kept = all(np.array_equal(after[name], again[name]) for name in after)
    expect(kept, "forward() after calibrate()", "another state", "the same state, as in evaluation")


def classifier(s: Subject) -> None:
    """`set_classifier()` replaces the last linear layer, which `features()` enter."""
    network = s.build(seed=1)
    features = network.features(s.images)
    weight = np.zeros((s.logits.shape[1], features.shape[1]), np.float32)
    weight[0] = 1.0
    network.set_classifier(weight, np.zeros(len(weight), np.float32))
    got, wanted = network.forward(s.images)[:, 0], features.sum(axis=1)
    close = np.allclose(got, wanted, rtol=1e-3, atol=1e-3)
    expect(close, "forward() after set_classifier(ones for class 0)", got, f"the sum of features(), {wanted}")


def _calibrated(s: Subject, batches: Iterable[Array]) -> tuple[Any, dict[str, Array]]:
    """A network that was calibrated with the batches, which come one by one, and the numbers of its state then."""
    network = s.build(seed=1)
    network.calibrate(iter(batches))
    return network, _numbers(network.state())


def _numbers(entries: Any) -> dict[str, Array]:
    """A copy of a state without what counts batches."""
    kept = {name: np.array(array) for name, array in entries.items()}
    return {name: array for name, array in kept.items() if np.issubdtype(array.dtype, np.floating)}


def _apart(state: dict[str, Array], other: dict[str, Array]) -> list[str]:
    """Entries whose values differ by more than rounding explains."""
    return [
        name
        for name, array in state.items()
        if np.abs(array - other[name]).max(initial=0) > 1e-3 * np.abs(array).max(initial=0) + 1e-12
    ]
