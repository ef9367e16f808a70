"""Evaluates the networks of one source over a set of images: asks each what is missing, and has that run."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Sequence
from types import TracebackType

from harness.checks.accuracy.certified_evaluation import CertifiedEvaluation
from harness.checks.accuracy.network_evaluation import Evaluation, NetworkEvaluation
from harness.core.records import Run
from harness.dataset.image_set import ImageSet, shuffled
from harness.execution.devices.pool import Pool
from harness.execution.engine import BLOCK, Engine, Local
from harness.execution.environments import Installed
from harness.execution.session import Session
from harness.worker.protocol import RunEvent

__all__ = ["Enough", "Evaluation", "EvaluationGroup", "evaluate"]

#: batches that are timed for each network: the first one, which is slower, and another
_TIMED = 2

#: evaluation, images seen, of these right among the first and among the best five -> whether that is enough
Enough = Callable[[Evaluation, int, int, int], bool]


def evaluate(
    session: Session,
    installed: Installed,
    evaluations: Sequence[Evaluation],
    images: ImageSet,
    enough: Enough | None = None,
) -> list[Run | None]:
    """Runs the networks over the images that are not on disk yet; see `EvaluationGroup.evaluate`."""
    with EvaluationGroup(session, installed, evaluations, images) as together:
        return together.evaluate(enough)


class EvaluationGroup:
    """Networks of one source on their way through the same images, in shuffled order.

    It holds a worker from when it is first needed until the end of a `with` block, of which there may be several.
    """

    def __init__(
        self, session: Session, installed: Installed, evaluations: Sequence[Evaluation], images: ImageSet
    ) -> None:
        self._session = session
        self._installed = installed
        self._order = shuffled(images.images)
        self._engine: Engine | None = None
        self._held = contextlib.ExitStack()
        native = (session.runtime, session.precision) == ("native", "fp32")
        kind = NetworkEvaluation if native else CertifiedEvaluation
        self.networks = [kind(session, installed, evaluation, images, self._order) for evaluation in evaluations]
        self.running = list(self.networks)  #: those that go on
        seats = session.placed(installed).seats
        #: workers that take parts; None for one that has this machine for itself
        self._slots = session.cluster.slots if session.cluster else len(seats) if len(seats) > 1 else None

    def __enter__(self) -> EvaluationGroup:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine = None
        self._held.__exit__(kind, error, trace)

    def warm_up(self) -> None:
        """Runs each network over a few images that are not on disk yet, keeps them and reports the time to progress.

        One after the other, because a network that is nearly done misses other images than one that has just begun.
        """
        step = _TIMED * self._session.batch_size
        for one in self.networks:
            one.report(0, 0.0)
            upto = next((upto for upto in range(step, len(self._order), step) if one.missing_work(upto)), None)
            if upto is not None:
                self.running = [one]
                self.run_until(upto)
        self.running = [one for one in self.networks if one.failed is None]

    def evaluate(self, enough: Enough | None = None) -> list[Run | None]:
        """Runs the networks over the images that are not on disk yet; None where one failed, which is noted.

        Images are taken in shuffled order, so that what is done when a run is interrupted, or when `enough` ends
        it, is a random sample.
        """
        stride = _stride(self._slots, enough is not None) * self._session.batch_size
        upto = 0
        while self.running and upto < len(self._order):
            upto = min(len(self._order), upto + stride)
            self.run_until(upto)
            if enough is not None:
                going = [one for one in self.running if not enough(one.evaluation, *one.counts(upto))]
                self._leave([one for one in self.running if one not in going])
                self.running = going
        return [one.result() for one in self.networks]

    def run_until(self, upto: int) -> None:
        """Runs the missing predictions of the running networks for the first `upto` images."""
        while works := [(one, table, work) for one in self.running for table, work in one.missing_work(upto)]:
            if self._engine is None:
                for one in self.running:
                    one.report(0, 0.0)
                self._engine = self._held.enter_context(_engine(self._session, self._installed))

            # binds this round's works: the loop replaces them
            handlers = [functools.partial(one.handle, table) for one, table, _ in works]
            self._engine.do([work for _, _, work in works], self._order, functools.partial(_dispatch, handlers))
            self._leave([one for one in self.running if one.failed is not None])
            self.running = [one for one in self.running if one.failed is None]
        for one in self.running:
            one.seen = upto

    def _leave(self, finished: Sequence[NetworkEvaluation]) -> None:
        """What is not needed any more leaves the device."""
        if self._engine is not None:
            self._engine.leave([spec for one in finished for spec in one.specs])


def _dispatch(handlers: Sequence[Callable[[RunEvent], None]], index: int, event: RunEvent) -> None:
    handlers[index](event)


def _stride(slots: int | None, may_stop: bool) -> int:
    """Batches after which it is decided what to do next: of several workers, enough to keep all of them busy."""
    if slots is None:
        return BLOCK
    return BLOCK * slots if may_stop else sys.maxsize


def _engine(session: Session, installed: Installed) -> Engine:
    log = session.log(installed)
    if session.cluster is not None:
        return session.cluster.engine(installed, log, session.placed(installed).device.kind)
    seats = session.placed(installed).seats
    if len(seats) > 1:
        return Pool(installed, log, seats, session.progress.stage, session.note)
    return Local(installed, log, seats[0], session.progress.stage, session.note)
