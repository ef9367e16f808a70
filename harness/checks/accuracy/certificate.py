"""Which images a faster runtime may decide, and which the source's own network has to run again. Pure.

With e the difference between the fast and the native logits of an image, the gap between any two classes changes by
at most max(e) - min(e), for any two classes; a shift of all classes changes no order. The largest such
change on images that both ran, taken SAFETY times, is the margin that an image's deciding gaps (first against
second class, fifth against sixth) have to exceed. All others are run natively, so that the best class and the set
of the five best are those of the native network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

#: images that both run first; then at the start of how many batches how many more are checked
CALIBRATION = 16
EVERY_BATCHES, CHECKED = 64, 8
SAFETY = 2.0
#: Root mean square of the difference over that of the native logits, both about their mean, beyond which the two do
#: not run the same function: bf16 gives up to 0.12 on networks of a hundred layers, a wrong layer 0.5 and more.
TOO_DIFFERENT = 0.25
#: share of uncertain images among the first from which running everything natively costs less
TOO_MANY = 0.5


@dataclass(frozen=True)
class Deviation:
    """How much the fast logits deviate from the native ones on images that both ran."""

    images: int
    largest: float  #: greatest change of a gap between two classes, in logits
    relative: float  #: root mean square of the difference over that of the native logits, both about their mean

    @property
    def margin(self) -> float:
        """What deciding gaps have to exceed; where no image was compared, none does."""
        return SAFETY * self.largest if self.images else float("inf")

    @property
    def broken(self) -> bool:
        """Whether the two are different functions; a deviation that is not a number counts."""
        return not self.relative <= TOO_DIFFERENT


def deviation(pairs: Iterable[tuple[Floats, Floats]]) -> Deviation:
    """From pairs of (fast, native) logits of one image each, all classes in the same order."""
    images, largest, squares, own = 0, 0.0, 0.0, 0.0
    for fast, native in pairs:
        difference = fast.astype(np.float64) - native
        images += 1
        largest = float(np.maximum(largest, np.ptp(difference)))  # max() would drop NaN
        squares += float(difference.var())
        own += float(native.astype(np.float64).var())
    return Deviation(images, largest, (squares / own) ** 0.5 if own else float("inf"))


def decision_margin(logits: Sequence[float]) -> float:
    """The smaller of the gaps that decide top1 and top5, of logits sorted in falling order; infinite without any."""
    gaps = [logits[k - 1] - logits[k] for k in (1, 5) if len(logits) > k]
    return float(min(gaps, default=np.inf))


def checks(images: int, batch_size: int) -> list[list[int]]:
    """Positions in the order of evaluation that are always run natively, batch by batch.

    The first CALIBRATION, and CHECKED at the start of every EVERY_BATCHES-th batch after.
    """
    found = [list(range(min(CALIBRATION, images)))]
    for start in range(EVERY_BATCHES * batch_size, images, EVERY_BATCHES * batch_size):
        beyond = max(start, CALIBRATION)
        found.append(list(range(beyond, min(start + CHECKED, images))))
    return [batch for batch in found if batch]


def uncertain(gaps: Floats, margin: float) -> Flags:
    """Which images have to be run natively; a gap equal to the margin is not above it."""
    return ~(gaps > margin)
