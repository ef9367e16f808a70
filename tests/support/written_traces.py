"""Traces written by hand, one operation after the other, with values where a test needs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.checks.equivalence.trace import Array, Call, Trace


class Written:
    """Each `run` appends one operation and gives its index; `trace` is what was written."""

    def __init__(self, folder: Path | None = None) -> None:
        self.calls: list[Call] = []
        self.shapes: dict[str, tuple[int, ...]] = {}  #: of the state's entries
        self._folder = folder
        if folder is not None:
            folder.mkdir(parents=True)

    @property
    def trace(self) -> Trace:
        return Trace(self.calls, self._folder)

    def run(
        self,
        kind: str,
        *inputs: int | None,
        name: str = "",
        value: Array | None = None,
        tensors: dict[str, tuple[str, tuple[int, ...]]] | None = None,
        **attributes: Any,
    ) -> int:
        """`tensors` maps a role to the entry of the state and its shape; None among the inputs is the image."""
        index = len(self.calls)
        self.shapes |= dict((tensors or {}).values())
        used = {role: entry for role, (entry, _) in (tensors or {}).items()}
        shape = (1, 4) if value is None else value.shape
        before = tuple(self.calls[i].output_shape if i is not None else (1, 4) for i in inputs)
        self.calls.append(Call(index, name, kind, kind, attributes, before, shape, inputs, used))
        if self._folder is not None:
            assert value is not None
            np.save(self._folder / f"{index}.npy", value.astype(np.float32))
        return index

    def conv(self, name: str, before: int | None, *shape: int, value: Array | None = None, **attributes: Any) -> int:
        tensors = {"weight": (f"{name}.weight", shape or (4, 4, 3, 3))}
        return self.run("Conv2d", before, name=name, tensors=tensors, value=value, **attributes)

    def norm(self, name: str, before: int, value: Array | None = None, **attributes: Any) -> int:
        tensors = {
            role: (f"{name}.{role}", (4,))
            for role in ("weight", "bias", "running_mean", "running_var")
        }  # fmt: skip
        return self.run("BatchNorm2d", before, name=name, tensors=tensors, value=value, **attributes)

    def linear(self, name: str, before: int, *shape: int, bias: bool = True, value: Array | None = None) -> int:
        tensors = {"weight": (f"{name}.weight", shape), **({"bias": (f"{name}.bias", shape[:1])} if bias else {})}
        return self.run("Linear", before, name=name, tensors=tensors, value=value, weight_layout="out,in")
