"""Runs inside a worker: the result of every preprocessing step, to compare sources; evaluation is in `batches`."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from harness.worker import arrays
from harness.worker.batches import attempt
from harness.worker.counts import own_name
from harness.worker.images import ImageRef
from harness.worker.protocol import Emit, ImageUndecodable, Prepared
from harness.worker.tasks import Prepare


def prepare_images(adapter: Any, task: Prepare, send: Emit) -> None:
    """Every preprocessing step's result of every image, written to the folder `out` as <position in the task>.npz."""
    network = adapter.build(own_name(adapter, task.documented), input_size=task.input_size)

    def keep(index: int, ref: ImageRef) -> Prepared | ImageUndecodable:
        steps = attempt(network.preprocessing_steps, ref)
        if isinstance(steps, str):
            return ImageUndecodable(ref.name, steps)
        return Prepared(ref.name, index, arrays.save(steps, Path(task.out) / f"{index}.npz"))

    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1)) as pool:
        for event in pool.map(keep, range(len(task.images)), task.images):
            send(event)
