"""Counts of networks: multiply-adds and parameters by the counters of their source, each counted once and kept."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from harness.core import codec
from harness.core.cancellation import THREADS, side_by_side
from harness.core.records import Source, Static
from harness.execution.environments import Installed
from harness.execution.process import Shared
from harness.execution.session import Session
from harness.worker.protocol import Counts, Documents, Event, Failed, Models
from harness.worker.tasks import Count, Depth, ListDocuments, ListModels, ModelTask, Task

#: models that are named when they are about to be counted
_NAMED = 6
#: networks to count for which it pays to start another worker
_WORTH_A_WORKER = 4
#: what comes before each depth: what it need not count again
_BEFORE: Mapping[Depth, Depth | None] = {"parameters": None, "outline": None, "all": "outline"}


def count(
    session: Session,
    installed: Mapping[Source, Installed],
    wanted: Mapping[Source, Mapping[str, Iterable[int]]],
    traced: Collection[tuple[Source, str]] = (),
    depth: Depth = "all",
    optional: bool = False,
) -> dict[Source, dict[str, Static]]:
    """Counts of the networks that documented names mean, at the wanted sizes (pixels) and at their own.

    Of those that are `traced` the operations, too. What fails is noted and left out; what was not asked for, and is
    `optional`, fails in silence.
    """
    found: dict[Source, dict[str, Static]] = {source: {} for source in wanted}
    missing: list[tuple[Kept, Mapping[str, Count], Sequence[Count]]] = []
    for source, models in wanted.items():
        kept = Kept(session, installed[source])
        asked = {
            documented: Count(documented, sorted(set(sizes)), (source, documented) in traced, depth)
            for documented, sizes in models.items()
        }
        left = []
        for documented, task in asked.items():
            counts, more = kept.find(task)
            if more is not None:
                left.append(more)
            elif counts is not None:
                found[source][documented] = _static(source, counts)
        if left:
            missing.append((kept, asked, left))
    with session.optional() if optional else nullcontext():
        parts = [part for one in missing for part in _parts(session, *one, len(missing))]
        side_by_side(
            lambda part: part.work(session, found[part.source]), parts, threads=max(THREADS, os.cpu_count() or 1)
        )
    return found


class Kept:
    """What is stored of a source's networks: what each is, and its counts at each size, every depth by itself."""

    def __init__(self, session: Session, installed: Installed) -> None:
        self.installed = installed
        self._store = session.store
        self._identity = session.identity(installed, Count.kind)

    def find(self, asked: Count) -> tuple[Counts | None, Count | None]:
        """The counts as far as they are stored, and what is left to count."""
        known = self._network(asked)
        if known is None:
            return None, self._with_known(asked, asked.sizes)
        if asked.depth == "parameters":
            return known, None
        sizes = sorted({known.input_size, *asked.sizes})
        stored = {size: one for size in sizes if (one := self._store.cached(self._at(asked, size))) is not None}
        left = [size for size in sizes if size not in stored]
        counts = replace(
            known,
            multiply_adds={size: one["multiply_adds"] for size, one in stored.items()},
            failed_counters={name: why for one in stored.values() for name, why in one["failed_counters"].items()},
            left_out=tuple(dict.fromkeys(name for one in stored.values() for name in one["left_out"])),
        )
        return counts, self._with_known(replace(asked, own=False), left) if left else None

    def save(self, asked: Count, counts: Counts) -> None:
        """Keeps what was counted."""
        bare = replace(counts, multiply_adds={}, failed_counters={}, left_out=())
        self._store.save(self._of(asked), codec.plain(bare))
        for size, multiply_adds in counts.multiply_adds.items():
            told = {"failed_counters": counts.failed_counters, "left_out": counts.left_out}
            self._store.save(self._at(asked, size), {"multiply_adds": multiply_adds, **told})

    def _with_known(self, asked: Count, sizes: Sequence[int]) -> Count:
        """The task, with what was counted before and less deeply."""
        before = _BEFORE[asked.depth]
        known: dict[int, Mapping[str, int]] = {}
        if before is not None:
            less = replace(asked, depth=before, trace=False)
            network = self._network(less)
            own = {network.input_size} if network is not None else set()
            for size in sorted({*sizes, *own}):
                if (one := self._store.cached(self._at(less, size))) is not None:
                    known[size] = one["multiply_adds"]
        return replace(asked, sizes=sizes, known=known)

    def _network(self, asked: Count) -> Counts | None:
        stored = self._store.cached(self._of(asked))
        return None if stored is None else codec.decode(Counts, stored)

    def _of(self, asked: Count) -> dict[str, Any]:
        about = {"documented": asked.documented, "depth": asked.depth, "trace": asked.trace}
        return {**self._identity, **about}

    def _at(self, asked: Count, size: int) -> dict[str, Any]:
        """Counts at a size do not depend on what else was asked."""
        return {**self._identity, "documented": asked.documented, "depth": asked.depth, "size": size}


class _Progress:
    """How many of a source's networks are counted."""

    def __init__(self, session: Session, source: Source, total: int, workers: int) -> None:
        self._session, self._what = session, str(source)
        self._total, self._workers = total, workers
        self._done = 0
        self._lock = threading.Lock()

    def one_more(self, model: str) -> None:
        with self._lock:
            self._done += 1
            self._session.progress.networks(self._what, model, self._done, self._total, self._workers)


@dataclass(frozen=True)
class _Part:
    """What one worker does: the next of the source's networks, as long as there are any."""

    source: Source
    kept: Kept
    asked: Mapping[str, Count]  #: documented name -> all that was asked of the network
    tasks: Shared
    threads: int
    progress: _Progress

    def work(self, session: Session, found: dict[str, Static]) -> None:
        """Adds the counts to `found`, by documented name, and keeps them."""

        def handle(task: Task, event: Event) -> None:
            match event:
                case Counts():
                    assert isinstance(task, Count)
                    self.kept.save(task, event)
                    counts, _ = self.kept.find(self.asked[task.documented])
                    found[task.documented] = _static(self.source, counts or event)
                case Models():
                    session.store.save(session.asked(self.kept.installed, task), codec.plain(event))
                case Documents():
                    session.store.save(session.asked(self.kept.installed, task), event.documents)
                case Failed():
                    documented = task.documented if isinstance(task, ModelTask) else None
                    session.fail(self.source, documented, "static", event.message)
            if isinstance(task, Count) and isinstance(event, Counts | Failed):
                self.progress.one_more(task.documented)

        session.share(self.kept.installed, self.tasks, handle, self.threads)


def _parts(
    session: Session, kept: Kept, asked: Mapping[str, Count], left: Sequence[Count], sources: int
) -> list[_Part]:
    """What each worker counts, so that every processor has something to do; names are asked for first."""
    source = kept.installed.source
    names = [task.documented for task in left]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    session.progress.stage(f"{source}: counting {', '.join(names[:_NAMED])}{more}")
    # a counter runs one image through the network, layer by layer, which more threads hardly make faster
    processors = max(1, (os.cpu_count() or 1) // max(1, sources))
    workers = max(1, min(processors, len(left) // _WORTH_A_WORKER))
    first: list[Task] = [] if session.offered(kept.installed) else [ListModels(), ListDocuments()]
    tasks, progress = Shared([*first, *left]), _Progress(session, source, len(left), workers)
    return [_Part(source, kept, asked, tasks, processors // workers, progress) for _ in range(workers)]


def _static(source: Source, counts: Counts) -> Static:
    return Static(source=source, **codec.plain(counts))
