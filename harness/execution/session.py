"""Measures: drives the workers of each source and keeps what they report. Nothing here judges."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from harness.adapters.base import Document
from harness.core import codec
from harness.core.cancellation import side_by_side
from harness.core.errors import MeasurementError
from harness.core.findings import Finding
from harness.core.model_names import resolve
from harness.core.records import Failure, Source, Verdict
from harness.execution import process
from harness.execution.cache_keys import code_of
from harness.execution.devices.placement import Placement
from harness.execution.devices.seats import ON_CPU, Places, Seat
from harness.execution.devices.shards import Shard
from harness.execution.engine import Engine
from harness.execution.environments import Installed
from harness.execution.store import Store
from harness.worker import protocol
from harness.worker.protocol import Event, Failed, Ready
from harness.worker.tasks import ModelTask, Task

#: the caller's key of a task
K = TypeVar("K")


class Cluster(Protocol):
    """Many machines; see harness.execution.ray.engine."""

    slots: int  #: parts that can run at once
    places: Places  #: where its workers are; the seats do not matter

    def engine(self, installed: Installed, log: Path, device: str) -> Engine: ...

    def ask_device(self, installed: Installed, log: Path) -> Ready | str:
        """What a worker of the source says of its device, on a node that has one; or how it died."""
        ...


class Progress(Protocol):
    """Where a run reports what it is doing."""

    def stage(self, text: str) -> None: ...

    def estimate(self) -> None:
        """Every network that is to be evaluated has been timed."""
        ...

    def images(self, run: str, done: int, total: int, added: int, seconds: float) -> None:
        """`added` images took `seconds`; `done` of `total` are on disk."""
        ...

    def networks(self, what: str, model: str, done: int, total: int, workers: int) -> None:
        """Of `total` networks, `done` were counted, `model` the last of them; `workers` count side by side."""
        ...

    def settled(self, one: Finding | Verdict) -> None:
        """A finding or a verdict that will not change any more; it is in the results, too."""
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
        shard: Shard | None = None,
    ) -> None:
        self.store = store
        self.progress = progress
        self.placement = Placement(self, device, shard, self._ask_device, cluster.places if cluster else None)
        self.batch_size = batch_size
        self.runtime = runtime
        self.precision = precision
        self.cluster = cluster
        self.shard = shard
        self.failures: list[Failure] = []
        self._lock = threading.Lock()
        self._notes: set[str] = set()

    def fail(self, source: Source | None, model: str | None, stage: Any, message: str) -> None:
        failure = Failure(str(source or ""), model, stage, message)
        with self._lock:
            if failure not in self.failures:  # one network may be run at several sizes
                self.failures.append(failure)

    @contextmanager
    def optional(self) -> Iterator[list[Failure]]:
        """For work that was not asked for: its failures are collected here, and are not failures of the run."""
        of_the_run, self.failures = self.failures, []
        try:
            yield self.failures
        finally:
            self.failures = of_the_run

    def note(self, text: str) -> None:
        """Says once what the author of an adapter has to change."""
        with self._lock:
            known = text in self._notes
            self._notes.add(text)
        if not known:
            self.progress.stage(text)

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

    def log(self, installed: Installed) -> Path:
        """Where the workers of a source write what they have to say."""
        return self.store.log(f"{installed.source.name}-{installed.source.version}")

    def placed(self, installed: Installed) -> Places:
        """Where the source's networks are evaluated: as asked for, or on the CPU where it cannot use that device."""
        return self.placement.of(installed)

    def _ask_device(self, installed: Installed, asked: Places) -> Ready | str:
        if self.cluster is not None:
            return self.cluster.ask_device(installed, self.log(installed))
        return process.ask_device(installed, self.log(installed), asked.seats[0])

    def run(
        self,
        installed: Installed,
        tasks: Sequence[Task],
        handle: process.Handle,
        threads: int | None = None,
        seat: Seat = ON_CPU,
    ) -> None:
        """Runs the tasks in a worker of the source, on the CPU unless it has a seat; see process.run."""
        process.run(
            installed,
            tasks,
            handle,
            self.log(installed),
            device=seat.device,
            threads=threads or seat.threads,
            note=self.note,
            environment=seat.environment,
        )

    def share(
        self,
        installed: Installed,
        tasks: process.Shared,
        handle: Callable[[Task, Event], None],
        threads: int | None = None,
    ) -> None:
        """Runs tasks in a worker of the source, on the CPU, as long as there are any; see process.share."""
        process.share(installed, tasks, handle, self.log(installed), threads=threads, note=self.note)

    def side_by_side(
        self,
        installed: Mapping[Source, Installed],
        tasks: Mapping[Source, Sequence[tuple[K, ModelTask]]],
        stage: Literal["numerics", "preprocessing", "why"],
        handle: Callable[[K, Event], None],
        sources: int,
    ) -> None:
        """Each source works through its (key, task) pairs; `handle` gets the key with every event. Failures are noted.

        `sources` share the machine's processors, in this phase and in others whose results are compared with it: how
        a sum is split over threads decides how it is rounded.
        """
        threads = max(1, (os.cpu_count() or 1) // max(1, sources))

        def one(source: Source) -> None:
            mine = tasks[source]

            def handled(index: int, event: Event) -> None:
                key, task = mine[index]
                if isinstance(event, Failed):
                    self.fail(source, task.documented, stage, event.message)
                handle(key, event)

            self.run(installed[source], [task for _, task in mine], handled, threads)

        side_by_side(one, tasks)

    def asked(self, installed: Installed, task: Task) -> dict[str, Any]:
        """The identity of what a task measures."""
        return self.identity(installed, **protocol.named(task))

    def offered(self, installed: Installed) -> list[str]:
        """The names that the source's build() takes, once counts.statics has asked it; else none."""
        known = self.store.cached(self.identity(installed, "models")) or {}
        return list(known.get("offered", ()))

    def own_name(self, installed: Installed, documented: str) -> str | None:
        """The source's own name of a model, as its worker would find it; None where it cannot be determined."""
        known = self.store.cached(self.identity(installed, "models")) or {"offered": (), "aliases": {}}
        try:
            name = resolve(documented, [*known["offered"], *known["aliases"]])
        except MeasurementError:
            return None
        return str(known["aliases"].get(name, name))

    def documents(self, installed: Installed) -> list[Document]:
        """What the source's own package says of its models, once counts.statics has asked."""
        known = self.store.cached(self.identity(installed, "documents")) or []
        return [codec.decode(Document, fields) for fields in known]
