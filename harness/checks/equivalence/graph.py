"""How two networks are wired: every layer with its inputs, compared without their values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from harness.checks.equivalence.divergence import attribute_differences, defining, shown
from harness.checks.equivalence.trace import Call, Layer, Trace
from harness.core.operators import RESHAPING
from harness.core.records import WiringDifference


def wiring_differences(a: Trace, b: Trace, pairs: Sequence[tuple[Layer, Layer]]) -> list[WiringDifference]:
    """Every layer that is built or fed differently, found without the values.

    The first divergence hides later ones, and a difference may be too small to show in the values.
    """
    positions_a = {one.call.index: number for number, (one, _) in enumerate(pairs)}
    positions_b = {other.call.index: number for number, (_, other) in enumerate(pairs)}
    names = [one.call.name for one, _ in pairs]
    # a module that runs several layers gives them all one name
    labels = [name if names.count(name) == 1 else f"{name}#{number}" for number, name in enumerate(names)]
    fed_a, fed_b = _Expressions(a, positions_a, labels), _Expressions(b, positions_b, labels)
    found = []
    for one, other in pairs:
        differences = attribute_differences(one.call, other.call)
        if differences:
            text_a = ", ".join(f"{key} {shown(in_a)}" for key, (in_a, _) in differences.items())
            text_b = ", ".join(f"{key} {shown(in_b)}" for key, (_, in_b) in differences.items())
            found.append(
                WiringDifference(
                    one.call.name, other.call.name, f"{one.call.kind} with {text_a}", f"{other.call.kind} with {text_b}"
                )
            )
        text_a, text_b = fed_a.of_inputs(one.call), fed_b.of_inputs(other.call)
        if text_a != text_b:
            found.append(WiringDifference(one.call.name, other.call.name, f"fed by {text_a}", f"fed by {text_b}"))
    text_a, text_b = fed_a.of(a.calls[-1].index), fed_b.of(b.calls[-1].index)
    if text_a != text_b:
        found.append(WiringDifference("(output)", "(output)", text_a, text_b))
    return found


class _Expressions:
    """What feeds a layer, written out down to the layers before, which go by the first network's names."""

    def __init__(self, trace: Trace, positions: Mapping[int, int], labels: Sequence[str]) -> None:
        self._trace = trace
        self._written: dict[int, str] = {}
        self._labels = {
            index: labels[positions[trace.layers[position].call.index]]
            for index, position in trace.layer_of.items()
            if trace.layers[position].call.index in positions
        }

    def of_inputs(self, call: Call) -> str:
        return ", ".join(self.of(index) for index in call.inputs)

    def _parts(self, call: Call) -> Iterator[int | None]:
        """The inputs; nested concatenations count as one."""
        for index in call.inputs:
            before = None if index is None or index in self._labels else self._trace.calls[index]
            if before is not None and call.kind == before.kind == "Concat" and not attribute_differences(call, before):
                yield from self._parts(before)
            else:
                yield index

    def of(self, index: int | None) -> str:
        if index is None:
            return "image"
        if index in self._labels:
            return self._labels[index]
        if index not in self._written:
            text = self._write(self._trace.calls[index])
            # what is used twice at every step would double at every step
            short = len(text) <= _LONGEST
            self._written[index] = text if short else f"…{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        return self._written[index]

    def _write(self, call: Call) -> str:
        if call.kind in RESHAPING or (call.kind == "Concat" and len(call.inputs) == 1):
            return self.of_inputs(call)
        inputs = [self.of(i) for i in self._parts(call)]
        if call.kind in ("Add", "Multiply"):
            inputs.sort()
        return f"{_head(call)}({', '.join(inputs)})"


def _head(call: Call) -> str:
    # pooling says more in some frameworks than in others; what both say is compared by the values
    said = defining(call) if call.kind in ("Slice", "LeakyReLU", "MaxPool2d", "AvgPool2d") else {}
    listed = ", ".join(f"{key}={shown(said[key])}" for key in _SAID if key in said)
    return f"{call.common_kind}[{listed}]" if listed else call.common_kind


#: characters up to which an expression is compared as text; a longer one is compared by its digest
_LONGEST = 2000
_SAID = ("axis", "start", "stop", "step", "index", "negative_slope", "kernel_size", "stride", "padding", "ceil_mode")


def inventory(trace: Trace) -> dict[str, int]:
    """Kinds of operation and how often a forward pass runs each, without those that only reshape."""
    counts: dict[str, int] = {}
    for kind in _kinds(trace):
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def _kinds(trace: Trace) -> Iterator[str]:
    return (call.common_kind for call in trace.calls if call.kind not in RESHAPING)
