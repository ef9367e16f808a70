"""The clauses about what a network computes, how it is counted and looked into, and how else it runs."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from harness.adapters import runtimes
from harness.adapters.base import ROUNDING, LayerCall, Runtime, deviation
from harness.adapters.testing.subject import Skipped, Subject, expect, raises


def forward(s: Subject) -> None:
    """`forward()` gives float32 logits of shape (images, classes)."""
    expect(s.logits.ndim == 2 and len(s.logits) == 2, "forward() of 2 images", s.logits.shape, "shape (2, classes)")
    expect(s.logits.dtype == np.float32, "forward().dtype", s.logits.dtype, "float32")


def parameters(s: Subject) -> None:
    """`parameters()` sums up to what `state()` holds, and `by_type` to what is learnable."""
    counts, held = s.network.parameters(), sum(int(np.size(array)) for array in s.network.state().values())
    total = counts.learnable + counts.running_statistics + counts.other_buffers
    expect(total == held, "parameters(): learnable + running_statistics + other_buffers", total, f"{held}, as state()")
    by_type = sum(counts.by_type.values())
    expect(by_type == counts.learnable, "parameters().by_type, summed", by_type, f"learnable, {counts.learnable}")


def multiply_adds(s: Subject) -> None:
    """`multiply_adds()` has the plain counter, counts the same twice and leaves the network as it was."""
    network, size = s.build(seed=1), s.network.input_size
    counts = network.multiply_adds(size)
    plain = counts.get(network.plain_counter)
    expect(isinstance(plain, int), f"multiply_adds({size})[plain_counter]", plain, "an int")
    again = network.multiply_adds(size)
    expect(again == counts, f"multiply_adds({size}), twice", again, f"the same, {counts}")
    expect(s.same(network), "forward() after multiply_adds()", "other logits", "the same logits")


class _Enough(Exception):
    """What the caller of trace() raises."""


def trace(s: Subject) -> None:
    """`trace()` calls `emit` with every operation in order, the logits last, and lets what `emit` raises pass."""
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

    raises(_Enough, "trace() whose emit raises", lambda: s.network.trace(s.images, refuse))


#: kind of operation -> by what a network that has it is altered, each with other logits
_ALTERATIONS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "BatchNorm2d": ({"factor": "epsilon", "value": 0.25}, {"factor": "epsilon", "value": 1.0}),
    "ReLU": (
        {"factor": "activation", "from": "ReLU", "to": "LeakyReLU", "negative_slope": 0.1},
        {"factor": "activation", "from": "ReLU", "to": "LeakyReLU", "negative_slope": 0.3},
    ),
    "Linear": ({"factor": "precision", "value": "bf16"},),
}


def altered(s: Subject) -> None:
    """While `altered()` holds, and only then, this network and no other runs with a property changed. Optional."""
    s.need("altered")
    unknown = {"factor": "no_such_factor"}
    said = raises(NotImplementedError, f"altered({unknown})", lambda: _under(s.build(seed=1), s, unknown))
    expect(said, f"NotImplementedError of altered({unknown})", "no message", "what cannot be altered")
    kinds: set[str] = set()
    s.network.trace(s.images, lambda call: kinds.add(call.kind), values=False)
    other = s.build(seed=1)
    for alterations in (some for kind, some in _ALTERATIONS.items() if kind in kinds):
        found = []
        for alteration in alterations:
            network, called = s.build(seed=1), f"forward() under altered({dict(alteration)})"
            try:
                logits, others = _under(network, s, alteration, other)
            except NotImplementedError as error:
                expect(str(error), f"NotImplementedError of altered({dict(alteration)})", "no message", "why")
                continue
            expect(not np.array_equal(logits, s.logits), called, "the logits without it", "other logits")
            expect(np.array_equal(others, s.logits), f"{called}, of another network", "other logits", "its own")
            expect(s.same(network), f"forward() after altered({dict(alteration)})", "other logits", "those of before")
            found.append(logits)
        differ = len(found) < 2 or not np.array_equal(*found)
        expect(differ, f"altered() by {' and '.join(map(str, alterations))}", "the same logits", "different ones")


def inference(s: Subject) -> None:
    """`inference()` in fp32 gives the logits of `forward()` in its present state, of any number of images. Optional."""
    s.need("inference")
    for network in (s.network, s.build(seed=2)):
        ready = network.inference("fp32", s.images)
        expect(isinstance(ready.engine, str) and ready.engine, "inference().engine", repr(ready.engine), "its name")
        for images in (s.images, s.images[:1]):
            called = f"inference('fp32').forward() of {len(images)} images"
            _agrees(called, ready.forward(images), network.forward(images))
    try:
        half = s.network.inference("bf16", s.images)
    except NotImplementedError as error:
        expect(str(error), "NotImplementedError of inference('bf16')", "no message", "why")
        return
    got = half.forward(s.images)
    expect(got.shape == s.logits.shape, "inference('bf16').forward()", got.shape, f"shape {s.logits.shape}")
    expect(got.dtype == np.float32, "inference('bf16').forward().dtype", got.dtype, "float32")


def export(s: Subject) -> None:
    """What `export()` writes gives the logits of `forward()` in that runtime; else it says why. Optional."""
    s.need("export")
    reasons = [why for runtime in get_args(Runtime) if runtime != "native" and (why := _not_exported(s, runtime))]
    if len(reasons) == len(get_args(Runtime)) - 1:
        raise Skipped(f"{'; '.join(reasons)}. Name a runtime that the source can have beside it: --runtime openvino")


def _not_exported(s: Subject, runtime: Runtime) -> str | None:
    """Why it could not be tried."""
    folder, called = s.folder / f"export-{runtime}", f"export({runtime!r}, folder)"
    folder.mkdir()
    network = s.build(seed=1)
    try:
        file = network.export(runtime, folder)
    except NotImplementedError as error:
        expect(str(error), f"NotImplementedError of {called}", "no message", "why")
        return str(error)
    is_there = isinstance(file, Path) and file.is_file() and file.is_relative_to(folder)
    expect(is_there, called, repr(file), "the path of a file in the folder")
    expect(s.same(network), f"forward() after {called}", "other logits", "the same logits")
    if importlib.util.find_spec(runtime) is None:
        return f"runtime {runtime}: it was written, and cannot be run, because {runtime} is not in this environment"
    loaded = runtimes.load(file, runtime, "fp32")
    for images in (s.images, s.images[:1]):
        _agrees(
            f"{called} in {runtime}, forward() of {len(images)} images",
            loaded.forward(images),
            s.network.forward(images),
        )
    return None


def _under(network: Any, s: Subject, alteration: Mapping[str, Any], other: Any = None) -> tuple[Any, Any]:
    """The logits of an altered network, and of another meanwhile."""
    with network.altered(alteration):
        return network.forward(s.images), other.forward(s.images) if other else None


def _agrees(called: str, got: Any, wanted: Any) -> None:
    expect(got.dtype == np.float32, f"{called}, its type", got.dtype, "float32")
    expect(got.shape == wanted.shape, f"{called}, its shape", got.shape, f"{wanted.shape}")
    apart = deviation(wanted, got)
    how = f"logits that differ from forward() by {apart:.2g} of their range"
    expect(apart < ROUNDING, called, how, f"less than {ROUNDING:g}")
