"""What storing all logits of an image costs: python -m benchmarks.full_logits.

Logits of 1,000 classes as ImageNet classifiers give them: classes that resemble each other rise together, one stands
out. Prints bytes per image, and CPU seconds per 10,000 images for packing, sending, writing and reading, against
predictions that keep the best classes alone.
"""

from __future__ import annotations

import base64
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from harness.checks.accuracy.metrics import registry
from harness.execution.predictions import Predictions
from harness.worker.batches import Array, pack_logits, predictions

IMAGES, CLASSES, BATCH = 4096, 1000, 32


def realistic(images: int) -> Array:
    """(images, CLASSES) float32: 32 shared directions, noise, and one class that stands out by about 10."""
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 1, (images, 32)) @ rng.normal(0, 0.16, (32, CLASSES))
    logits = shared + rng.normal(0, 0.6, (images, CLASSES))
    logits[np.arange(images), rng.integers(0, CLASSES, images)] += rng.gamma(9, 1.1, images)
    return logits.astype(np.float32)


def measure(logits: Array, full: bool, folder: Path) -> tuple[float, float, float]:
    """Bytes per image once compacted; seconds per 10,000 images until they are stored, and for all metrics of them."""
    names = [f"ILSVRC2012_val_{n:08}.JPEG" for n in range(len(logits))]
    stored, scale = Predictions(folder), 10_000 / len(logits)
    began = time.process_time()
    for start in range(0, len(logits), BATCH):
        batch = logits[start : start + BATCH]
        event = json.dumps(
            {
                "rows": predictions(names[start : start + BATCH], batch),
                "full_logits": pack_logits(batch) if full else [],
            }
        )
        heard = json.loads(event)
        stored.append(heard["rows"], [], [base64.b64decode(text) for text in heard["full_logits"]])
    stored.compact()
    written = time.process_time() - began
    size = sum(file.stat().st_size for file in folder.glob("*.parquet")) / len(logits)
    began = time.process_time()
    registry.measure(stored, dict.fromkeys(names, 0))
    return size, scale * written, scale * (time.process_time() - began)


def main() -> None:
    logits = realistic(IMAGES)
    registry.registered()  # its imports are no cost of an image
    registry.registered()  # its imports are no cost of an image
    with tempfile.TemporaryDirectory() as scratch:
        for full in (False, True):
            folder = Path(scratch) / str(full)
            folder.mkdir()
            size, written, read = measure(logits, full, folder)
            kept = "all logits" if full else "best classes"
            print(
                f"{kept}: {size:,.0f} bytes an image; of 10,000 images {written:.2f} s to store, {read:.2f} s to read"
            )


if __name__ == "__main__":
    main()
