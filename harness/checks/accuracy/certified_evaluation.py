"""Evaluates one network in a faster runtime or precision, and natively where its result could differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from harness.checks.accuracy import certificate
from harness.checks.accuracy.certificate import Deviation
from harness.checks.accuracy.network_evaluation import Evaluation, NetworkEvaluation, TableWork
from harness.checks.accuracy.scores import PredictionTable
from harness.core.records import Certificate
from harness.dataset.image_set import ImageSet
from harness.execution.environments import Installed
from harness.execution.predictions import Predictions
from harness.execution.session import Session
from harness.worker.batches import TOP_K
from harness.worker.images import ImageRef


class CertifiedEvaluation(NetworkEvaluation):
    """One network over a set of images, run by a faster runtime or in another precision next to its own framework.

    The native network decides on the images that harness.checks.accuracy.certificate calls uncertain, and on all of
    them where the faster one fails or deviates too much.
    """

    def __init__(
        self,
        session: Session,
        installed: Installed,
        evaluation: Evaluation,
        images: ImageSet,
        order: Sequence[ImageRef],
    ) -> None:
        super().__init__(session, installed, evaluation, images, order)
        self.fast = self._table(session.runtime, session.precision)
        #: images that the native network runs next to the fast one; some run alone, so they are not in its grid
        self.cross_checked = self._table("native", "fp32", beside="a faster runtime")
        self._fallback: str | None = None  #: why the native network has to decide on every image
        self._useless = False  #: whether the fast one cannot be run or runs another function
        self._checks = certificate.checks(len(order), session.batch_size)

    # -- what is asked of the engine -------------------------------------------------------------

    def missing_work(self, upto: int) -> list[TableWork]:
        size = self._session.batch_size
        if not self._useless:
            calibration = self._calibration_work()
            if calibration:
                return calibration
            self._calibrated()
        found: list[TableWork] = []
        if not self._useless:
            exact = [position for batch in self._checks for position in batch]
            found += self._work(self.fast, self.fast.missing_batches(upto, size), exact)
        if self._fallback:
            return found + self._work(self.native, self.native.missing_batches(upto, size))
        due = [batch for batch in self._checks if batch[-1] < upto and not self.cross_checked.done[batch].all()]
        found += self._work(self.cross_checked, due, [position for batch in due for position in batch])
        if not found:
            # each alone: which images share a batch must not depend on how far the run had come
            found = self._work(self.cross_checked, [[position] for position in self._uncertain(upto)])
        return found

    def _calibration_work(self) -> list[TableWork]:
        """The first images by both networks, where they are missing."""
        size = self._session.batch_size
        calibration = self._checks[0]
        first = min(len(self._order), -(-len(calibration) // size) * size)
        missing = [] if self.cross_checked.done[calibration].all() else [calibration]
        found = self._work(self.fast, self.fast.missing_batches(first, size), calibration)
        return found + self._work(self.cross_checked, missing, calibration)

    def _how(self, table: PredictionTable) -> tuple[str, str]:
        return (self._session.runtime, self._session.precision) if table is self.fast else super()._how(table)

    # -- what it answers -------------------------------------------------------------------------

    def _run_failed(self, table: PredictionTable, message: str) -> None:
        if table is self.fast:
            self._fallback, self._useless = message, True
        else:
            super()._run_failed(table, message)

    @property
    def label(self) -> str:
        return f"{super().label} {self._session.runtime} {self._session.precision}"

    @property
    def main(self) -> PredictionTable:
        return self.native if self._fallback else self.fast

    @property
    def _tables(self) -> tuple[PredictionTable, ...]:
        return self.native, self.fast, self.cross_checked

    def _calibrated(self) -> None:
        """Decides by the first images whether the fast network is of use."""
        if self._fallback:
            return
        first = self._deviation(self._checks[:1])
        if not first.images:
            return
        how = f"on the first {first.images} images its logits are off by up to {first.largest:.2g}"
        if first.broken:
            self._fallback, self._useless = f"{how}, {first.relative:.0%} of what they vary by", True
            return
        again = certificate.uncertain(self.fast.decision_margin[self._checks[0]], first.margin)
        if again.mean() > certificate.TOO_MANY:
            self._fallback = f"{how}, so that {again.sum()} of {again.size} would have to be run again"

    def _deviation(self, checks: Sequence[Sequence[int]]) -> Deviation:
        fast, native = self.fast.full_logits, self.cross_checked.full_logits
        both = [at for batch in checks for at in batch if at in fast and at in native]
        return certificate.deviation((fast[at], native[at]) for at in both)

    def _uncertain(self, upto: int) -> list[int]:
        margin = self._deviation(self._checks).margin
        again = certificate.uncertain(self.fast.decision_margin[:upto], margin) & ~self.cross_checked.done[:upto]
        return [int(position) for position in np.flatnonzero(again)]

    # -- what comes of it ------------------------------------------------------------------------

    def decided(self, of: Callable[[PredictionTable], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        if self._fallback:
            return of(self.native)
        return np.where(self._native_decides(of(self.fast).ndim), of(self.cross_checked), of(self.fast))

    def _native_decides(self, dimensions: int) -> npt.NDArray[np.bool_]:
        """Images that the native network was asked about, in a shape that broadcasts over their values."""
        return self.cross_checked.decoded.reshape(-1, *[1] * (dimensions - 1))

    def _reported_how(self) -> tuple[str, str]:
        return ("native", "fp32") if self._fallback else (self._session.runtime, self._session.precision)

    def _decided_predictions(self) -> Predictions:
        """The native network's where it ran. Logits of all classes are not kept for a mixture of the two."""
        if self._fallback:
            return self.native.predictions
        margin = self._deviation(self._checks).margin
        settled = self._predictions(
            runtime=self._session.runtime, precision=self._session.precision, settled=[margin, self.seen]
        )
        fast, asked = (table.predictions.read() for table in (self.fast, self.cross_checked))
        content = pd.concat([asked, fast[~fast["image"].isin(asked["image"])]], ignore_index=True)
        for column in ("classes", "logits"):
            content[column] = [values[:TOP_K] for values in content[column]]
        settled.replace(content)
        return settled

    def _certificate(self) -> Certificate:
        fast, upto = self.fast, self.seen
        found = self._deviation(self._checks)
        both = fast.decoded[:upto] & self.cross_checked.decoded[:upto]
        again = certificate.uncertain(fast.decision_margin[:upto], found.margin)
        differ = fast.differs(self.cross_checked)[:upto]
        known = fast.decoded[:upto]
        complete = not self._useless and bool(fast.done[:upto].all())
        return Certificate(
            runtime=self._session.runtime,
            precision=self._session.precision,
            engine=fast_network.engine if (fast_network := fast.predictions.network()) else "",
            cross_checked=found.images,
            deviation=found.largest,
            relative=found.relative,
            margin=found.margin,
            rerun=int((both & again).sum()),
            confident=int((both & ~again).sum()),
            differing=int((both & ~again & differ).sum()),
            fallback=self._fallback,
            top1_count=int((fast.top1[:upto] & known).sum()) if complete else None,
            top5_count=int((fast.top5[:upto] & known).sum()) if complete else None,
        )
