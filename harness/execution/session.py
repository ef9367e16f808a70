"""Measures: drives the workers of each source and keeps what they report. Nothing here judges."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from harness.core.cancellation import THREADS, side_by_side
from harness.core.errors import MeasurementError
from harness.core.records import Failure, Source, Static
from harness.execution import process
from harness.execution.cache_keys import code_of
from harness.execution.engine import Engine
from harness.execution.environments import Installed
from harness.execution.store import Store
from harness.worker.model_names import resolve

#: models that are named when they are about to be counted
_NAMED = 6
#: networks to count for which it pays to start another worker
_WORTH_A_WORKER = 4

#: what a caller knows a task by
K = TypeVar("K")


class Cluster(Protocol):
    """Many machines; see harness.execution.ray.engine."""

    slots: int  #: parts that can run at once

    def engine(self, installed: Installed, log: Path, device: str) -> Engine: ...


class Progress(Protocol):
    """Where a run says what it is doing."""

    def stage(self, text: str) -> None: ...

    def estimate(self) -> None:
        """Every network that is to be evaluated has been timed."""
        ...

    def images(self, run: str, done: int, total: int, added: int, seconds: float) -> None:
        """`added` images took `seconds`; `done` of `total` are on disk."""
        ...


class Session:
    """Everything measured in one run, shared by its sources."""

    def __init__(
        self,
        store: Store,
        progress: Progress,
        device: str,
        batch_size: int,
        runtime: str = "native",
        precision: str = "fp32",
        cluster: Cluster | None = None,
    ) -> None:
        self.store = store
        self.progress = progress
        self.device = device
        self.batch_size = batch_size
        self.runtime = runtime
        self.precision = precision
        self.cluster = cluster
        self.failures: list[Failure] = []
        self._lock = threading.Lock()

    def fail(self, source: Source | None, model: str | None, stage: Any, message: str) -> None:
        failure = Failure(str(source or ""), model, stage, message)
        with self._lock:
            if failure not in self.failures:  # one network may be run at several sizes
                self.failures.append(failure)

    def identity(self, installed: Installed, kind: str, **rest: Any) -> dict[str, Any]:
        """What a measurement of this source depends on; `rest` is what else this one does."""
        return {
            "kind": kind,
            "source": installed.source.name,
            "version": installed.source.version,
            "packages": installed.packages_digest,
            "code": code_of(installed.spec),
            **rest,
        }

    def run(
        self, installed: Installed, tasks: Sequence[Mapping[str, Any]], handle: Any, threads: int | None = None
    ) -> None:
        """Runs the tasks in a worker of the source; see workers.run."""
        log = self.store.log(f"{installed.source.name}-{installed.source.version}")
        process.run(installed, tasks, handle, log, device=self.device, threads=threads)

    def side_by_side(
        self,
        installed: Mapping[Source, Installed],
        tasks: Mapping[Source, Sequence[tuple[K, Mapping[str, Any]]]],
        stage: Literal["numerics", "preprocessing", "why"],
        handle: Callable[[K, Mapping[str, Any]], None],
        sources: int,
    ) -> None:
        """Each source works through its (key, task) pairs; `handle` gets the key with every event. Failures are noted.

        `sources` share the machine's processors, in this phase and in others whose results are compared with it: how
        a sum is split over threads decides how it is rounded.
        """
        threads = max(1, (os.cpu_count() or 1) // max(1, sources))

        def one(source: Source) -> None:
            mine = tasks[source]

            def handled(index: int, event: Mapping[str, Any]) -> None:
                key, task = mine[index]
                if event["event"] == "failed":
                    self.fail(source, str(task["documented"]), stage, event["message"])
                handle(key, event)

            self.run(installed[source], [task for _, task in mine], handled, threads)

        side_by_side(one, tasks)

    def statics(
        self,
        installed: Mapping[Source, Installed],
        wanted: Mapping[Source, Mapping[str, Iterable[int]]],
        traced: Collection[tuple[Source, str]] = (),
        outline: bool = False,
    ) -> dict[Source, dict[str, Static]]:
        """Counts of the networks that documented names mean, at the wanted sizes (pixels) and at their own.

        Of those that are `traced` the operations, too. An `outline` is counted by fewer counters and is sooner had.
        What fails is noted and left out.
        """
        found: dict[Source, dict[str, Static]] = {source: {} for source in wanted}
        missing: dict[Source, list[dict[str, Any]]] = {}
        for source, models in wanted.items():
            for documented, sizes in models.items():
                task: dict[str, Any] = {
                    "kind": "static",
                    "documented": documented,
                    "sizes": sorted(set(sizes)),
                    "trace": (source, documented) in traced,
                    "outline": outline,
                }
                known = self.store.static(self.identity(installed[source], **task))
                if known is None:
                    missing.setdefault(source, []).append(task)
                else:
                    found[source][documented] = _static(source, known)
        processors = max(1, (os.cpu_count() or 1) // max(1, len(missing)))

        def count(share: tuple[Source, Sequence[dict[str, Any]], int]) -> None:
            source, tasks, threads = share
            ready = installed[source]

            def handle(index: int, event: Mapping[str, Any]) -> None:
                task = tasks[index]
                if event["event"] == "static":
                    self.store.save_static(self.identity(ready, **task), event["static"])
                    found[source][task["documented"]] = _static(source, event["static"])
                elif event["event"] in ("models", "documents"):
                    self.store.save_static(self.identity(ready, **task), event[event["event"]])
                elif event["event"] == "failed":
                    self.fail(source, task.get("documented"), "static", event["message"])

            self.run(ready, tasks, handle, threads)

        shares = []
        for source, tasks in missing.items():
            names = [task["documented"] for task in tasks]
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            self.progress.stage(f"{source}: counting {', '.join(names[:_NAMED])}{more}")
            # a counter runs one image through the network, layer by layer, which more threads hardly make faster
            parts = max(1, min(processors, len(tasks) // _WORTH_A_WORKER))
            asked = [] if self.offered(installed[source]) else [{"kind": "models"}, {"kind": "documents"}]
            for part in range(parts):
                shares.append((source, [*(asked if part == 0 else []), *tasks[part::parts]], processors // parts))
        side_by_side(count, shares, threads=max(THREADS, os.cpu_count() or 1))
        return found

    def offered(self, installed: Installed) -> list[str]:
        """The names that the source's build() takes, once statics() has asked it; else none."""
        known = self.store.static(self.identity(installed, "models")) or {}
        return list(known.get("offered", ()))

    def own_name(self, installed: Installed, documented: str) -> str | None:
        """The source's own name of a model, as its worker would find it; None where it cannot be told."""
        known = self.store.static(self.identity(installed, "models")) or {"offered": (), "aliases": {}}
        try:
            name = resolve(documented, [*known["offered"], *known["aliases"]])
        except MeasurementError:
            return None
        return str(known["aliases"].get(name, name))

    def documents(self, installed: Installed) -> list[dict[str, Any]]:
        """What the source's own package says of its models, once statics() has asked; see adapters.base.Document."""
        return self.store.static(self.identity(installed, "documents")) or []


def _static(source: Source, measured: Mapping[str, Any]) -> Static:
    # JSON has text keys; sizes are pixels
    sizes = {int(size): counts for size, counts in measured["multiply_adds"].items()}
    fields = {**measured, "multiply_adds": sizes, "last_operators": tuple(measured["last_operators"])}
    return Static(source=source, **fields)
