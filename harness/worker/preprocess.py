"""Runs inside a worker: every preprocessing step's result."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from harness.worker import arrays
from harness.worker.batches import attempt
from harness.worker.counts import own_name
from harness.worker.images import ImageRef
from harness.worker.protocol import Emit


def prepare_images(adapter: Any, task: dict[str, Any], send: Emit) -> None:
    """Every preprocessing step's result of every image, written to the folder `out` as <position in the task>.npz."""
    network = adapter.build(own_name(adapter, task["documented"]), input_size=task["input_size"])

    def keep(index: int, ref: ImageRef) -> dict[str, Any]:
        steps = attempt(network.preprocessing_steps, ref)
        if isinstance(steps, str):
            return {"event": "undecodable", "image": ref.name, "why": steps}
        digests = arrays.save(steps, Path(task["out"]) / f"{index}.npz")
        return {"event": "prepared", "image": ref.name, "index": index, "sha256": digests}

    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1)) as pool:
        for event in pool.map(keep, range(len(task["images"])), (ImageRef(*fields) for fields in task["images"])):
            send(event)
