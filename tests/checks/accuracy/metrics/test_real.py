"""ReaL counts an image as right where the best class is any of its classes, and leaves out those that have none."""

from collections.abc import Sequence

import numpy as np
import pytest

from harness.checks.accuracy.metrics import registry
from harness.checks.accuracy.metrics.base import ImageBatch
from harness.checks.accuracy.metrics.real import METRICS

TOP1, TOP5 = METRICS
CLASSES = np.array([[1, 2, 3, 4, 5], [2, 1, 3, 4, 5], [9, 8, 7, 6, 5], [0, 1, 2, 3, 4]])


def batch(real: Sequence[Sequence[int]] | None) -> ImageBatch:
    return ImageBatch(np.array([1, 1, 1, 1]), CLASSES, None, real)


@pytest.mark.parametrize(
    ("real", "top1", "top5"),
    [
        ([[1], [1], [1], [1]], 25, 75),
        ([[2, 1], [2, 7], [9], [0]], 100, 100),
        ([[], [1], [], []], 0, 100),
        ([[0], [], [7, 5], []], 0, 50),
    ],
)
def test_any_class_of_an_image_is_right(real: list[list[int]], top1: float, top5: float) -> None:
    for metric, expected in ((TOP1, top1), (TOP5, top5)):
        values = metric.reader(batch(real))
        assert values is not None
        assert metric.summary(values) == expected


def test_without_such_labels_nothing_is_measured() -> None:
    assert TOP1.reader(batch(None)) is None
    assert {"real_top1", "real_top5"} <= {metric.name for metric in registry.measured_only()}
