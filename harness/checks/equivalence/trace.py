"""A recorded forward pass on disk: what ran, in which order, on which inputs, and, where kept, every output.

    calls.jsonl         one operation per line, the fields of harness.adapters.base.LayerCall except the output
    values/<index>.npy  the output of that operation, float32

Values are read one at a time, so that a trace is never held whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.core.operators import SAME_KIND

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Call:
    """One operation; see harness.adapters.base.LayerCall."""

    index: int
    name: str
    module: str
    kind: str
    attributes: Mapping[str, Any]
    input_shapes: tuple[tuple[int, ...], ...]
    output_shape: tuple[int, ...]
    inputs: tuple[int | None, ...]
    tensors: Mapping[str, str]

    @property
    def common_kind(self) -> str:
        return SAME_KIND.get(self.kind, self.kind)


@dataclass(frozen=True)
class Layer:
    """An operation with parameters, a bias that is added afterwards included."""

    call: Call
    tensors: Mapping[str, str]  #: role -> entry of the state
    output: int  #: index of the call whose output is the layer's


@dataclass(frozen=True)
class Trace:
    """Operations in execution order; `values` is None where no outputs were kept."""

    calls: Sequence[Call]
    values: Path | None = None

    def value(self, index: int) -> Array:
        assert self.values is not None
        loaded: Array = np.load(self.values / f"{index}.npy", allow_pickle=False)
        return loaded

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer once, at its first execution.

        A framework that adds a bias in a separate call gives the same layers as one that does not.
        """
        found: dict[int, Layer] = {}
        seen: set[frozenset[str]] = set()
        for call in self.calls:
            if not call.tensors:
                continue
            before = found.get(call.inputs[0]) if call.inputs and call.inputs[0] is not None else None
            if call.kind == "Add" and len(call.inputs) == 1 and before is not None and "bias" not in before.tensors:
                entry = next(iter(call.tensors.values()))
                found[before.call.index] = Layer(before.call, {**before.tensors, "bias": entry}, call.index)
                continue
            used = frozenset(call.tensors.values())
            if used not in seen:
                seen.add(used)
                found[call.index] = Layer(call, call.tensors, call.index)
        return tuple(found.values())

    @cached_property
    def layer_of(self) -> Mapping[int, int]:
        """Index of a call that makes a layer's output, or its part before the bias -> position in `layers`."""
        positions = {layer.call.index: position for position, layer in enumerate(self.layers)}
        return positions | {layer.output: position for position, layer in enumerate(self.layers)}


def read(folder: Path) -> Trace:
    """The trace that a worker wrote into `folder`."""
    lines = (folder / "calls.jsonl").read_text(encoding="utf-8").splitlines()
    values = folder / "values"
    return Trace([_call(json.loads(line)) for line in lines], values if values.is_dir() else None)


def _call(fields: Mapping[str, Any]) -> Call:
    attributes = {key: tuple(v) if isinstance(v, list) else v for key, v in fields["attributes"].items()}
    return Call(
        index=fields["index"],
        name=fields["name"],
        module=fields["module"],
        kind=fields["kind"],
        attributes=attributes,
        input_shapes=tuple(tuple(shape) for shape in fields["input_shapes"]),
        output_shape=tuple(fields["output_shape"]),
        inputs=tuple(fields["inputs"]),
        tensors=fields["tensors"],
    )
