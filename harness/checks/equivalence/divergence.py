"""Where two networks with the same weights first differ, by the values of both forward passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness.checks.equivalence.trace import Array, Call, Layer, Trace
from harness.core.operators import RESHAPING
from harness.core.records import Divergence

#: Relative difference (2-norm) that float32 rounding explains in one layer; frameworks that agree stay below 1e-5.
LAYER_ROUNDING = 1e-4
#: how many operations back to search for an additional one
_NEAR = 16
#: relative spread of a difference that is called constant
_CONSTANT = 1e-3

#: attributes that say how an operation ran, or repeat other attributes, not which function it is
_NOT_DEFINING = {
    "weight_shape", "weight_layout", "bias", "momentum", "data_format", "return_indices",
    "padding_algorithm", "output_size", "use_input_stats", "dim", "axis", "start_dim", "end_dim", "keepdim",
    "start_axis", "stop_axis",
}  # fmt: skip
#: for a slice the axis defines the function
_DEFINING_OF = {"Slice": ("axis", "start", "stop", "step", "index"), "Concat": ("axis", "dim"), "Softmax": ("dim",)}
#: whether two values, by their index in each trace (None: the image), agree up to rounding
Agree = Callable[[int | None, int | None], bool]
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
    """What defines the function of the operation, in terms that frameworks share."""
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
    of_a, of_b = defining(a), defining(b)
    if "start" in of_a and "start" in of_b:  # a slice states its step where there is one
        of_a, of_b = {"step": 1, **of_a}, {"step": 1, **of_b}
    return {key: (of_a[key], of_b[key]) for key in of_a if key in of_b and not _equal(of_a[key], of_b[key])}


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, float) or isinstance(b, float):
        return bool(np.isclose(float(a), float(b), rtol=1e-6, atol=0))
    return bool(a == b)


def first_divergence(
    a: Trace, b: Trace, pairs: Sequence[tuple[Layer, Layer]], rounding: float = LAYER_ROUNDING
) -> Divergence | None:
    """The first operation, in a's order of execution, at which the values differ; None where all of them agree."""
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
    """Searches back from outputs that differ to where their inputs agree."""

    def agree(i: int | None, j: int | None) -> bool:
        if i is None or j is None:
            return i is j
        of_a, of_b = a.value(i), b.value(j)
        if of_a.size == of_b.size and of_a.shape != of_b.shape:
            of_a, of_b = of_a.reshape(-1), of_b.reshape(-1)
        return relative(of_a, of_b) <= rounding

    while True:
        call_a, call_b = a.calls[_plain(a, x)], b.calls[_plain(b, y)]
        if (x, y) != (call_a.index, call_b.index) and agree(call_a.index, call_b.index):
            return _divergence(a, b, a.calls[x], b.calls[y], "the same values are laid out differently")
        x, y = call_a.index, call_b.index
        alike = call_a.common_kind == call_b.common_kind and len(call_a.inputs) == len(call_b.inputs)
        found = _same_kind(a, b, call_a, call_b, agree) if alike else _other_kind(a, b, call_a, call_b, agree)
        found = found or _run_by_one_alone(a, b, call_a, call_b, agree)
        if found:
            return found
        if alike:
            x, y = _first_inputs_apart(call_a, call_b, agree)
            continue
        # an operation without parameters is nearer to the divergence
        if not call_a.tensors and call_a.inputs and call_a.inputs[0] is not None:
            x = call_a.inputs[0]
        elif not call_b.tensors and call_b.inputs and call_b.inputs[0] is not None:
            y = call_b.inputs[0]
        else:
            why = f"the first runs {_text(call_a)} where the second runs {_text(call_b)}"
            return _divergence(a, b, call_a, call_b, why)


def _same_kind(a: Trace, b: Trace, call_a: Call, call_b: Call, agree: Agree) -> Divergence | None:
    """Where two operations of one kind are the divergence; None where their inputs differ already."""
    apart = [k for k, (i, j) in enumerate(zip(call_a.inputs, call_b.inputs, strict=True)) if not agree(i, j)]
    if not apart:
        why = _why_same_kind(call_a, call_b, a.value(call_a.index), b.value(call_b.index))
        return _divergence(a, b, call_a, call_b, why)
    if len(call_a.inputs) > 1 and all(any(agree(i, j) for j in call_b.inputs) for i in call_a.inputs):
        return _divergence(a, b, call_a, call_b, f"{call_a.kind} takes the same inputs in another order")
    i, j = call_a.inputs[apart[0]], call_b.inputs[apart[0]]
    if i is None and j is not None:
        why = f"the first reads the image itself, the second the output of {_text(b.calls[j])}"
        return _divergence(a, b, call_a, b.calls[j], why)
    if j is None and i is not None:
        why = f"the second reads the image itself, the first the output of {_text(a.calls[i])}"
        return _divergence(a, b, a.calls[i], call_b, why)
    return None


def _other_kind(a: Trace, b: Trace, call_a: Call, call_b: Call, agree: Agree) -> Divergence | None:
    """Where operations of two kinds get the same input."""
    if len(call_a.inputs) and len(call_b.inputs) and agree(call_a.inputs[0], call_b.inputs[0]):
        why = f"the same input goes through {_text(call_a)} and {_text(call_b)}"
        return _divergence(a, b, call_a, call_b, why)
    return None


def _run_by_one_alone(a: Trace, b: Trace, call_a: Call, call_b: Call, agree: Agree) -> Divergence | None:
    """Where one of the two runs operations that the other does not."""
    between = _between(a, call_a.index, lambda index: agree(index, call_b.index))
    if between:
        return _divergence(a, b, between[0], call_b, _run(a, between, "first"))
    between = _between(b, call_b.index, lambda index: agree(call_a.index, index))
    if between:
        return _divergence(a, b, call_a, between[0], _run(b, between, "second"))
    return None


def _first_inputs_apart(call_a: Call, call_b: Call, agree: Agree) -> tuple[int, int]:
    """The first inputs that differ, of operations of one kind that _same_kind() did not settle."""
    i, j = next((i, j) for i, j in zip(call_a.inputs, call_b.inputs, strict=True) if not agree(i, j))
    assert i is not None
    assert j is not None
    return i, j


def _between(trace: Trace, index: int, found: Callable[[int], bool]) -> list[Call]:
    """The operations from the nearest value that is `found` up to `index`, included; none where none is near."""
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
    said = f"{', '.join(_text(call) for call in calls)} {are} run{again} by the {which} only"
    return said if np.isfinite(trace.value(calls[-1].index)).all() else f"{said}; the output is not finite"


def _plain(trace: Trace, index: int) -> int:
    """Past operations that only reshape."""
    call = trace.calls[index]
    while call.kind in RESHAPING and call.inputs and call.inputs[0] is not None:
        call = trace.calls[call.inputs[0]]
    return call.index


def _why_same_kind(one: Call, other: Call, a: Array, b: Array) -> str:
    differences = attribute_differences(one, other)
    if differences:
        listed = "; ".join(f"{key} {shown(in_a)} against {shown(in_b)}" for key, (in_a, in_b) in differences.items())
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
            said += "; by a constant in each channel, as with a different bias"
    return said


def shown(value: Any) -> str:
    if isinstance(value, tuple) and len(set(value)) == 1:
        value = value[0]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _text(call: Call) -> str:
    attributes = ", ".join(f"{key} {shown(value)}" for key, value in defining(call).items())
    return f"{call.kind} ({attributes})" if attributes else call.kind


def _divergence(a: Trace, b: Trace, call_a: Call, call_b: Call, why: str) -> Divergence:
    for number, trace, call in (("first", a, call_a), ("second", b, call_b)):
        if not np.isfinite(trace.value(call.index)).all():
            why += f"; the output of the {number} is not finite"
    difference = relative(a.value(call_a.index), b.value(call_b.index))
    return Divergence(_module(a, call_a), _module(b, call_b), call_a.kind, call_b.kind, why, difference)


def _module(trace: Trace, call: Call) -> str:
    """The module that ran it; of what a forward method runs itself, the operation and the module before."""
    before = call
    while not before.name and before.inputs and before.inputs[0] is not None:
        before = trace.calls[before.inputs[0]]
    if before is call:
        return call.name or f"(operation {call.index})"
    return f"(operation {call.index}, after {before.name or 'the image'})"
