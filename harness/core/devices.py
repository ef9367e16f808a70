"""What a network is computed on. Standard library alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Device:
    """A kind of device: results of two that are equal are the same to the bit, with the same code and packages."""

    kind: Literal["cpu", "cuda"] = "cpu"
    name: str = ""  #: of the GPU, as its driver calls it; "" for a CPU
    driver: str = ""  #: release of the GPU's driver; "" where it is not known

    def __str__(self) -> str:
        if self.kind == "cpu":
            return "CPU"
        return (self.name or "a GPU") + (f", driver {self.driver}" if self.driver else "")

    @property
    def identity(self) -> str:
        """What a measurement depends on."""
        return "cpu" if self.kind == "cpu" else f"cuda: {self}"


CPU = Device()
