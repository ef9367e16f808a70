"""Counts of networks: multiply-adds and parameters by the counters of their source, each counted once and kept."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from harness.core import codec
from harness.core.cancellation import THREADS, side_by_side
from harness.core.records import Source, Static
from harness.execution.environments import Installed
from harness.execution.session import Session
from harness.worker.protocol import Counts, Documents, Event, Failed, Models
from harness.worker.tasks import Count, ListDocuments, ListModels, ModelTask, Task

#: models that are named when they are about to be counted
_NAMED = 6
#: networks to count for which it pays to start another worker
_WORTH_A_WORKER = 4


@dataclass(frozen=True)
class _Share:
    """What one worker counts."""

    source: Source
    tasks: Sequence[Task]
    threads: int


def count(
    session: Session,
    installed: Mapping[Source, Installed],
    wanted: Mapping[Source, Mapping[str, Iterable[int]]],
    traced: Collection[tuple[Source, str]] = (),
    outline: bool = False,
) -> dict[Source, dict[str, Static]]:
    """Counts of the networks that documented names mean, at the wanted sizes (pixels) and at their own.

    Of those that are `traced` the operations, too. What fails is noted and left out. An `outline` is of networks
    that were not asked for: fewer counters count it, which takes less time, and what fails is not noted.
    """
    found: dict[Source, dict[str, Static]] = {source: {} for source in wanted}
    missing: dict[Source, list[Count]] = {}
    for source, models in wanted.items():
        for documented, sizes in models.items():
            task = Count(documented, sorted(set(sizes)), (source, documented) in traced, outline)
            known = session.store.cached(session.asked(installed[source], task))
            if known is None:
                missing.setdefault(source, []).append(task)
            else:
                found[source][documented] = _static(source, codec.decode(Counts, known))
    with session.optional() if outline else nullcontext():
        side_by_side(
            lambda share: _count(session, installed[share.source], share, found[share.source]),
            _shares(session, installed, missing),
            threads=max(THREADS, os.cpu_count() or 1),
        )
    return found


def _shares(
    session: Session, installed: Mapping[Source, Installed], missing: Mapping[Source, Sequence[Count]]
) -> list[_Share]:
    """What each worker counts, so that every processor has something to do; the first asks for names, too."""
    processors = max(1, (os.cpu_count() or 1) // max(1, len(missing)))
    shares = []
    for source, tasks in missing.items():
        names = [task.documented for task in tasks]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        session.progress.stage(f"{source}: counting {', '.join(names[:_NAMED])}{more}")
        # a counter runs one image through the network, layer by layer, which more threads hardly make faster
        parts = max(1, min(processors, len(tasks) // _WORTH_A_WORKER))
        asked: list[Task] = [] if session.offered(installed[source]) else [ListModels(), ListDocuments()]
        for part in range(parts):
            share = [*(asked if part == 0 else []), *tasks[part::parts]]
            shares.append(_Share(source, share, processors // parts))
    return shares


def _count(session: Session, installed: Installed, share: _Share, found: dict[str, Static]) -> None:
    """Adds the counts to `found`, by documented name, and keeps them."""

    def handle(index: int, event: Event) -> None:
        task = share.tasks[index]
        match event:
            case Counts():
                assert isinstance(task, Count)
                session.store.save(session.asked(installed, task), codec.plain(event))
                found[task.documented] = _static(share.source, event)
            case Models():
                session.store.save(session.asked(installed, task), codec.plain(event))
            case Documents():
                session.store.save(session.asked(installed, task), event.documents)
            case Failed():
                documented = task.documented if isinstance(task, ModelTask) else None
                session.fail(share.source, documented, "static", event.message)

    session.run(installed, share.tasks, handle, share.threads)


def _static(source: Source, counts: Counts) -> Static:
    return Static(source=source, **codec.plain(counts))
