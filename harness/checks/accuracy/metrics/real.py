"""ReaL: the same predictions, right where the best class is any of the classes that the image shows."""

from __future__ import annotations

import numpy as np

from harness.checks.accuracy.metrics.base import Floats, ImageBatch, RunMetric


def among(batch: ImageBatch, best: int) -> Floats | None:
    """(N, 2): 1 where the image has a ReaL label, and 1 where one of the `best` first classes is one; None without."""
    if batch.real is None:
        return None
    right = [
        bool({*classes[:best].tolist()} & {*real}) for classes, real in zip(batch.classes, batch.real, strict=True)
    ]
    return np.column_stack([[bool(real) for real in batch.real], right]).astype(np.float64)


def percent(values: Floats) -> float:
    """Of the images that have a label."""
    labelled, right = values.T
    return 100 * float(right.sum()) / float(labelled.sum())


METRICS = (
    RunMetric(
        "real_top1", "ReaL top1", "%", "higher", lambda batch: among(batch, 1), percent, 3,
        "Share of the images with ImageNet-ReaL labels whose best class is one of them.", optional=True,
    ),
    RunMetric(
        "real_top5", "ReaL top5", "%", "higher", lambda batch: among(batch, 5), percent, 3,
        "Share of the images with ImageNet-ReaL labels that have one among the five best classes.",
        optional=True,
    ),
)  # fmt: skip
