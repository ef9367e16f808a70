"""What a run keeps in memory for every image: a few bytes each, however much the store holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from harness.checks.accuracy.certificate import decision_margin
from harness.execution.predictions import Predictions, Row
from harness.worker.batches import TOP_K

Flags = npt.NDArray[np.bool_]


class PredictionTable:
    """One network's predictions in the store, image by image in the order of evaluation."""

    def __init__(self, predictions: Predictions, positions: Mapping[str, int], labels: npt.NDArray[np.int64]) -> None:
        """`positions`: image -> its place in the order; `labels`: class index, in that order."""
        self.predictions = predictions
        self._positions = positions
        self._labels = labels
        number = len(labels)
        self.done = np.zeros(number, np.bool_)
        self.decoded = np.zeros(number, np.bool_)
        self.decision_margin = np.full(number, np.inf, np.float32)  #: see certificate.decision_margin
        self.best = np.full((number, 5), -1, np.int16)  #: the five best classes in order, -1 where there are fewer
        self.errors: dict[int, str] = {}  #: position -> why it could not be decoded
        self.full_logits: dict[int, npt.NDArray[np.float32]] = {}  #: position -> logits by class, where all were kept
        self.stored_before = 0  #: images that were on disk when this was made
        if predictions.network() is None:
            return  # nothing is known of how they were made
        table = predictions.read()
        columns = (table[name] for name in ("image", "classes", "logits", "error"))
        for image, classes, logits, error in zip(*columns, strict=True):
            decoded = not isinstance(error, str)  # where all are null they may come back as NaN
            self.add([(image, classes, logits)] if decoded else [], [] if decoded else [(image, error)])
        self.stored_before = int(self.done.sum())

    def add(self, rows: Sequence[Row], undecodable: Sequence[tuple[str, str]]) -> int:
        """Records predictions that were stored; returns the number of images that are new."""
        before = int(self.done.sum())
        for image, classes, logits in rows:
            position = self._positions.get(image)
            if position is None:
                continue
            self.done[position] = self.decoded[position] = True
            self.decision_margin[position] = decision_margin(logits)
            self.best[position, : len(classes[:5])] = classes[:5]
            if len(classes) > TOP_K:
                by_class = np.empty(len(classes), np.float32)
                by_class[np.asarray(classes)] = logits
                self.full_logits[position] = by_class
        for image, why in undecodable:
            if image in self._positions:
                position = self._positions[image]
                self.done[position] = True
                self.errors[position] = why
        return int(self.done.sum()) - before

    @property
    def top1(self) -> Flags:
        """Images whose best class is their label."""
        right: Flags = self.best[:, 0] == self._labels
        return right

    @property
    def top5(self) -> Flags:
        """Images that have their label among the five best classes."""
        right: Flags = (self.best == self._labels[:, None]).any(axis=1)
        return right

    def differs(self, other: PredictionTable) -> Flags:
        """Images whose best class or set of five best classes differs."""
        sets: Flags = (np.sort(self.best, axis=1) != np.sort(other.best, axis=1)).any(axis=1)
        first: Flags = self.best[:, 0] != other.best[:, 0]
        return sets | first

    def missing_batches(self, upto: int, batch_size: int) -> list[list[int]]:
        """Batches of the fixed grid, up to a position, of which any image is missing. The whole batch is run again,
        because which images share a batch can decide the last bit."""
        grid = (range(start, min(start + batch_size, upto)) for start in range(0, upto, batch_size))
        return [list(batch) for batch in grid if not self.done[batch.start : batch.stop].all()]
