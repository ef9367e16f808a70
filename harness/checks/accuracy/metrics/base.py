"""What a metric of evaluated networks is, and what it reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from harness.core.records import Claim, Run, Source, Verdict

Floats = npt.NDArray[np.float64]
#: claim, source, runs of its row, images that the document is about (None: others), what the data is
Judge: TypeAlias = Callable[[Claim, Source, Sequence[Run], int | None, str], Verdict]


@dataclass(frozen=True)
class ImageBatch:
    """Stored predictions of N images of one network."""

    labels: npt.NDArray[np.int64]  #: (N,) class index
    classes: npt.NDArray[np.int64]  #: (N, 5) best classes in order, -1 where the network has fewer
    #: (N, classes) minus the best of the image; None unless all logits of all N were stored and the labels are classes
    logits: Floats | None
    #: of each image its classes by ImageNet-ReaL, which may be none; None where no such labels were given
    real: Sequence[Sequence[int]] | None = None


@dataclass(frozen=True)
class RunMetric:
    """One figure of a network over a data set."""

    name: str  #: key in report.json
    title: str  #: heading of its column, without the unit
    unit: str  #: "%", "nats"; empty where it has none
    better: Literal["higher", "lower"]
    reader: Callable[[ImageBatch], Floats | None]  #: one value or one row of values per image; None: cannot be read
    summary: Callable[[Floats], float]  #: from the values of all images, of which there is at least one
    decimals: int  #: shown in the report
    wording: str  #: what it is, one sentence
    judge: Judge | None = None  #: of documented claims; None: measured, not documented
    optional: bool = False  #: needs something that has to be given; reports show it where a run has it
