"""Several workers of one machine, each on its own device, that take the parts of one queue.

Which worker a part comes to decides nothing: parts are batches of the fixed grid, so an image shares its batch with
the same others wherever it is run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from harness.core import cancellation
from harness.core.cancellation import LOOK, side_by_side
from harness.execution.devices.seats import Seat
from harness.execution.engine import Handle, Work, perform, split
from harness.execution.environments import Installed
from harness.execution.process import Worker
from harness.worker.images import ImageRef
from harness.worker.protocol import RunEvent, RunFailed
from harness.worker.tasks import NetworkSpec

#: parts for each worker, so that none waits long for the last ones
_PARTS = 8


@dataclass
class Part:
    """Some batches of some works, and which workers have given it up."""

    works: list[tuple[int, Sequence[Sequence[int]]]]  #: position of the work, and its batches
    given_up: dict[int, str] = field(default_factory=dict)  #: worker -> how it died, or what it lacked


class Queue:
    """The parts that are left. A worker that gives one up waits until another has tried it.

    What another can do was a fault of the worker, which gets no more; what no worker can do is one of the work.
    """

    def __init__(self, parts: Sequence[Part], workers: int) -> None:
        self._left = deque(parts)
        self._running = 0
        self._at_work = set(range(workers))  #: workers that still get parts
        self._changed = threading.Condition()

    def take(self, worker: int) -> Part | None:
        """The next part; waits where one may still be given back. None at the end, and for one that gets no more."""
        while True:
            cancellation.check()
            with self._changed:
                if worker not in self._at_work or not (self._left or self._running):
                    return None
                if (part := self._next(worker)) is not None:
                    self._left.remove(part)
                    self._running += 1
                    return part
                self._changed.wait(LOOK)

    def _next(self, worker: int) -> Part | None:
        waits = any(worker in part.given_up for part in self._left)
        for part in self._left:
            if worker not in part.given_up:
                if part.given_up or not waits:
                    return part
            elif not self._at_work - part.given_up.keys():  # those that had not tried it get no more
                return part
        return None

    def done(self, part: Part, worker: int) -> list[tuple[int, str]]:
        """The worker has done it. Returns those that had given it up and get no more, with what they lacked.

        A part of which nothing was left to do says nothing of them.
        """
        with self._changed:
            self._running -= 1
            retired = []
            for other, why in part.given_up.items() if part.works else ():
                if other != worker and other in self._at_work and len(self._at_work) > 1:
                    self._at_work.discard(other)
                    retired.append((other, why))
            self._changed.notify_all()
            return retired

    def give_back(self, part: Part, worker: int, why: str) -> bool:
        """The worker cannot do it. Whether another will try; else it is no longer in the queue."""
        with self._changed:
            part.given_up[worker] = why
            others = bool(self._at_work - part.given_up.keys())
            self._running -= 1
            if others:
                self._left.appendleft(part)
            self._changed.notify_all()
            return others


class Pool:
    """See engine.Engine: a worker on each seat."""

    def __init__(
        self,
        installed: Installed,
        log: Path,
        seats: Sequence[Seat],
        say: Callable[[str], None],
        note: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """`say` gets what happens to the workers, `note` what the author of the adapter has to change."""
        self._installed = installed
        self._log = log
        self._seats = seats
        self._say = say
        self._note = note
        self._held = contextlib.ExitStack()
        self._workers: list[Worker] = []
        self._finished: list[list[NetworkSpec]] = [[] for _ in seats]

    def __enter__(self) -> Pool:
        # that of the pool, not of one call: a worker outlives the call that has started it
        self._cancellation = self._held.enter_context(cancellation.current().part())
        self._workers = [
            self._held.enter_context(
                Worker(
                    self._installed,
                    self._log.with_name(f"{self._log.stem}-{seat.label.replace(':', '')}{self._log.suffix}"),
                    seat.device,
                    seat.threads,
                    self._note,
                    seat.environment,
                    self._cancellation,
                )
            )
            for seat in self._seats
        ]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.__exit__(kind, error, trace)

    def leave(self, networks: Sequence[NetworkSpec]) -> None:
        for finished in self._finished:
            finished += networks

    def do(self, works: Sequence[Work], order: Sequence[ImageRef], handle: Handle) -> None:
        parts = [Part(list(works_of)) for works_of in split(works, len(self._seats) * _PARTS)]
        calls = _Calls(works, order, handle, Queue(parts, len(self._seats)), self._told)

        def one(number: int) -> None:
            finished, self._finished[number] = self._finished[number], []
            try:
                calls.work(number, self._workers[number], finished)
            except BaseException:
                self._cancellation.cancel()  # or the others would go on with what they have
                raise

        numbers = range(len(self._seats))
        side_by_side(one, numbers, threads=len(numbers))

    def _told(self, number: int, text: str) -> None:
        self._say(f"{self._seats[number].label}: {text}")


class _Calls:
    """One call of Pool.do, as all of its workers see it."""

    def __init__(
        self,
        works: Sequence[Work],
        order: Sequence[ImageRef],
        handle: Handle,
        queue: Queue,
        say: Callable[[int, str], None],
    ) -> None:
        self._works = works
        self._order = order
        self._handle = handle
        self._queue = queue
        self._say = say
        self._failed: set[int] = set()
        self._lock = threading.Lock()

    def work(self, number: int, worker: Worker, finished: Sequence[NetworkSpec]) -> None:
        """Has one worker do parts as long as there are any."""
        while (part := self._queue.take(number)) is not None:
            part.works = [(index, batches) for index, batches in part.works if index not in self._failed]
            lost = self._part(part, number, worker, finished)
            finished = ()
            if not lost:
                for other, why in self._queue.done(part, number):
                    self._say(other, f"{why} Another worker has done its part, so it gets no more.")
                continue
            why = next(iter(lost.values()))[1]
            part.works = [(index, batches) for index, (batches, _) in lost.items()]
            if self._queue.give_back(part, number, why):
                self._say(number, f"{why} Its part is given to another worker.")
            else:
                for index, (_, message) in lost.items():
                    self._fail(index, message)

    def _part(
        self, part: Part, number: int, worker: Worker, finished: Sequence[NetworkSpec]
    ) -> dict[int, tuple[Sequence[Sequence[int]], str]]:
        """Has a worker do a part. Returns the works that another may be able to do: what is left of each, and why."""
        lost: dict[int, str] = {}

        def handled(position: int, event: RunEvent) -> None:
            index = part.works[position][0]
            if not isinstance(event, RunFailed):
                with self._lock:
                    if index not in self._failed:
                        self._handle(index, event)
            elif event.elsewhere:
                lost[position] = event.message
            else:
                self._fail(index, event.message)

        works = [dataclasses.replace(self._works[index], batches=batches) for index, batches in part.works]
        undone = perform(worker, works, self._order, handled, lambda text: self._say(number, text), finished)
        return {part.works[position][0]: (undone[position], why) for position, why in lost.items()}

    def _fail(self, index: int, message: str) -> None:
        with self._lock:
            if index not in self._failed:
                self._failed.add(index)
                self._handle(index, RunFailed(index, message))
