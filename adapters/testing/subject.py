"""An adapter and one of its models as the clauses of the contract see it, and how a clause is broken."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from harness.adapters.base import Array
from harness.adapters.third_party import complete

#: RGB of the picture red.png
COLOUR = (200, 120, 40)


class Broken(Exception):
    """A clause does not hold; the message says what was called, what came back and what was expected."""


def expect(holds: object, called: str, got: object, expected: str) -> None:
    if not holds:
        raise Broken(f"{called}: got {str(got)[:300]}, expected {expected}")


class Subject:
    """An adapter and one of its models; what several clauses need is made once."""

    def __init__(self, adapter: Any, model: str, folder: Path) -> None:
        """`folder` has red.png, 400 x 300 pixels of COLOUR, and noise.png of that size; files are written to it."""
        self.adapter = complete(adapter)
        self.model = model
        self.folder = folder

    def build(self, **options: Any) -> Any:
        return self.adapter.build(self.model, **options)

    @cached_property
    def network(self) -> Any:
        return self.build(seed=1)

    @cached_property
    def images(self) -> Array:
        size = self.network.input_size
        return np.random.default_rng(0).standard_normal((2, 3, size, size)).astype(np.float32)

    @cached_property
    def logits(self) -> Array:
        logits: Array = self.network.forward(self.images)
        return logits

    def same(self, network: Any) -> bool:
        return np.array_equal(network.forward(self.images), self.logits)

    def file(self, name: str) -> Path:
        return self.folder / f"{name}{self.adapter.checkpoint_suffix}"

    def saved(self, name: str, *mark: str) -> Path:
        self.network.save(self.file(name), *mark)
        return self.file(name)

    def photo(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()
