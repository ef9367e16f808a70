"""Runs networks over images: takes what has to be run, stores the predictions and reports the result of each run."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from harness.dataset.remote import fetched
from harness.execution.devices.seats import Seat
from harness.execution.environments import Installed
from harness.execution.predictions import BuiltNetwork, Predictions
from harness.execution.process import Worker
from harness.worker.images import ImageRef
from harness.worker.protocol import Event, Failed, NetworkBuilt, Predicted, RunEvent, RunFailed, ShortOfMemory
from harness.worker.tasks import Evaluate, EvaluationRun, NetworkSpec

#: batches after which it is decided what to do next
BLOCK = 16
#: a worker that dies is started again as long as it makes progress; this often without progress
MAX_RESTARTS = 2


@dataclass(frozen=True)
class Work:
    """One network in one runtime, and the batches that it is to be run over."""

    predictions: Predictions  #: where its predictions belong
    network: NetworkSpec
    sha256: str  #: of the checkpoint
    batches: Sequence[Sequence[int]]  #: positions in the order of evaluation
    whole: frozenset[int] = frozenset()  #: positions of which all logits are kept


#: gets the position of the work and each of its events, once its predictions are stored; RunFailed is the last
Handle = Callable[[int, RunEvent], None]


class Engine(Protocol):
    """Something that runs networks; a context manager for as long as it is needed."""

    def do(self, works: Sequence[Work], order: Sequence[ImageRef], handle: Handle) -> None:
        """Does all of it, or reports for each work why not."""
        ...

    def leave(self, networks: Sequence[NetworkSpec]) -> None:
        """These will not be asked for again, and may leave the device."""
        ...

    def __enter__(self) -> Engine: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Local:
    """One worker on this machine, wherever it has its seat."""

    def __init__(
        self,
        installed: Installed,
        log: Path,
        seat: Seat,
        say: Callable[[str], None],
        note: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """`say` gets what happens to the worker, `note` what the author of the adapter has to change."""
        self._worker = Worker(installed, log, seat.device, seat.threads, note, seat.environment)
        self._say = say
        self._finished: list[NetworkSpec] = []

    def __enter__(self) -> Local:
        self._worker.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.__exit__(kind, error, trace)

    def do(self, works: Sequence[Work], order: Sequence[ImageRef], handle: Handle) -> None:
        finished, self._finished = self._finished, []
        perform(self._worker, works, order, handle, self._say, finished)

    def leave(self, networks: Sequence[NetworkSpec]) -> None:
        self._finished += networks


def perform(
    worker: Worker,
    works: Sequence[Work],
    order: Sequence[ImageRef] | Mapping[int, ImageRef],
    handle: Handle,
    say: Callable[[str], None],
    finished: Sequence[NetworkSpec] = (),
) -> Mapping[int, Sequence[Sequence[int]]]:
    """Has a worker do the works and stores what it predicts. Returns the batches of each that were not done.

    When it dies, the works are done one by one, each as long as it makes progress, so that one that kills its worker
    does not affect the others. Networks that are `finished` leave it.
    """
    runs = _Runs(works, order, handle)
    restarts = Restarts(range(len(works)))
    while running := restarts.running:
        runs.begin(running)
        wanted = sorted({position for index in running for batch in runs.left[index] for position in batch})
        with fetched([order[position] for position in wanted]) as images:
            death = worker.do(runs.task(wanted, images, finished), runs.handled)
        if death is None:
            restarts.finished()
            continue
        unfinished = [index for index in range(len(works)) if runs.left[index]]
        given_up = restarts.died(worker.was_ready, worker.was_killed, runs.got_on, unfinished)
        for index in given_up:
            runs.undone[index] = list(runs.left[index])
            handle(index, RunFailed(index, death, elsewhere=True))
        if restarts.running and not given_up:
            say(f"{death} It is started again.")
    return runs.undone


def keep_network(predictions: Predictions, event: NetworkBuilt | ShortOfMemory) -> None:
    """Stores with the predictions how the network was built, and how many images its memory holds at once."""
    known = predictions.network()
    if isinstance(event, NetworkBuilt):
        at_once = known.at_once if known else 0
        built = BuiltNetwork(event.input_size, event.preprocessing, event.stand_in, event.engine, event.states, at_once)
        predictions.save_network(built)
    elif known and event.at_once:
        predictions.save_network(dataclasses.replace(known, at_once=event.at_once))


def full_logits(event: Predicted) -> list[bytes | None]:
    """All logits of the rows, as the store keeps them; empty where none were sent."""
    return [None if text is None else base64.b64decode(text) for text in event.full_logits]


class Restarts:
    """Which works are to be done next, by how the worker died: together at first, then one by one."""

    def __init__(self, works: Iterable[int]) -> None:
        self._together = list(works)
        self._alone: list[int] = []
        self._deaths = 0  #: in a row, of the same work without a batch done
        self._false_starts = 0  #: in a row, before the adapter was imported

    @property
    def running(self) -> list[int]:
        """The works of the next task; empty at the end."""
        return self._together or self._alone[:1]

    def finished(self) -> None:
        """The task ended."""
        self._together, self._alone = [], [] if self._together else self._alone[1:]
        self._deaths = 0

    def died(self, was_ready: bool, was_killed: bool, got_on: bool, unfinished: Sequence[int]) -> list[int]:
        """The worker died during the task. Returns the works that are given up."""
        self._false_starts = 0 if was_ready else self._false_starts + (1 if was_killed else MAX_RESTARTS)
        if self._false_starts >= MAX_RESTARTS:  # none of them can ever be run
            given_up = [*self._together, *self._alone]
            self._together, self._alone = [], []
            return given_up
        if self._false_starts:  # which says nothing about the networks
            return []
        self._deaths = 0 if got_on else self._deaths + 1
        left = [index for index in (self._together or self._alone) if index in unfinished]
        if len(self._together) > 1:
            self._together, self._alone, self._deaths = [], left, 0
            return []
        if self._deaths < MAX_RESTARTS:
            self._together, self._alone = [], left
            return []
        given_up = self.running
        self._together, self._alone, self._deaths = [], self._alone[1:], 0
        return given_up


class _Runs:
    """The works, with what is left of each, and the events of the task that does some of them."""

    def __init__(
        self, works: Sequence[Work], order: Sequence[ImageRef] | Mapping[int, ImageRef], handle: Handle
    ) -> None:
        self.undone: dict[int, list[Sequence[int]]] = {}  #: of works that failed, the batches that were left then
        self.left = {index: list(work.batches) for index, work in enumerate(works)}
        self.got_on = False  #: whether the present task has done a batch
        self._works = works
        self._order = order
        self._handle = handle
        self._running: Sequence[int] = ()

    def begin(self, running: Sequence[int]) -> None:
        """The next task does these works."""
        self._running = running
        self.got_on = False

    def handled(self, event: Event) -> None:
        """Stores what an event of the task says, and hands it on with the position of the work."""
        if isinstance(event, Failed):  # the task as a whole, though some of it may be done
            for index in [index for index in self._running if self.left[index]]:
                self._handle(index, RunFailed(index, event.message))
        if not isinstance(event, RunEvent):
            return
        index = self._running[event.run]
        predictions = self._works[index].predictions
        if isinstance(event, NetworkBuilt | ShortOfMemory):
            keep_network(predictions, event)
        elif isinstance(event, Predicted):
            self.got_on = True
            done = {name for name, *_ in (*event.rows, *event.undecodable)}
            self.left[index] = [batch for batch in self.left[index] if self._order[batch[0]].name not in done]
            predictions.append(event.rows, event.undecodable, full_logits(event))
        elif isinstance(event, RunFailed):
            self.undone[index] = list(self.left[index])
            self.left[index].clear()
        self._handle(index, event)

    def task(self, wanted: Sequence[int], images: Sequence[ImageRef], finished: Sequence[NetworkSpec]) -> Evaluate:
        """What is left of the present works, with the images at the wanted positions alone."""
        place = {position: i for i, position in enumerate(wanted)}
        runs = [
            EvaluationRun(
                network=self._works[index].network,
                sha256=self._works[index].sha256,
                batches=[[place[position] for position in batch] for batch in self.left[index]],
                whole=[place[position] for position in sorted(self._works[index].whole) if position in place],
            )
            for index in self._running
        ]
        return Evaluate(images, runs, finished)


def split(works: Sequence[Work], parts: int) -> list[list[tuple[int, list[Sequence[int]]]]]:
    """The works' batches by where in the order they begin, so that the works of a part share the decoding."""
    starts = sorted({batch[0] for work in works for batch in work.batches})
    size = max(1, min(BLOCK, -(-len(starts) // parts)))
    part_of = {start: number // size for number, start in enumerate(starts)}
    found: dict[int, dict[int, list[Sequence[int]]]] = {}
    for index, work in enumerate(works):
        for batch in work.batches:
            found.setdefault(part_of[batch[0]], {}).setdefault(index, []).append(batch)
    return [list(found[part].items()) for part in sorted(found)]
