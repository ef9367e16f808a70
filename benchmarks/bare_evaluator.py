"""What an evaluation cannot do without, bare: images are prepared, and the network runs. Nothing is kept of it.

Runs in a source's environment with harness.adapters on its path, started by evaluators/serve.py. A job also has
"adapter", the name of its module; preparation and network are the very ones that the harness runs natively. A pass
takes each on its own, and both in a loop that prepares one batch while the network runs the one before:

    seconds     of decode and forward
    decode      seconds until all images were decoded and prepared by as many threads as there are cores
    forward     seconds of the forward passes over batches of these
    overlapped  seconds of the loop

Whether the loop comes first or last changes from pass to pass.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from harness.adapters.base import Array


class Evaluator:
    """See serve.py."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._batch_size = job["batch_size"]
        adapter = importlib.import_module(job["adapter"]).Adapter(device="cpu")
        self._network = adapter.build(job["model"], Path(job["checkpoint"]))
        example = np.stack([self._prepared(image) for image in job["images"][:2]])
        inference = self._network.inference("fp32", example)
        self._forward: Callable[[Array], Array] = inference.forward
        self._pool = ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1))
        self._passes = 0
        self.about = {"engine": inference.engine}

    def _prepared(self, image: tuple[str, int]) -> Array:
        return self._network.preprocess(Path(image[0]).read_bytes())

    def _chunks(self, images: list[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
        return (images[start : start + self._batch_size] for start in range(0, len(images), self._batch_size))

    def evaluate(self, images: list[tuple[str, int]]) -> dict[str, Any]:
        self._passes += 1
        overlapped = self._overlapped(images) if self._passes % 2 else None
        began = time.perf_counter()
        batches = [np.stack(list(self._pool.map(self._prepared, chunk))) for chunk in self._chunks(images)]
        decoded = time.perf_counter()
        logits = [self._forward(batch) for batch in batches]
        ended = time.perf_counter()
        best = np.argsort(-np.concatenate(logits), axis=1, kind="stable")[:, :5]
        del batches
        right = best == np.asarray([label for _, label in images])[:, None]
        return {
            "seconds": ended - began,
            "first_batch": decoded - began,
            "top1": int(right[:, 0].sum()),
            "top5": int(right.sum()),
            "best": best.tolist(),
            "decode": decoded - began,
            "forward": ended - decoded,
            "overlapped": self._overlapped(images) if overlapped is None else overlapped,
        }

    def _overlapped(self, images: list[tuple[str, int]]) -> float:
        began = time.perf_counter()
        waiting = None
        for chunk in [*self._chunks(images), None]:
            coming = [self._pool.submit(self._prepared, image) for image in chunk or ()]
            if waiting:
                self._forward(np.stack([one.result() for one in waiting]))
            waiting = coming
        return time.perf_counter() - began
