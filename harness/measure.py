"""Measures: drives the workers of each source and keeps what they report. Nothing here judges."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from harness import workers
from harness.engine import Engine
from harness.environments import Installed, SourceSpec
from harness.errors import MeasurementError
from harness.names import resolve
from harness.records import Failure, Source, Static
from harness.store import Store

#: the harness's own code that decides what a worker measures
_MEASURING = (
    *("worker.py", "evaluating.py", "batches.py", "varying.py", "conditioning.py"),
    *("integrity.py", "images.py", "names.py", "prepared.py"),
)


#: models that are named when they are about to be counted
_NAMED = 6
#: networks to count for which it pays to start another worker
_WORTH_A_WORKER = 4

#: what a caller knows a task by
K = TypeVar("K")
T = TypeVar("T")
R = TypeVar("R")


class Cluster(Protocol):
    """Many machines; see harness.ray_engine."""

    slots: int  #: parts that can run at once

    def engine(self, installed: Installed, log: Path, device: str) -> Engine: ...

    def side_by_side(self, one: Callable[[T], R], items: Sequence[T]) -> list[R]: ...


def code_digest(names: Iterable[str]) -> str:
    """Hex SHA-256 of some of the harness's own files, on which what is kept depends."""
    code = hashlib.sha256()
    for name in names:
        code.update((Path(__file__).parent / name).read_bytes())
    return code.hexdigest()


def code_of(spec: SourceSpec) -> str:
    """Hex SHA-256 of all code that a measurement of this source depends on, the harness's own and the adapter's."""
    return hashlib.sha256((spec.code_digest() + code_digest(_MEASURING)).encode()).hexdigest()


class Progress(Protocol):
    """Where a run says what it is doing."""

    def stage(self, text: str) -> None: ...

    def estimate(self) -> None:
        """Every network that is to be evaluated has been timed."""
        ...

    def images(self, run: str, done: int, total: int, added: int, seconds: float) -> None:
        """`added` images took `seconds`; `done` of `total` are on disk."""
        ...


class Measurer:
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
        workers.run(installed, tasks, handle, log, device=self.device, threads=threads)

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

        workers.side_by_side(one, tasks)

    def statics(
        self,
        installed: Installed,
        wanted: Mapping[str, Iterable[int]],
        traced: Collection[str] = (),
        outline: bool = False,
        side_by_side: int = 1,
    ) -> dict[str, Static]:
        """Counts of the networks that documented names mean, at the wanted sizes (pixels) and at their own.

        Of those that are `traced` the operations, too. An `outline` is counted by fewer counters and is sooner had.
        What fails is noted and left out.
        `side_by_side` sources share the machine's processors.
        """
        found: dict[str, Static] = {}
        missing: list[dict[str, Any]] = []
        for documented, sizes in wanted.items():
            task: dict[str, Any] = {
                "kind": "static",
                "documented": documented,
                "sizes": sorted(set(sizes)),
                "trace": documented in traced,
                "outline": outline,
            }
            known = self.store.static(self.identity(installed, **task))
            if known is None:
                missing.append(task)
            else:
                found[documented] = _static(installed.source, known)
        if not missing:
            return found
        names = [task["documented"] for task in missing]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        self.progress.stage(f"{installed.source}: counting {', '.join(names[:_NAMED])}{more}")
        offer: list[dict[str, Any]] = [] if self.offered(installed) else [{"kind": "models"}, {"kind": "documents"}]
        processors = max(1, (os.cpu_count() or 1) // side_by_side)
        # a counter runs one image through the network, layer by layer, which more threads hardly make faster
        parts = max(1, min(processors, len(missing) // _WORTH_A_WORKER))

        def count(tasks: Sequence[dict[str, Any]]) -> None:
            def handle(index: int, event: Mapping[str, Any]) -> None:
                task = tasks[index]
                if event["event"] == "static":
                    self.store.save_static(self.identity(installed, **task), event["static"])
                    found[task["documented"]] = _static(installed.source, event["static"])
                elif event["event"] in ("models", "documents"):
                    self.store.save_static(self.identity(installed, **task), event[event["event"]])
                elif event["event"] == "failed":
                    self.fail(installed.source, task.get("documented"), "static", event["message"])

            self.run(installed, tasks, handle, threads=max(1, processors // parts))

        workers.side_by_side(count, [[*(offer if part == 0 else []), *missing[part::parts]] for part in range(parts)])
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
