"""One network to be evaluated: which runs it takes to know what it predicts, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from harness.adapters.base import Precision, Preprocessing, Runtime
from harness.checks.accuracy import certificate
from harness.checks.accuracy.certificate import Deviation
from harness.checks.accuracy.scores import PredictionTable
from harness.core import codec
from harness.core.records import Certificate, CheckpointUsed, Run
from harness.dataset.image_set import ImageSet
from harness.dataset.labels import label_shift
from harness.execution import environments
from harness.execution.checkpoints import Checkpoint
from harness.execution.engine import Work
from harness.execution.environments import Installed
from harness.execution.predictions import Predictions, identity_key
from harness.execution.session import Session
from harness.worker.batches import TOP_K
from harness.worker.images import ImageRef
from harness.worker.protocol import Predicted, RunEvent, RunFailed
from harness.worker.tasks import NetworkSpec


@dataclass(frozen=True)
class Evaluation:
    """One network to be run over a data set."""

    documented_model: str
    model: str  #: the source's own name
    checkpoint: Checkpoint
    input_size: int | None  #: pixels; None is the source's own
    own_size: int  #: pixels, the source's own


class NetworkEvaluation:
    """One evaluation on its way: which runs it takes to know its predictions, and how far they are."""

    def __init__(
        self,
        session: Session,
        installed: Installed,
        evaluation: Evaluation,
        images: ImageSet,
        order: Sequence[ImageRef],
    ) -> None:
        self.evaluation = evaluation
        self.failed: str | None = None
        self.seen = 0  #: images, in the order of evaluation, that are settled
        self._session = session
        self._installed = installed
        self._images = images
        self._order = order
        self._positions = {ref.name: i for i, ref in enumerate(order)}
        self._labels = np.asarray([ref.label for ref in order], np.int64)
        self._source = installed.source
        self._plain = (session.runtime, session.precision) == ("native", "fp32")
        self.native = self._ledger("native", "fp32")
        self.fast = self.native if self._plain else self._ledger(session.runtime, session.precision)
        #: images that the native network runs beside the fast one; some alone, so they are no part of its grid
        self.checked = self.native if self._plain else self._ledger("native", "fp32", beside="a faster runtime")
        self._fallback: str | None = None  #: why the native network has to decide on every image
        self._useless = False  #: whether the fast one has nothing to tell
        self._seconds = 0.0
        self._had = {
            id(ledger): int(ledger.done.sum()) for ledger in (self.native, self.fast)
        }  #: images on disk before
        self._checks = certificate.checks(len(order), session.batch_size)

    # -- what is asked of the engine -------------------------------------------------------------

    def lacking(self, upto: int) -> list[tuple[PredictionTable, Work]]:
        """What has to be run next so that the first `upto` images are settled; nothing once they are."""
        size = self._session.batch_size
        if self._plain:
            return self._work(self.native, self.native.lacking(upto, size))
        calibration = self._checks[0]
        first = min(len(self._order), -(-len(calibration) // size) * size)
        if not self._useless:
            found = self._work(self.fast, self.fast.lacking(first, size), whole=calibration)
            found += self._work(
                self.checked, [] if self.checked.done[calibration].all() else [calibration], calibration
            )
            if found:
                return found
            self._calibrated()
        found = []
        if not self._useless:
            whole = [position for batch in self._checks for position in batch]
            found += self._work(self.fast, self.fast.lacking(upto, size), whole)
        if self._fallback:
            return found + self._work(self.native, self.native.lacking(upto, size))
        due = [batch for batch in self._checks if batch[-1] < upto and not self.checked.done[batch].all()]
        found += self._work(self.checked, due, [position for batch in due for position in batch])
        if not found:
            # each alone: what shares a batch with what must not depend on how far the run had come
            found = self._work(self.checked, [[position] for position in self._uncertain(upto)])
        return found

    def _work(
        self, ledger: PredictionTable, batches: Sequence[Sequence[int]], whole: Sequence[int] = ()
    ) -> list[tuple[PredictionTable, Work]]:
        if not batches:
            return []
        fast = ledger is self.fast and not self._plain
        runtime = self._session.runtime if fast else "native"
        network = NetworkSpec(
            model=self.evaluation.model,
            checkpoint=self.evaluation.checkpoint.file,
            match=self.evaluation.checkpoint.match,
            input_size=self.evaluation.input_size,
            runtime=cast(Runtime, runtime),
            precision=cast(Precision, self._session.precision if fast else "fp32"),
            conversion=str(self._conversion()) if runtime != "native" else None,
        )
        return [
            (ledger, Work(ledger.predictions, network, self.evaluation.checkpoint.sha256, batches, frozenset(whole)))
        ]

    def _conversion(self) -> Path:
        identity = self._identity("conversion", runtime=self._session.runtime)
        return environments.cache() / "converted" / identity_key(identity)

    def _identity(self, kind: str, **rest: Any) -> dict[str, Any]:
        return self._session.identity(
            self._installed,
            kind,
            model=self.evaluation.model,
            checkpoint=self.evaluation.checkpoint.sha256,
            match=self.evaluation.checkpoint.match,
            input_size=self.evaluation.input_size or self.evaluation.own_size,
            device=self._session.device,
            **rest,
        )

    def _predictions(self, **rest: Any) -> Predictions:
        identity = self._identity("predictions", batch_size=self._session.batch_size, data=self._images.digest, **rest)
        return self._session.store.predictions(identity)

    def _ledger(self, runtime: str, precision: str, **rest: Any) -> PredictionTable:
        predictions = self._predictions(runtime=runtime, precision=precision, **rest)
        return PredictionTable(predictions, self._positions, self._labels)

    # -- what it answers -------------------------------------------------------------------------

    def handle(self, ledger: PredictionTable, event: RunEvent) -> None:
        if isinstance(event, Predicted):
            added = ledger.add(event.rows, event.undecodable)
            counted = added if ledger is self._main else 0
            self._seconds += event.seconds
            self.report(counted, event.seconds)
        elif isinstance(event, RunFailed):
            if ledger is self.fast and not self._plain:
                self._fallback, self._useless = event.message, True
            else:
                self.failed = event.message

    def report(self, added: int, seconds: float) -> None:
        """Tells how far it is, and that `added` images took that long."""
        done = int(self._main.done.sum())
        self._session.progress.images(self.label, done, len(self._order), added, seconds)

    @property
    def label(self) -> str:
        size = self.evaluation.input_size or self.evaluation.own_size
        how = "" if self._plain else f" {self._session.runtime} {self._session.precision}"
        return f"{self._source} {self.evaluation.documented_model}@{size}{how}"

    @property
    def _main(self) -> PredictionTable:
        return self.native if self._fallback else self.fast

    def _calibrated(self) -> None:
        """What the first images say of the fast network."""
        if self._fallback:
            return
        first = self._deviation(self._checks[:1])
        if not first.images:
            return
        how = f"on the first {first.images} images its logits are off by up to {first.largest:.2g}"
        if first.broken:
            self._fallback, self._useless = f"{how}, {first.relative:.0%} of what they vary by", True
            return
        again = certificate.uncertain(self.fast.gap[self._checks[0]], first.margin)
        if again.mean() > certificate.TOO_MANY:
            self._fallback = f"{how}, so that {again.sum()} of {again.size} would have to be run again"

    def _deviation(self, checks: Sequence[Sequence[int]]) -> Deviation:
        positions = [position for batch in checks for position in batch]
        both = [p for p in positions if p in self.fast.whole and p in self.checked.whole]
        return certificate.deviation((self.fast.whole[p], self.checked.whole[p]) for p in both)

    def _uncertain(self, upto: int) -> list[int]:
        margin = self._deviation(self._checks).margin
        again = certificate.uncertain(self.fast.gap[:upto], margin) & ~self.checked.done[:upto]
        return [int(position) for position in np.flatnonzero(again)]

    # -- what comes of it ------------------------------------------------------------------------

    def counts(self, upto: int) -> tuple[int, int, int]:
        """Images scored among the first `upto`, and of these right among the first and among the best five."""
        decoded = self._main.decoded[:upto]
        right = (self._that_counts(lambda ledger: ledger.top1), self._that_counts(lambda ledger: ledger.top5))
        top1, top5 = (int((flags[:upto] & decoded).sum()) for flags in right)
        return int(decoded.sum()), top1, top5

    def _that_counts(self, of: Callable[[PredictionTable], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """One value an image: the native network's wherever it was asked."""
        if self._plain or self._fallback:
            return of(self._main)
        return np.where(self.checked.decoded, of(self.checked), of(self._main))

    def result(self) -> Run | None:
        """The counts of what was seen; None where it failed, which is noted."""
        documented = self.evaluation.documented_model
        if self.failed is not None:
            done = int(self._main.done.sum())
            kept = f" ({done} of {len(self._order)} images are kept)" if done else ""
            self._session.fail(self._source, documented, "evaluate", self.failed + kept)
            return None
        for ledger in {id(one): one for one in (self.native, self.fast, self.checked)}.values():
            ledger.predictions.compact()
        predictions = self._settled()
        network = self._main.predictions.network() or {}
        errors = {self._order[at].name: why for at, why in sorted(self._main.errors.items()) if at < self.seen}
        for name, why in errors.items():
            self._session.fail(self._source, documented, "evaluate", f"{name} was not scored: {why}")
        scored, top1, top5 = self.counts(self.seen)
        return Run(
            source=self._source,
            model=self.evaluation.model,
            documented_model=documented,
            input_size=self.evaluation.input_size or self.evaluation.own_size,
            preprocessing=codec.decode(Preprocessing, network["preprocessing"]),
            checkpoint=CheckpointUsed(
                self.evaluation.checkpoint.file,
                self.evaluation.checkpoint.sha256,
                self.evaluation.checkpoint.verified,
                network["stand_in"],
                self.evaluation.checkpoint.origin,
                self.evaluation.checkpoint.match,
            ),
            images=scored,
            top1_count=top1,
            top5_count=top5,
            decode_errors=errors,
            seconds=self._seconds,
            measured_now=int(self._main.done.sum()) - self._had[id(self._main)],
            label_note=self._label_note(),
            predictions=str(predictions.folder),
            engine=network.get("engine", ""),
            runtime="native" if self._fallback else self._session.runtime,
            precision="fp32" if self._fallback else self._session.precision,
            planned=len(self._order),
            certificate=None if self._plain else self._certificate(),
        )

    def _label_note(self) -> str | None:
        best = self._that_counts(lambda ledger: ledger.best[:, 0])
        scored = np.flatnonzero(self._main.decoded[: self.seen])
        return label_shift(best[scored].tolist(), self._labels[scored].tolist()) if len(scored) else None

    def _settled(self) -> Predictions:
        """Where the predictions are that count: the native network's wherever it was asked."""
        if self._plain or self._fallback:
            return self._main.predictions
        margin = self._deviation(self._checks).margin
        settled = self._predictions(
            runtime=self._session.runtime, precision=self._session.precision, settled=[margin, self.seen]
        )
        fast, asked = (ledger.predictions.read() for ledger in (self.fast, self.checked))
        table = pd.concat([asked, fast[~fast["image"].isin(asked["image"])]], ignore_index=True)
        for column in ("classes", "logits"):
            table[column] = [values[:TOP_K] for values in table[column]]
        settled.replace(table)
        return settled

    def _certificate(self) -> Certificate:
        fast, upto = self.fast, self.seen
        found = self._deviation(self._checks)
        both = fast.decoded[:upto] & self.checked.decoded[:upto]
        sure = both & ~certificate.uncertain(fast.gap[:upto], found.margin)
        differ = fast.differs(self.checked)[:upto]
        known = fast.decoded[:upto]
        complete = not self._useless and bool(fast.done[:upto].all())
        return Certificate(
            runtime=self._session.runtime,
            precision=self._session.precision,
            engine=(fast.predictions.network() or {}).get("engine", ""),
            checked=found.images,
            deviation=found.largest,
            relative=found.relative,
            margin=found.margin,
            rerun=int((both & certificate.uncertain(fast.gap[:upto], found.margin)).sum()),
            sure=int(sure.sum()),
            differing=int((sure & differ).sum()),
            fallback=self._fallback,
            top1_count=int((fast.top1[:upto] & known).sum()) if complete else None,
            top5_count=int((fast.top5[:upto] & known).sum()) if complete else None,
        )
