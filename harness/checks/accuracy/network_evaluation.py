"""Evaluates one network as its source runs it: which batches are missing, and what the predictions give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from harness.adapters.base import Precision, Runtime
from harness.checks.accuracy.metrics import registry
from harness.checks.accuracy.scores import PredictionTable
from harness.core.records import Certificate, CheckpointUsed, Run
from harness.dataset.image_set import ImageSet
from harness.dataset.labels import label_shift
from harness.execution import environments
from harness.execution.checkpoints import Checkpoint
from harness.execution.devices import shards
from harness.execution.engine import Work
from harness.execution.environments import Installed
from harness.execution.predictions import Predictions, identity_key
from harness.execution.session import Session
from harness.worker.images import ImageRef
from harness.worker.protocol import Predicted, RunEvent, RunFailed, ShortOfMemory
from harness.worker.tasks import NetworkSpec

#: where the predictions of the work belong, and what is to be run
TableWork = tuple[PredictionTable, Work]


@dataclass(frozen=True)
class Evaluation:
    """One network to be run over a data set."""

    documented_model: str
    model: str  #: the source's own name
    checkpoint: Checkpoint
    input_size: int | None  #: pixels; None is the source's own
    own_size: int  #: pixels, the source's own

    @property
    def size(self) -> int:
        """Input size in pixels."""
        return self.input_size or self.own_size


class NetworkEvaluation:
    """One network over a set of images, run by its own framework in float32.

    harness.checks.accuracy.certified_evaluation adds a faster runtime or precision.
    """

    def __init__(
        self,
        session: Session,
        installed: Installed,
        evaluation: Evaluation,
        images: ImageSet,
        order: Sequence[ImageRef],
    ) -> None:
        self.evaluation = evaluation
        self.failed: str | None = None  #: why it cannot be run
        self.seen = 0  #: images, in the order of evaluation, whose predictions are known
        self._session = session
        self._installed = installed
        self._images = images
        self._order = order
        self._positions = {ref.name: i for i, ref in enumerate(order)}
        self._labels = np.asarray([ref.label for ref in order], np.int64)
        self._source = installed.source
        self._seconds = 0.0
        self._device = session.placed(installed).device
        shard, size = session.shard, session.batch_size
        self._mine = np.asarray([shard is None or shard.has(at, size) for at in range(len(order))], np.bool_)
        self.native = self._table("native", "fp32")

    # -- what is asked of the engine -------------------------------------------------------------

    def missing_work(self, upto: int) -> list[TableWork]:
        """What has to be run next so that the predictions of the first `upto` images are known; empty once they are."""
        shard, size = self._session.shard, self._session.batch_size
        if shard is None:
            return self._work(self.native, self.native.missing_batches(upto, size))
        if shard.merges:
            lacking = shards.lacking([ref.name for ref in self._order], self.native.done.tolist(), size, shard.of)
            self.failed = lacking or None
            return []
        missing = self.native.missing_batches(upto, size)
        return self._work(self.native, [batch for batch in missing if shard.has(batch[0], size)])

    def _work(
        self, table: PredictionTable, batches: Sequence[Sequence[int]], full_logits: Sequence[int] = ()
    ) -> list[TableWork]:
        """`full_logits`: positions of the images of which exact logits of all classes are needed."""
        if not batches:
            return []
        network = self._network(table)
        sha256 = self.evaluation.checkpoint.sha256
        return [(table, Work(table.predictions, network, sha256, batches, frozenset(full_logits)))]

    def _network(self, table: PredictionTable) -> NetworkSpec:
        """What runs to fill the table."""
        runtime, precision = self._how(table)
        return NetworkSpec(
            model=self.evaluation.model,
            checkpoint=self.evaluation.checkpoint.file,
            match=self.evaluation.checkpoint.match,
            input_size=self.evaluation.input_size,
            runtime=cast(Runtime, runtime),
            precision=cast(Precision, precision),
            conversion=str(self._conversion()) if runtime != "native" else None,
        )

    @property
    def specs(self) -> list[NetworkSpec]:
        """All that a worker may hold of it."""
        return list(dict.fromkeys(map(self._network, self._tables)))

    def _how(self, table: PredictionTable) -> tuple[str, str]:  # noqa: ARG002  of one table there is one answer
        """Runtime and precision whose predictions are in the table."""
        return "native", "fp32"

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
            input_size=self.evaluation.size,
            device=self._device.identity,
            **rest,
        )

    def _predictions(self, **rest: Any) -> Predictions:
        identity = self._identity("predictions", batch_size=self._session.batch_size, data=self._images.digest, **rest)
        return self._session.store.predictions(identity)

    def _table(self, runtime: str, precision: str, **rest: Any) -> PredictionTable:
        predictions = self._predictions(runtime=runtime, precision=precision, **rest)
        return PredictionTable(predictions, self._positions, self._labels)

    # -- what it answers -------------------------------------------------------------------------

    def handle(self, table: PredictionTable, event: RunEvent) -> None:
        """Records an event of work that missing_work() gave for this table."""
        if isinstance(event, Predicted):
            added = table.add(event.rows, event.undecodable)
            self._seconds += event.seconds
            self.report(added if table is self.main else 0, event.seconds)
        elif isinstance(event, RunFailed):
            self._run_failed(table, event.message)
        elif isinstance(event, ShortOfMemory):
            self._session.note(f"{self.label}: {_short(event.at_once)}")

    def _run_failed(self, table: PredictionTable, message: str) -> None:  # noqa: ARG002  see the subclass
        self.failed = message

    def report(self, added: int, seconds: float) -> None:
        """Reports progress: how far it is, and how long `added` images took."""
        done, total = int(self.main.done[self._mine].sum()), int(self._mine.sum())
        self._session.progress.images(self.label, done, total, added, seconds)

    @property
    def label(self) -> str:
        """Source, model, input size in pixels and how it is run, for progress."""
        return f"{self._source} {self.evaluation.documented_model}@{self.evaluation.size}"

    @property
    def main(self) -> PredictionTable:
        """The table that has an answer for every image that is done."""
        return self.native

    @property
    def _tables(self) -> tuple[PredictionTable, ...]:
        return (self.native,)

    # -- results ---------------------------------------------------------------------------------

    def decided(self, of: Callable[[PredictionTable], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """One value per image, from the network that decides on it."""
        return of(self.main)

    def counts(self, upto: int) -> tuple[int, int, int]:
        """Images scored among the first `upto`, and of these right among the first and among the best five."""
        decoded = self.main.decoded[:upto]
        right = (self.decided(lambda table: table.top1), self.decided(lambda table: table.top5))
        top1, top5 = (int((flags[:upto] & decoded).sum()) for flags in right)
        return int(decoded.sum()), top1, top5

    def result(self) -> Run | None:
        """The counts of what was seen; None where it failed, which is noted, and of a shard."""
        documented = self.evaluation.documented_model
        if self.failed is not None:
            done = int(self.main.done.sum())
            kept = f" ({done} of {len(self._order)} images are kept)" if done else ""
            self._session.fail(self._source, documented, "evaluate", self.failed + kept)
            return None
        if self._session.shard is not None and not self._session.shard.merges:
            return None
        for table in self._tables:
            table.predictions.compact()
        errors = {self._order[at].name: why for at, why in sorted(self.main.errors.items()) if at < self.seen}
        for name, why in errors.items():
            self._session.fail(self._source, documented, "evaluate", f"{name} was not scored: {why}")
        return self._run(errors, self._decided_predictions())

    def _run(self, errors: Mapping[str, str], predictions: Predictions) -> Run:
        network = self.main.predictions.network()
        assert network is not None, "what has predictions was built"
        checkpoint = self.evaluation.checkpoint
        scored, top1, top5 = self.counts(self.seen)
        runtime, precision = self._reported_how()
        return Run(
            source=self._source,
            model=self.evaluation.model,
            documented_model=self.evaluation.documented_model,
            input_size=self.evaluation.size,
            preprocessing=network.preprocessing,
            checkpoint=CheckpointUsed(
                checkpoint.file,
                checkpoint.sha256,
                checkpoint.verified,
                network.stand_in,
                checkpoint.origin,
                checkpoint.match,
                network.states,
            ),
            images=scored,
            top1_count=top1,
            top5_count=top5,
            decode_errors=errors,
            seconds=self._seconds,
            measured_now=int(self.main.done.sum()) - self.main.stored_before,
            label_note=self._label_note(),
            predictions=str(predictions.folder),
            engine=network.engine
            + (f", {network.at_once} images at once where memory was short" if network.at_once else ""),
            device=self._device,
            runtime=runtime,
            precision=precision,
            planned=len(self._order),
            certificate=self._certificate(),
            metrics=registry.measure(predictions, self._scored_labels(), self._images.real),
        )

    def _reported_how(self) -> tuple[str, str]:
        """Runtime and precision that the predictions are said to come from."""
        return "native", "fp32"

    def _certificate(self) -> Certificate | None:
        return None

    def _decided_predictions(self) -> Predictions:
        """Where the predictions are that are counted."""
        return self.main.predictions

    def _scored_labels(self) -> dict[str, int]:
        """Image -> label, of the images that were scored."""
        scored = self.main.decoded[: self.seen].tolist()
        return {ref.name: ref.label for ref, counts in zip(self._order, scored, strict=False) if counts}

    def _label_note(self) -> str | None:
        best = self.decided(lambda table: table.best[:, 0])
        scored = np.flatnonzero(self.main.decoded[: self.seen])
        return label_shift(best[scored].tolist(), self._labels[scored].tolist()) if len(scored) else None


def _short(at_once: int) -> str:
    """What is done where the memory does not suffice."""
    if not at_once:
        return "out of memory beside the other networks, so it is run after them"
    return f"out of memory with a whole batch, so {at_once} of its images are run at once from now on"
