"""The fake source, which has every model that anybody asks for, all of them the same network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fake_adapter
from harness.adapters.base import Document


class Adapter(fake_adapter.Adapter):
    """See harness.adapters.base.AdapterClass."""

    def models(self) -> Sequence[str]:
        csp = ("cspresnet50", "cspresnext50", "cspdarknet53")
        return (*csp, "resnet50", *(f"tf_efficientnet_lite{n}" for n in range(3)))

    def aliases(self) -> dict[str, str]:
        return {}

    def checkpoint_url(self, model: str) -> str | None:
        return f"https://weights.example/{model}.bin"

    def documents(self) -> list[Document]:
        heading = ("Name", "Top 1 Accuracy", "Top 5 Accuracy", "FLOPs", "Parameters")
        return [Document("fake/metafile.yml", heading, [(1, ("resnet50", "76.1", "92.9", "97.152K", "49.009K"))])]

    def build(self, model: str, checkpoint: Path | None = None, *rest: Any, **more: Any) -> fake_adapter.FakeNetwork:
        assert model in self.models()
        return super().build("tiny", checkpoint, *rest, **more)
