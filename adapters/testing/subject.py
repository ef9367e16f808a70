"""An adapter and one of its models as the clauses of the contract see it, and how a clause is broken."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from harness.adapters.base import OPTIONAL_OF_ADAPTER, OPTIONAL_OF_NETWORK, AdapterClass, Array, Network
from harness.adapters.third_party import complete, uncompleted

#: RGB of the picture red.png
COLOUR = (200, 120, 40)


class Broken(Exception):
    """A clause does not hold; the message says what was called, what came back and what was expected."""


class Skipped(Exception):
    """A clause cannot be tried; the message says why and what would have it tried."""


def expect(holds: object, called: str, got: object, expected: str) -> None:
    if not holds:
        raise Broken(f"{called}: got {str(got)[:300]}, expected {expected}")


def raises(kind: type[Exception], called: str, call: Callable[[], object]) -> str:
    """The message of the exception of this kind, which `call` has to raise."""
    try:
        got = call()
    except kind as error:
        return str(error)
    except Exception as error:
        raise Broken(f"{called}: raised {type(error).__name__}: {error}, expected {kind.__name__}") from error
    raise Broken(f"{called}: got {type(got).__name__}, expected that it raises {kind.__name__}")


class Subject:
    """An adapter and one of its models; what several clauses need is made once."""

    def __init__(self, adapter: Any, model: str, folder: Path) -> None:
        """`folder` has red.png, 400 x 300 pixels of COLOUR, and noise.png of that size; files are written to it."""
        self.adapter = complete(adapter)
        self.model = model
        self.folder = folder

    def build(self, **options: Any) -> Any:
        return self.adapter.build(self.model, **options)

    def need(self, method: str) -> None:
        """Raises Skipped where an optional method is the contract's own."""
        if method in OPTIONAL_OF_ADAPTER:
            whose, own, contract = "Adapter", uncompleted(self.adapter), getattr(AdapterClass, method)
        else:
            assert method in OPTIONAL_OF_NETWORK
            whose, own, contract = "the network", uncompleted(self.network), getattr(Network, method)
        if not hasattr(own, method) or getattr(type(own), method, None) is contract:
            raise Skipped(f"{whose} has no method {method}() of its own, which is optional")

    @cached_property
    def network(self) -> Any:
        """With the weights of seed 1; no clause changes it."""
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
