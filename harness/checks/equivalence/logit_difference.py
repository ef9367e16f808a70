"""How much the logits of two networks with the same weights differ. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.checks.equivalence.divergence import relative
from harness.checks.equivalence.trace import Array

#: Relative difference of the logits (2-norm over all images) that float32 rounding explains. The conditioned last
#: layer amplifies rounding by one to two orders; a planted epsilon of 1e-6 for 1e-5 stays above it.
ROUNDING = 1e-3


@dataclass(frozen=True)
class LogitDifference:
    """The logits of two networks on the same images."""

    images: int
    max_abs_diff: float  #: infinite where the numbers of classes differ
    relative: float  #: 2-norm of the difference over that of a's logits; infinite where it is not finite
    top1_agreement: float  #: share of images with the same best class
    top5_agreement: float  #: share of images with the same five best classes in the same order

    @property
    def beyond_rounding(self) -> bool:
        """Whether the two run different functions."""
        return self.relative > ROUNDING


def difference_of_logits(a: Array, b: Array) -> LogitDifference:
    """Both (N, classes)."""
    best_a, best_b = (np.argsort(-logits, axis=1, kind="stable") for logits in (a, b))
    return LogitDifference(
        images=len(a),
        max_abs_diff=float(np.abs(a.astype(np.float64) - b).max()) if a.shape == b.shape else float("inf"),
        relative=relative(a, b),
        top1_agreement=float((best_a[:, 0] == best_b[:, 0]).mean()),
        top5_agreement=float((best_a[:, :5] == best_b[:, :5]).all(axis=1).mean()),
    )
