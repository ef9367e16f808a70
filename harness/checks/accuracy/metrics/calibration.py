"""How well a network's probabilities fit: expected calibration error and negative log-likelihood.

ECE: images are put into 15 bins of equal width by their confidence (the probability of the best class); in each bin
the mean confidence is compared with the share of images whose best class is the label, and the absolute differences
are averaged, weighted by the images of the bin (C. Guo, G. Pleiss, Y. Sun, K. Weinberger, *On calibration of modern
neural networks*, ICML 2017). A confidence on an edge belongs to the lower bin, as in their code. NLL: the mean of
-log of the probability of the label. Probabilities are the softmax of the logits, in float64 by log-sum-exp.
"""

from __future__ import annotations

import numpy as np

from harness.checks.accuracy.metrics.base import Floats, ImageBatch, RunMetric

BINS = 15


def log_probabilities(logits: Floats) -> Floats:
    """(N, classes) -> the same shape; finite for all finite logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    found: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found


def confidence(batch: ImageBatch) -> Floats | None:
    """(N, 2): probability of the best class, and 1 where that is the label, else 0."""
    if batch.logits is None:
        return None
    rows, best = np.arange(len(batch.labels)), batch.classes[:, 0]
    sure = np.exp(log_probabilities(batch.logits)[rows, best])
    return np.column_stack([sure, best == batch.labels])


def expected_calibration_error(values: Floats) -> float:
    """Percent, from confidence() of all images."""
    sure, right = values.T
    # bin k holds confidences above k / BINS and up to (k + 1) / BINS
    bins = np.clip(np.ceil(sure * BINS).astype(np.int64) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, right - sure, minlength=BINS)
    return 100 * float(np.abs(gaps).sum()) / len(sure)


def surprise(batch: ImageBatch) -> Floats | None:
    """(N,) -log of the probability of the label, in nats."""
    if batch.logits is None:
        return None
    found: Floats = -log_probabilities(batch.logits)[np.arange(len(batch.labels)), batch.labels]
    return found


METRICS = (
    RunMetric(
        "ece", "ECE", "%", "lower", confidence, expected_calibration_error, 2,
        f"Expected calibration error: how far the confidence in the best class is from the share of images for which "
        f"it is right, over {BINS} bins of equal width.",
    ),
    RunMetric(
        "nll", "NLL", "nats", "lower", surprise, lambda values: float(values.mean()), 4,
        "Mean negative log-likelihood of the label.",
    ),
)  # fmt: skip
