"""Ports of the fake source, as somebody might write them: one that is right, and some that are not."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from harness.adapters.base import Array, LayerCall

# a worker sees an adapter's own module alone, as a link to it
sys.path.append(str(Path(__file__).resolve().parent))
import fake_adapter

Emit = Callable[[LayerCall], None]


class Port(fake_adapter.FakeNetwork):
    """Keeps its last matrix (in, out) and calls everything something else."""

    def _names(self) -> dict[str, str]:
        return {own: f"port.{own}" for own in fake_adapter.NAMES}

    def state(self) -> Mapping[str, Array]:
        return {**super().state(), "port.weight": self.weight.T}

    def load_state(self, state: Mapping[str, Array], *rest: str) -> None:
        super().load_state(state, *rest)
        self.weight = self.weight.T

    def trace(self, batch: Array, emit: Emit, values: bool = True) -> None:
        def turn(call: LayerCall) -> None:
            turned = {"weight_layout": "in,out"} if call.kind == "Linear" else call.attributes
            emit(dataclasses.replace(call, name=f"port.{call.index}", attributes=turned))

        super().trace(batch, turn, values)


class RectifiedPort(Port):
    """Clips what it normalised, which the original does not."""

    def features(self, batch: Array) -> Array:
        return np.maximum(super().features(batch), 0)

    def trace(self, batch: Array, emit: Emit, values: bool = True) -> None:
        def clip(call: LayerCall) -> None:
            if call.kind != "Linear":
                normalised = fake_adapter.FakeNetwork.features(self, batch)
                emit(dataclasses.replace(call, output=normalised) if call.kind == "BatchNorm2d" and values else call)
                return
            clipped = self.features(batch) if values else None
            shapes = call.input_shapes
            emit(LayerCall(3, "port.clip", "Clip", "ReLU", {}, shapes, shapes[0], clipped, (2,)))
            emit(dataclasses.replace(call, index=4, inputs=(3,)))

        super().trace(batch, clip, values)


class ShortPort(Port):
    """Has no last layer that anybody could see."""

    def trace(self, batch: Array, emit: Emit, values: bool = True) -> None:
        super().trace(batch, lambda call: emit(call) if call.kind != "Linear" else None, values)


class Adapter(fake_adapter.Adapter):
    """See harness.adapters.base.AdapterClass; the model's name chooses the port."""

    def build(  # type: ignore[no-untyped-def]
        self, model, checkpoint=None, match="name", seed=0, input_size=None
    ):
        kind = {"tiny": Port, "tiny_wide": RectifiedPort, "twin": ShortPort}.get(model)
        if kind is None:
            return super().build(model, checkpoint, match, seed, input_size)
        return kind(model, seed + 1, input_size)
