"""The fake source for real images, with every optional method: it keeps the contract. And how to have it break it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import fake_adapter
import numpy as np
from harness.adapters.base import Document, Preprocessing, Steps, UndecodableImage
from PIL import Image


class Network(fake_adapter.FakeNetwork):
    """The fake network for real images."""

    def __init__(self, model: str, seed: int, input_size: int | None) -> None:
        super().__init__(model, seed, input_size)
        size = self.input_size
        self.preprocessing = Preprocessing(
            "PIL", size * 10 // 8, size, "PIL bilinear", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
        )

    def preprocessing_steps(self, image: bytes) -> Steps:
        try:
            held = Image.open(io.BytesIO(image)).convert("RGB")
        except OSError as error:
            raise UndecodableImage(str(error)) from error
        short, size = self.preprocessing.short_side, self.preprocessing.crop
        small = held.resize((short * held.width // min(held.size), short * held.height // min(held.size)))
        left, top = ((side - size) // 2 for side in small.size)
        crop = small.crop((left, top, left + size, top + size))
        values = ((np.asarray(crop) / 255 - 0.5) / 0.25).transpose(2, 0, 1).astype(np.float32)
        return {"decode": np.asarray(held), "resize": np.asarray(small), "crop": np.asarray(crop), "normalise": values}

    def export(self, runtime: str, folder: Path) -> Path:
        file = folder / f"{runtime}.bin"
        self.save(file)
        return file


class Adapter(fake_adapter.Adapter):
    """Keeps the contract."""

    kind: type[Network] = Network

    def build(
        self, model: str, checkpoint: Any = None, match: Any = "name", seed: int = 0, input_size: Any = None
    ) -> Any:
        if model not in fake_adapter.GRIDS:
            raise KeyError(model)
        network = self.kind(model, seed, input_size)
        if checkpoint:
            fake_adapter.load(network, checkpoint, match)
        return network

    def outline(self, model: str) -> Any:
        return self.build(model)

    def documents(self) -> list[Document]:
        return [Document("nets.yml", ("Name", "Top 1"), [(1, ("tiny", "70.1"))])]


def network(**methods: Any) -> type[Adapter]:
    """An adapter whose networks have other methods."""
    return type("Broken", (Adapter,), {"kind": type("BrokenNetwork", (Network,), methods)})


def adapter(**methods: Any) -> type[Adapter]:
    """An adapter with other methods."""
    return type("Broken", (Adapter,), methods)
