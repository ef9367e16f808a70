"""top1 and top5: the share of images that have their label as the best class, or among the five best."""

from __future__ import annotations

import numpy as np

from harness.checks.accuracy.judge import judge_accuracy
from harness.checks.accuracy.metrics.base import Floats, ImageBatch, RunMetric


def top1(batch: ImageBatch) -> Floats:
    """1 where the best class is the label, else 0."""
    return np.asarray(batch.classes[:, 0] == batch.labels, np.float64)


def top5(batch: ImageBatch) -> Floats:
    """1 where the label is among the five best classes, else 0."""
    return np.asarray((batch.classes[:, :5] == batch.labels[:, None]).any(axis=1), np.float64)


def percent(right: Floats) -> float:
    return 100 * float(right.sum()) / len(right)


METRICS = (
    RunMetric(
        "top1", "top1", "%", "higher", top1, percent, 3,
        "Share of the images whose label is the best class.", judge_accuracy,
    ),
    RunMetric(
        "top5", "top5", "%", "higher", top5, percent, 3,
        "Share of the images whose label is among the five best classes.", judge_accuracy,
    ),
)  # fmt: skip
