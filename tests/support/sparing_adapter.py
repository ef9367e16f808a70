"""The fake source as one that spares counting: an outline has the counter `plain` alone, a network with values two.

Each counter that is asked adds a line to the file `SPARING_LOG`: whether values are there, the counter, the size.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent))  # a worker has a link to this module alone

import fake_adapter
from harness.adapters.base import Parameters


class SparingNetwork(fake_adapter.FakeNetwork):
    """See harness.adapters.base.Sparing."""

    def __init__(self, model: str, values: bool) -> None:
        super().__init__(model, 0, None)
        self.values = values
        self._taken: dict[int, Mapping[str, int]] = {}

    def bare_parameters(self) -> Parameters:
        _note("bare", "parameters", 0)
        return super().parameters()

    def parameters(self) -> Parameters:
        _note("all", "parameters", 0)
        return super().parameters()

    def multiply_adds(self, size: int) -> Mapping[str, int | str]:
        plain = self.mix.size * size**2 + self.weight.size
        counts: dict[str, int | str] = {}
        for name, count in {"values": plain + size**2, "plain": plain}.items():
            if name in self._taken.get(size, {}):
                counts[name] = self._taken[size][name]
            elif self.values or name == "plain":
                _note("values" if self.values else "outline", name, size)
                counts[name] = count
        return counts

    def take_counts(self, size: int, counts: Mapping[str, int]) -> None:
        self._taken[size] = counts

    def left_out(self) -> Sequence[str]:
        return () if self.values else ("values",)


class Adapter(fake_adapter.Adapter):
    """See harness.adapters.base.AdapterClass."""

    def build(self, model: str, *_: Any, **__: Any) -> SparingNetwork:
        super().build(model)  # which fails for some
        return SparingNetwork(model, values=True)

    def outline(self, model: str) -> SparingNetwork:
        super().build(model)
        return SparingNetwork(model, values=False)


def _note(*what: object) -> None:
    if path := os.environ.get("SPARING_LOG"):
        with open(path, "a") as file:  # noqa: PTH123
            print(*what, file=file)
