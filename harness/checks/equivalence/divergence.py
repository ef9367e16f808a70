"""Where two networks with the same weights part, by the values of both forward passes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness.checks.equivalence.trace import Array, Call, Layer, Trace
from harness.core.operators import RESHAPING
from harness.core.records import Divergence

#: Relative difference (2-norm) that float32 rounding explains in one layer; frameworks that agree stay below 1e-5.
LAYER_ROUNDING = 1e-4
#: how many operations back an additional one is looked for
_NEAR = 16
#: relative spread of a difference that is called constant
_CONSTANT = 1e-3

#: attributes that say how something ran or that other attributes say already, not which function it is
_NOT_DEFINING = {
    "weight_shape", "weight_layout", "bias", "momentum", "data_format", "return_indices",
    "padding_algorithm", "output_size", "use_input_stats", "dim", "axis", "start_dim", "end_dim", "keepdim",
    "start_axis", "stop_axis",
}  # fmt: skip
#: of a slice the axis is the function
_DEFINING_OF = {"Slice": ("axis", "start", "stop", "step", "index"), "Concat": ("axis", "dim"), "Softmax": ("dim",)}
_ATTRIBUTE_NAMES = {"epsilon": "eps", "dim": "axis"}


def relative(a: Array, b: Array) -> float:
    """2-norm of the difference over the 2-norm of a; infinite where shapes differ or a value is not finite."""
    if a.shape != b.shape:
        return float("inf")
    with np.errstate(invalid="ignore", over="ignore"):  # of values that are not finite
        difference = float(np.linalg.norm((a.astype(np.float64) - b).ravel()))
        norm = float(np.linalg.norm(a.astype(np.float64).ravel()))
    if not np.isfinite(difference):
        return float("inf")
    return difference / norm if norm else (0.0 if difference == 0 else float("inf"))


def defining(call: Call) -> dict[str, Any]:
    """What makes the operation the function it is, in terms that frameworks share."""
    chosen = _DEFINING_OF.get(call.kind)
    kept = {
        _ATTRIBUTE_NAMES.get(key, key): value
        for key, value in call.attributes.items()
        if (key in chosen if chosen else key not in _NOT_DEFINING)
    }
    if call.kind in ("Conv2d", "MaxPool2d", "AvgPool2d"):
        kept = {key: (value, value) if type(value) is int and key != "groups" else value for key, value in kept.items()}
    if call.kind == "Concat" and isinstance(kept.get("axis"), int):
        kept["axis"] %= len(call.output_shape)
    if type(kept.get("is_test")) is bool:
        kept["training"] = not kept.pop("is_test")
    return kept


def attribute_differences(a: Call, b: Call) -> dict[str, tuple[Any, Any]]:
    """Attributes that both frameworks state and that differ."""
    ours, theirs = defining(a), defining(b)
    if "start" in ours and "start" in theirs:  # a slice states its step where there is one
        ours, theirs = {"step": 1, **ours}, {"step": 1, **theirs}
    return {key: (ours[key], theirs[key]) for key in ours if key in theirs and not _equal(ours[key], theirs[key])}


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, float) or isinstance(b, float):
        return bool(np.isclose(float(a), float(b), rtol=1e-6, atol=0))
    return bool(a == b)


def first_divergence(
    a: Trace, b: Trace, pairs: Sequence[tuple[Layer, Layer]], rounding: float = LAYER_ROUNDING
) -> Divergence | None:
    """The first operation, in a's order of execution, at which the values part; None where all of them agree."""
    outputs = [(one.output, other.output) for one, other in pairs]
    outputs.append((a.calls[-1].index, b.calls[-1].index))
    for x, y in outputs:
        if relative(a.value(x), b.value(y)) > rounding:
            return _descend(a, b, x, y, rounding)
    return None


def profile(a: Trace, b: Trace, pairs: Sequence[tuple[Layer, Layer]]) -> list[tuple[str, float]]:
    """a's name of each layer with weights, in a's order, with the relative difference of the outputs; logits last."""
    found = [(one.output, one.call.name, relative(a.value(one.output), b.value(other.output))) for one, other in pairs]
    last, end = a.calls[-1], b.calls[-1]
    if not found or max(found)[0] < last.index:
        found.append((last.index, "logits", relative(a.value(last.index), b.value(end.index))))
    return [(name, difference) for _, name, difference in sorted(found)]


def _descend(a: Trace, b: Trace, x: int, y: int, rounding: float) -> Divergence:
    """From outputs that differ back to where their inputs agree."""

    def agree(i: int | None, j: int | None) -> bool:
        if i is None or j is None:
            return i is j
        one, other = a.value(i), b.value(j)
        if one.size == other.size and one.shape != other.shape:
            one, other = one.reshape(-1), other.reshape(-1)
        return relative(one, other) <= rounding

    while True:
        one, other = a.calls[_plain(a, x)], b.calls[_plain(b, y)]
        if (x, y) != (one.index, other.index) and agree(one.index, other.index):
            return _divergence(a, b, a.calls[x], b.calls[y], "the same values are laid out differently")
        x, y = one.index, other.index
        if one.common_kind == other.common_kind and len(one.inputs) == len(other.inputs):
            apart = [k for k, (i, j) in enumerate(zip(one.inputs, other.inputs, strict=True)) if not agree(i, j)]
            if not apart:
                why = _why_same_kind(one, other, a.value(x), b.value(y))
                return _divergence(a, b, one, other, why)
            if len(one.inputs) > 1 and all(any(agree(i, j) for j in other.inputs) for i in one.inputs):
                why = f"{one.kind} takes the same inputs in another order"
                return _divergence(a, b, one, other, why)
            i, j = one.inputs[apart[0]], other.inputs[apart[0]]
            if i is None and j is not None:
                why = f"the first reads the image itself, the second what {_text(b.calls[j])} gives"
                return _divergence(a, b, one, b.calls[j], why)
            if j is None and i is not None:
                why = f"the second reads the image itself, the first what {_text(a.calls[i])} gives"
                return _divergence(a, b, a.calls[i], other, why)
        elif len(one.inputs) and len(other.inputs) and agree(one.inputs[0], other.inputs[0]):
            return _divergence(a, b, one, other, f"the same input goes through {_text(one)} and {_text(other)}")
        between = _between(a, x, functools.partial(agree, j=y))
        if between:
            return _divergence(a, b, between[0], other, _run(a, between, "first"))
        between = _between(b, y, functools.partial(agree, x))
        if between:
            return _divergence(a, b, one, between[0], _run(b, between, "second"))
        if one.common_kind == other.common_kind and len(one.inputs) == len(other.inputs):
            assert i is not None
            assert j is not None
            x, y = i, j
            continue
        # what has no parameters is nearer to the place where they part
        if not one.tensors and one.inputs and one.inputs[0] is not None:
            x = one.inputs[0]
        elif not other.tensors and other.inputs and other.inputs[0] is not None:
            y = other.inputs[0]
        else:
            return _divergence(a, b, one, other, f"{_text(one)} stands where the other runs {_text(other)}")


def _between(trace: Trace, index: int, found: Callable[[int], bool]) -> list[Call]:
    """What runs from the nearest value that is `found` to `index`, which is included; nothing where none is near."""
    paths = [[trace.calls[index]]]
    seen = {index}
    while paths and len(seen) < _NEAR:
        path = paths.pop(0)
        for before in path[0].inputs:
            if before is None or before in seen:
                continue
            if found(before):
                return path
            seen.add(before)
            paths.append([trace.calls[before], *path])
    return []


def _run(trace: Trace, calls: Sequence[Call], which: str) -> str:
    used = [call.tensors for call in trace.calls[: calls[0].index] if call.tensors]
    again = " once more" if any(call.tensors in used for call in calls) else ""
    are = "is" if len(calls) == 1 else "are"
    said = f"{', '.join(_text(call) for call in calls)} {are} run{again} by the {which} alone"
    return said if np.isfinite(trace.value(calls[-1].index)).all() else f"{said}; what comes out is not finite"


def _plain(trace: Trace, index: int) -> int:
    """Past operations that only reshape."""
    call = trace.calls[index]
    while call.kind in RESHAPING and call.inputs and call.inputs[0] is not None:
        call = trace.calls[call.inputs[0]]
    return call.index


def _why_same_kind(one: Call, other: Call, a: Array, b: Array) -> str:
    differences = attribute_differences(one, other)
    if differences:
        listed = "; ".join(
            f"{key} {shown(ours)} against {shown(theirs)}" for key, (ours, theirs) in differences.items()
        )
        return f"{one.kind}: {listed}"
    if one.output_shape != other.output_shape:
        return f"{one.kind} gives {one.output_shape} against {other.output_shape}"
    said = (
        f"{one.kind} with the same stated attributes gives other values from the same inputs: its parameters, or an "
        "attribute that is not recorded, differ"
    )
    if a.ndim == 4 and a[0, 0].size > 1 and np.isfinite(b).all():
        shift = np.broadcast_to((b - a).mean(axis=(2, 3), keepdims=True), a.shape)
        if relative(b - a, shift) < _CONSTANT:
            said += "; by a constant in each channel, as from another bias"
    return said


def shown(value: Any) -> str:
    if isinstance(value, tuple) and len(set(value)) == 1:
        value = value[0]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _text(call: Call) -> str:
    attributes = ", ".join(f"{key} {shown(value)}" for key, value in defining(call).items())
    return f"{call.kind} ({attributes})" if attributes else call.kind


def _divergence(a: Trace, b: Trace, one: Call, other: Call, why: str) -> Divergence:
    for number, trace, call in (("first", a, one), ("second", b, other)):
        if not np.isfinite(trace.value(call.index)).all():
            why += f"; what the {number} gives is not finite"
    difference = relative(a.value(one.index), b.value(other.index))
    return Divergence(_place(a, one), _place(b, other), one.kind, other.kind, why, difference)


def _place(trace: Trace, call: Call) -> str:
    """The module that ran it; of what a forward method runs itself, the operation and the module before."""
    before = call
    while not before.name and before.inputs and before.inputs[0] is not None:
        before = trace.calls[before.inputs[0]]
    if before is call:
        return call.name or f"(operation {call.index})"
    return f"(operation {call.index}, after {before.name or 'the image'})"
