"""Has networks run over images: what has to be run goes in, stored predictions and what became of each run come out."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from harness.dataset.remote import fetched
from harness.execution.environments import Installed
from harness.execution.predictions import Predictions
from harness.execution.process import Worker
from harness.worker.images import ImageRef

#: batches after which it is decided what to do next
BLOCK = 16
#: a worker that dies is started again as long as it gets on; this often without
MAX_RESTARTS = 2

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Work:
    """One network in one runtime, and the batches that it is to be run over."""

    predictions: Predictions  #: where its predictions belong
    network: Mapping[str, Any]  #: the other fields of a run in evaluating.evaluate
    sha256: str  #: of the checkpoint
    batches: Sequence[Sequence[int]]  #: positions in the order of evaluation
    whole: frozenset[int] = frozenset()  #: positions of which all logits are kept


#: gets the position of the work and each of its events, once its predictions are stored; "run_failed" is the last
Handle = Callable[[int, Event], None]


class Engine(Protocol):
    """Something that runs networks; a context manager for as long as it is needed."""

    def do(self, works: Sequence[Work], order: Sequence[ImageRef], handle: Handle) -> None:
        """Does all of it or says of each work why not."""
        ...

    def __enter__(self) -> Engine: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Local:
    """One worker on this machine."""

    def __init__(self, installed: Installed, log: Path, device: str, say: Callable[[str], None]) -> None:
        self._worker = Worker(installed, log, device)
        self._say = say

    def __enter__(self) -> Local:
        self._worker.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.__exit__(kind, error, trace)

    def do(self, works: Sequence[Work], order: Sequence[ImageRef], handle: Handle) -> None:
        perform(self._worker, works, order, handle, self._say)


def perform(
    worker: Worker,
    works: Sequence[Work],
    order: Sequence[ImageRef] | Mapping[int, ImageRef],
    handle: Handle,
    say: Callable[[str], None],
) -> None:
    """Has a worker do the works and stores what it predicts.

    When it dies, the works are done one by one, each as long as it gets on, so that one that kills its worker takes
    no other with it.
    """
    left = {index: list(work.batches) for index, work in enumerate(works)}
    together = list(left)
    alone: list[int] = []
    deaths = 0
    false_starts = 0
    while together or alone:
        running = together or alone[:1]
        got_on = False

        def handled(event: Event, running: Sequence[int] = running) -> None:
            nonlocal got_on
            if event["event"] == "failed":  # the task as a whole, though some of it may be done
                for index in (index for index in running if left[index]):
                    handle(index, {"event": "run_failed", "message": event["message"]})
            if "run" not in event:
                return
            index = running[event["run"]]
            if event["event"] == "network":
                works[index].predictions.save_network({name: event[name] for name in event if name != "run"})
            elif event["event"] == "predictions":
                got_on = True
                done = {name for name, *_ in (*event["rows"], *event["undecodable"])}
                left[index] = [batch for batch in left[index] if order[batch[0]].name not in done]
                rows = [(name, classes, logits) for name, classes, logits in event["rows"]]
                undecodable = [(name, why) for name, why in event["undecodable"]]
                works[index].predictions.append(rows, undecodable, full_logits(event))
            elif event["event"] == "run_failed":
                left[index].clear()
            handle(index, event)

        wanted = sorted({position for index in running for batch in left[index] for position in batch})
        with fetched([order[position] for position in wanted]) as images:
            death = worker.do(_task(works, left, running, wanted, images), handled)
        if death is None:
            together, alone = [], alone if together else alone[1:]
            deaths = 0
            continue
        false_starts = 0 if worker.was_ready else false_starts + (1 if worker.was_killed else MAX_RESTARTS)
        if false_starts >= MAX_RESTARTS:  # none of them can ever be run
            for index in [*together, *alone]:
                handle(index, {"event": "run_failed", "message": death})
            return
        if false_starts:  # which says nothing of the networks
            say(f"{death} It is started again.")
            continue
        deaths = 0 if got_on else deaths + 1
        if together and len(together) > 1:
            together, alone, deaths = [], [index for index in together if left[index]], 0
        elif deaths < MAX_RESTARTS:
            together, alone = [], [index for index in (together or alone) if left[index]]
        else:
            handle(running[0], {"event": "run_failed", "message": death})
            together, alone, deaths = [], alone[1:], 0
            continue
        if together or alone:
            say(f"{death} It is started again.")


def full_logits(event: Event) -> list[bytes | None]:
    """All logits of the rows of a "predictions" event, as the store keeps them; empty where none were sent."""
    return [text and base64.b64decode(text) for text in event.get("full_logits", ())]


def _task(
    works: Sequence[Work],
    left: Mapping[int, Sequence[Sequence[int]]],
    running: Sequence[int],
    wanted: Sequence[int],
    images: Sequence[ImageRef],
) -> dict[str, Any]:
    """The works as evaluating.evaluate takes them, with the images at the wanted positions alone."""
    place = {position: i for i, position in enumerate(wanted)}
    return {
        "kind": "evaluate",
        "images": [dataclasses.astuple(ref) for ref in images],
        "runs": [
            {
                **works[index].network,
                "sha256": works[index].sha256,
                "batches": [[place[position] for position in batch] for batch in left[index]],
                "whole": [place[position] for position in sorted(works[index].whole) if position in place],
            }
            for index in running
        ],
    }
