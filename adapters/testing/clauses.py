"""The clauses of the contract, run inside a source's environment: NumPy and the adapter alone.

As a script: module, model and an empty folder as arguments; writes a JSON object, clause -> why it is broken, or null.
"""

from __future__ import annotations

import functools
import importlib
import json
import pickle
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from harness.adapters.base import STEPS, CheckpointError, LayerCall, UndecodableImage
from harness.adapters.testing.subject import COLOUR, Broken, Subject, expect
from harness.adapters.third_party import accept_old_imports


class _Attack:
    """A pickle that would leave a file behind if it were executed."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> Any:
        return open, (str(self._file), "w")


def _models(s: Subject) -> None:
    expect(s.model in s.adapter.models(), "models()", s.adapter.models(), f"{s.model!r} among them")
    _raises(KeyError, "build('no_such_model')", lambda: s.adapter.build("no_such_model"))


def _aliases(s: Subject) -> None:
    models = set(s.adapter.models())
    for alias, own in list(s.adapter.aliases().items())[:1]:
        expect(alias not in models or alias == own, "aliases()", alias, "names that are not among models()")
        expect(s.adapter.build(own).input_size, f"build({own!r}).input_size", None, "a size in pixels")
        s.adapter.checkpoint_url(own)


def _forward(s: Subject) -> None:
    expect(s.logits.ndim == 2 and len(s.logits) == 2, "forward() of 2 images", s.logits.shape, "shape (2, classes)")
    expect(s.logits.dtype == np.float32, "forward().dtype", s.logits.dtype, "float32")


def _seed(s: Subject) -> None:
    expect(s.same(s.build(seed=1)), "build(seed=1), twice", "other logits", "the same logits")
    expect(not s.same(s.build(seed=2)), "build(seed=2)", "the logits of seed 1", "other logits")


def _checkpoint(s: Subject) -> None:
    path = s.saved("saved")
    expect(s.adapter.stand_in(path) is None, "stand_in() of save(path)", s.adapter.stand_in(path), "None")
    expect(s.same(s.build(checkpoint=path, seed=2)), "build() of save(path)", "other logits", "those that were saved")


def _stand_in(s: Subject) -> None:
    path = s.saved("marked", "made up")
    mark = s.adapter.stand_in(path)
    expect(mark == "made up", "stand_in() of save(path, 'made up')", mark, "'made up'")
    expect(s.same(s.build(checkpoint=path)), "build() of a marked checkpoint", "other logits", "those that were saved")


def _state(s: Subject) -> None:
    network, state = s.build(seed=2), dict(s.network.state())
    names = list(state)
    wrong = {name: state[name] for name in names[2:]}
    wrong[names[2]] = np.zeros((1, 2, 3), np.float32)
    complaint = _raises(CheckpointError, "load_state() without two entries", lambda: network.load_state(wrong))
    expect(names[0] in complaint, "CheckpointError of load_state()", complaint, f"the missing entry {names[0]} in it")
    network.load_state(state)
    expect(s.same(network), "load_state(state())", "other logits", "those of the network whose state it is")


def _refusal(s: Subject) -> None:
    attack, executed = s.file("attack"), s.folder / "executed"
    attack.write_bytes(pickle.dumps({"weight": _Attack(executed)}))
    content = s.saved("whole").read_bytes()
    for name, written in (("cut", content[: min(1000, len(content) // 2)]), ("empty", b"")):
        s.file(name).write_bytes(written)
    try:
        for name in ("attack", "cut", "empty"):
            path = s.file(name)
            _raises(CheckpointError, f"build() of {path.name}", functools.partial(s.build, checkpoint=path))
    finally:
        expect(not executed.exists(), "build() of a pickle with code in it", "the code was run", "that it is not")


def _parameters(s: Subject) -> None:
    counts, held = s.network.parameters(), sum(int(np.size(array)) for array in s.network.state().values())
    total = counts.learnable + counts.running_statistics + counts.other_buffers
    expect(total == held, "parameters(): learnable + running_statistics + other_buffers", total, f"{held}, as state()")
    by_type = sum(counts.by_type.values())
    expect(by_type == counts.learnable, "parameters().by_type, summed", by_type, f"learnable, {counts.learnable}")


def _multiply_adds(s: Subject) -> None:
    logits, size = s.logits, s.network.input_size
    counts = s.network.multiply_adds(size)
    plain = counts.get(s.network.plain_counter)
    expect(isinstance(plain, int), f"multiply_adds({size})[plain_counter]", plain, "an int")
    again = s.network.multiply_adds(size)
    expect(again == counts, f"multiply_adds({size}), twice", again, f"the same, {counts}")
    after = s.network.forward(s.images)
    expect(np.array_equal(after, logits), "forward() after multiply_adds()", "other logits", "the same logits")


def _outline(s: Subject) -> None:
    outline, size = s.adapter.outline(s.model), s.network.input_size
    counted, counts = outline.multiply_adds(size), s.network.multiply_adds(size)
    expect(counted.items() <= counts.items(), "outline().multiply_adds()", counted, f"a part of {counts}")
    expect(outline.plain_counter in counted, "outline().multiply_adds()", list(counted), "the plain counter in it")
    expect(outline.parameters() == s.network.parameters(), "outline().parameters()", outline.parameters(), "the same")
    expect(outline.input_size == size, "outline().input_size", outline.input_size, str(size))


def _documents(s: Subject) -> None:
    for document in s.adapter.documents():
        expect(document.rows, f"documents(): {document.file}", "no rows", "rows")
        for line, cells in document.rows:
            where = f"documents(): {document.file}, line {line}"
            expect(line > 0, where, line, "a line of 1 or more")
            expect(len(cells) == len(document.heading), where, cells, f"{len(document.heading)} cells")
            expect(all(isinstance(cell, str) for cell in cells), where, cells, "text in every cell")


class _Enough(Exception):
    """What the caller of trace() raises."""


def _trace(s: Subject) -> None:
    calls: list[LayerCall] = []
    s.network.trace(s.images, calls.append)
    indices = [call.index for call in calls]
    expect(calls and indices == list(range(len(calls))), "trace(): index", indices, "0, 1, 2, ...")
    last = calls[-1].output
    close = last is not None and last.shape == s.logits.shape and np.allclose(last, s.logits, atol=1e-4)
    expect(close, f"trace(): output of the last operation, {calls[-1].kind}", last, "the logits of forward()")
    bare: list[LayerCall] = []
    s.network.trace(s.images, bare.append, values=False)
    kept = [call.name for call in bare if call.output is not None]
    expect(not kept, "trace(values=False): operations with an output", kept, "none")
    expect([c.kind for c in bare] == [c.kind for c in calls], "trace(values=False)", len(bare), "the same operations")

    def refuse(_call: LayerCall) -> None:
        raise _Enough

    _raises(_Enough, "trace() whose emit raises", lambda: s.network.trace(s.images, refuse))


def _classifier(s: Subject) -> None:
    network = s.build(seed=1)
    features = network.features(s.images)
    weight = np.zeros((s.logits.shape[1], features.shape[1]), np.float32)
    weight[0] = 1.0
    network.set_classifier(weight, np.zeros(len(weight), np.float32))
    got, wanted = network.forward(s.images)[:, 0], features.sum(axis=1)
    close = np.allclose(got, wanted, rtol=1e-3, atol=1e-3)
    expect(close, "forward() after set_classifier(ones for class 0)", got, f"the sum of features(), {wanted}")


def _preprocessing(s: Subject) -> None:
    size, image = s.network.input_size, s.photo("red.png")
    prepared, steps = s.network.preprocess(image), s.network.preprocessing_steps(image)
    expect(prepared.shape == (3, size, size), "preprocess().shape", prepared.shape, f"(3, {size}, {size})")
    expect(prepared.dtype == np.float32, "preprocess().dtype", prepared.dtype, "float32")
    expect(tuple(steps) == STEPS, "preprocessing_steps(), its steps", tuple(steps), str(STEPS))
    expect(np.array_equal(steps["normalise"], prepared), "step normalise", "another array", "what preprocess() gives")
    for step in STEPS[:-1]:
        array = steps[step]
        expect(array.dtype == np.uint8, f"step {step}, its type", array.dtype, "uint8")
        expect(array.ndim == 3 and array.shape[2] == 3, f"step {step}, its shape", array.shape, "(H, W, 3)")
        expect(
            (array == COLOUR).all(), f"step {step} of a picture of RGB {COLOUR}", array[0, 0], "that colour: is it BGR?"
        )
    described = s.network.preprocessing
    expect(steps["decode"].shape == (300, 400, 3), "step decode", steps["decode"].shape, "(300, 400, 3)")
    short = min(steps["resize"].shape[:2])
    expect(short == described.short_side, "step resize, short side", short, f"{described.short_side}, as described")
    expect(steps["crop"].shape == (size, size, 3), "step crop", steps["crop"].shape, f"({size}, {size}, 3)")


def _independent_steps(s: Subject) -> None:
    """What a later step does must not show in an earlier result."""
    size, described = s.network.input_size, s.network.preprocessing
    steps = s.network.preprocessing_steps(s.photo("noise.png"))
    expected = ((steps["crop"] / 255 - np.array(described.mean)) / np.array(described.std)).transpose(2, 0, 1)
    close = np.allclose(steps["normalise"], expected, atol=1e-4)
    expect(close, "step normalise", "other values", "(crop / 255 - mean) / std, as described")
    top, left = ((long - size) // 2 for long in steps["resize"].shape[:2])
    centres = [steps["resize"][y : y + size, x : x + size] for y in (top, top + 1) for x in (left, left + 1)]
    centred = any(np.array_equal(steps["crop"], centre) for centre in centres)
    expect(centred, "step crop", "other pixels", "the centre of the step resize")


def _undecodable(s: Subject) -> None:
    _raises(UndecodableImage, "preprocess() of no image", lambda: s.network.preprocess(b"\xff\xd8 no image"))


def _raises(kind: type[Exception], called: str, call: Callable[[], object]) -> str:
    try:
        got = call()
    except kind as error:
        return str(error)
    except Exception as error:
        raise Broken(f"{called}: raised {type(error).__name__}: {error}, expected {kind.__name__}") from error
    raise Broken(f"{called}: got {type(got).__name__}, expected that it raises {kind.__name__}")


CLAUSES: Mapping[str, Callable[[Subject], None]] = {
    "models": _models,
    "aliases": _aliases,
    "forward": _forward,
    "seed": _seed,
    "checkpoint": _checkpoint,
    "stand_in": _stand_in,
    "state": _state,
    "refusal": _refusal,
    "parameters": _parameters,
    "multiply_adds": _multiply_adds,
    "outline": _outline,
    "documents": _documents,
    "trace": _trace,
    "classifier": _classifier,
    "preprocessing": _preprocessing,
    "independent_steps": _independent_steps,
    "undecodable": _undecodable,
}


def check(adapter: Any, model: str, folder: Path) -> dict[str, str | None]:
    """Clause -> why it is broken; None where it holds."""
    subject = Subject(adapter, model, folder)
    results: dict[str, str | None] = {}
    for name, clause in CLAUSES.items():
        try:
            clause(subject)
            results[name] = None
        except Broken as error:
            results[name] = str(error)
        except Exception as error:  # an adapter may raise anything
            results[name] = f"raised {type(error).__name__}: {error}, expected that it raises nothing"
    return results


def main() -> None:
    module, model, folder = sys.argv[1:]
    accept_old_imports(module)
    results = check(importlib.import_module(module).Adapter(), model, Path(folder))
    Path(folder, "results.json").write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main()
