"""Measures: drives the workers of each source and keeps what they report. Nothing here judges."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from harness import workers
from harness.environments import Installed
from harness.images import ImageSet
from harness.labels import label_shift
from harness.records import CheckpointUsed, Failure, Run, Source, Static
from harness.store import Predictions, Store
from harness.weights import Checkpoint

#: the harness's own code that decides what a worker measures
_MEASURING = ("worker.py", "batches.py", "varying.py", "conditioning.py", "integrity.py", "images.py", "names.py")


#: what a caller knows a task by
K = TypeVar("K")


def code_digest(names: Iterable[str]) -> str:
    """Hex SHA-256 of some of the harness's own files, on which what is kept depends."""
    code = hashlib.sha256()
    for name in names:
        code.update((Path(__file__).parent / name).read_bytes())
    return code.hexdigest()


class Progress(Protocol):
    """Where a run says what it is doing."""

    def stage(self, text: str) -> None: ...

    def images(self, run: str, done: int, total: int, added: int, seconds: float) -> None:
        """`added` images took `seconds`; `done` of `total` are on disk."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """One network to be run over a data set."""

    documented_model: str
    model: str  #: the source's own name
    checkpoint: Checkpoint
    input_size: int | None  #: pixels; None is the source's own
    own_size: int  #: pixels, the source's own


class Measurer:
    """Everything measured in one run, shared by its sources."""

    def __init__(self, store: Store, progress: Progress, device: str, batch_size: int) -> None:
        self.store = store
        self.progress = progress
        self.device = device
        self.batch_size = batch_size
        self.failures: list[Failure] = []
        self._lock = threading.Lock()

    def fail(self, source: Source | None, model: str | None, stage: Any, message: str) -> None:
        with self._lock:
            self.failures.append(Failure(str(source or ""), model, stage, message))

    def identity(self, installed: Installed, kind: str, **rest: Any) -> dict[str, Any]:
        """What a measurement of this source depends on; `rest` is what else this one does."""
        code = installed.spec.code_digest() + code_digest(_MEASURING)
        return {
            "kind": kind,
            "source": installed.source.name,
            "version": installed.source.version,
            "packages": installed.packages_digest,
            "code": hashlib.sha256(code.encode()).hexdigest(),
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

        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(one, tasks))

    def statics(
        self, installed: Installed, wanted: Mapping[str, Iterable[int]], trace: bool = True, side_by_side: int = 1
    ) -> dict[str, Static]:
        """Counts of the networks that documented names mean, at the wanted sizes (pixels) and at their own.

        What fails is noted and left out. `side_by_side` sources share the machine's processors.
        """
        found: dict[str, Static] = {}
        missing: list[dict[str, Any]] = []
        for documented, sizes in wanted.items():
            task: dict[str, Any] = {
                "kind": "static",
                "documented": documented,
                "sizes": sorted(set(sizes)),
                "trace": trace,
            }
            known = self.store.static(self.identity(installed, **task))
            if known is None:
                missing.append(task)
            else:
                found[documented] = _static(installed.source, known)
        if not missing:
            return found
        self.progress.stage(f"{installed.source}: counting {', '.join(task['documented'] for task in missing)}")
        offer: list[dict[str, Any]] = [] if self.offered(installed) else [{"kind": "models"}]
        tasks = [*offer, *missing]

        def handle(index: int, event: Mapping[str, Any]) -> None:
            task = tasks[index]
            if event["event"] == "static":
                self.store.save_static(self.identity(installed, **task), event["static"])
                found[task["documented"]] = _static(installed.source, event["static"])
            elif event["event"] == "models":
                self.store.save_static(self.identity(installed, **task), event["models"])
            elif event["event"] == "failed":
                self.fail(installed.source, task.get("documented"), "static", event["message"])

        self.run(installed, tasks, handle, threads=max(1, (os.cpu_count() or 1) // side_by_side))
        return found

    def offered(self, installed: Installed) -> list[str]:
        """The names that the source's build() takes, once statics() has asked it; else none."""
        known: list[str] | None = self.store.static(self.identity(installed, "models"))
        return known or []

    def evaluate(self, installed: Installed, evaluation: Evaluation, images: ImageSet) -> Run | None:
        """Runs one network over the images that are not on disk yet; None where it failed, which is noted."""
        source = installed.source
        size = evaluation.input_size or evaluation.own_size
        identity = self.identity(
            installed,
            "predictions",
            model=evaluation.model,
            checkpoint=evaluation.checkpoint.sha256,
            match=evaluation.checkpoint.match,
            input_size=size,
            batch_size=self.batch_size,
            device=self.device,
            data=images.digest,
        )
        predictions = self.store.predictions(identity)
        before = set(predictions.read()["image"])
        todo = [ref for ref in images.images if ref.name not in before]
        label = f"{source} {evaluation.documented_model}@{size}"
        network: dict[str, Any] = predictions.network() or {}
        state: dict[str, Any] = {"done": len(before), "seconds": 0.0, "failed": ""}

        def handle(_: int, event: Mapping[str, Any]) -> None:
            if event["event"] == "network":
                network.update(event)
                predictions.save_network(network)
            elif event["event"] == "predictions":
                rows = [(name, classes, logits) for name, classes, logits in event["rows"]]
                predictions.append(rows, [(name, why) for name, why in event["undecodable"]])
                added = len(rows) + len(event["undecodable"])
                state["done"] += added
                state["seconds"] += event["seconds"]
                self.progress.images(label, state["done"], len(images.images), added, event["seconds"])
            elif event["event"] == "failed":
                state["failed"] = event["message"]

        if todo or not network:
            self.progress.images(label, len(before), len(images.images), 0, 0.0)
            task = {
                "kind": "evaluate",
                "model": evaluation.model,
                "checkpoint": evaluation.checkpoint.file,
                "match": evaluation.checkpoint.match,
                "input_size": evaluation.input_size,
                "batch_size": self.batch_size,
                "images": [dataclasses.astuple(ref) for ref in todo],
            }
            self.run(installed, [task], handle)
        if state["failed"]:
            kept = f" ({state['done']} of {len(images.images)} images are kept)" if state["done"] else ""
            self.fail(source, evaluation.documented_model, "evaluate", state["failed"] + kept)
            return None
        predictions.compact()
        run = _score(source, evaluation, size, network, predictions, images, state["seconds"], len(todo))
        for name, why in run.decode_errors.items():
            self.fail(source, evaluation.documented_model, "evaluate", f"{name} was not scored: {why}")
        return run


def _static(source: Source, measured: Mapping[str, Any]) -> Static:
    # JSON has text keys; sizes are pixels
    sizes = {int(size): counts for size, counts in measured["multiply_adds"].items()}
    fields = {**measured, "multiply_adds": sizes, "last_operators": tuple(measured["last_operators"])}
    return Static(source=source, **fields)


def _score(
    source: Source,
    evaluation: Evaluation,
    size: int,
    network: Mapping[str, Any],
    predictions: Predictions,
    images: ImageSet,
    seconds: float,
    measured_now: int,
) -> Run:
    """Integer counts over the images that could be decoded."""
    table = predictions.read()
    labels = {ref.name: ref.label for ref in images.images}
    scored = table[table["error"].isna() & table["image"].isin(labels.keys())]
    wrong = table[table["error"].notna()]
    truth = [labels[name] for name in scored["image"]]
    best = [list(classes[:5]) for classes in scored["classes"]]
    return Run(
        source=source,
        model=evaluation.model,
        documented_model=evaluation.documented_model,
        input_size=size,
        preprocessing=network["preprocessing"],
        checkpoint=CheckpointUsed(
            evaluation.checkpoint.file,
            evaluation.checkpoint.sha256,
            evaluation.checkpoint.verified,
            network["stand_in"],
            evaluation.checkpoint.origin,
            evaluation.checkpoint.match,
        ),
        images=len(truth),
        top1_count=sum(int(label == classes[0]) for label, classes in zip(truth, best, strict=True)),
        top5_count=sum(int(label in classes) for label, classes in zip(truth, best, strict=True)),
        decode_errors=dict(zip(wrong["image"], wrong["error"], strict=True)),
        seconds=seconds,
        measured_now=measured_now,
        predictions=str(predictions.folder),
        label_note=label_shift([int(classes[0]) for classes in best], truth) if truth else None,
    )
