"""What tests of the measuring side share: the fake source in this interpreter, images for it, and a silent run."""

import dataclasses
import hashlib
import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_adapter import Adapter
from harness.adapters.third_party import complete
from image_files import SYNSETS

from harness.checks.accuracy.group import Evaluation, evaluate
from harness.core.errors import InputError, MeasurementError
from harness.core.findings import Finding
from harness.core.records import Run, Source, Verdict
from harness.dataset.image_set import ImageSet, open_images
from harness.dataset.remote import parse_location
from harness.execution import environments, registry
from harness.execution.checkpoints import Checkpoint
from harness.execution.environments import Installed
from harness.execution.predictions import Predictions
from harness.execution.process import Worker
from harness.execution.registry import SourceSpec
from harness.execution.session import Session
from harness.worker import counts, preprocess, protocol, stand_ins, traces, variants
from harness.worker import evaluate as evaluating
from harness.worker.evaluate import Networks
from harness.worker.evaluate import evaluate as evaluate_in_a_worker
from harness.worker.protocol import Done, Event, Failed
from harness.worker.tasks import Evaluate, EvaluationRun, NetworkSpec, Task

SPEC = SourceSpec("fake", "fake_adapter", Path(__file__).parent, "numpy", np.__version__)
VERSION = SPEC.default_version
#: the header of a scan, two bytes long, and what it holds
CUT_JPEG = b"\xff\xd8\xff\xda\x00\x02 scan "
JPEG = CUT_JPEG + b"\xff\xd9"


def installed(
    module: str = "fake_adapter",
    version: str = VERSION,
    python: Path | None = None,
    packages: Sequence[str] = (),
    spec: SourceSpec | None = None,
) -> Installed:
    """The fake source, or another, as it is ready to run."""
    spec = spec or SourceSpec("fake", module, SPEC.folder, "numpy", VERSION)
    interpreter = python or Path(sys.executable)
    return Installed(spec, Source(spec.name, version), interpreter, tuple(packages), "3.11")


def evaluation_task(folder: Path, model: str = "tiny", batch_size: int = 4, **run: Any) -> Evaluate:
    """What a worker is given to run a network over the images of a folder, in the order of their names."""
    images = open_images(folder).images
    positions = range(len(images))
    batches = [list(positions[start : start + batch_size]) for start in range(0, len(images), batch_size)]
    spec: dict[str, Any] = {"model": model, "checkpoint": None, "match": "name", "input_size": None}
    spec |= {field.name: run.pop(field.name) for field in dataclasses.fields(NetworkSpec) if field.name in run}
    return Evaluate(images, [EvaluationRun(NetworkSpec(**spec), **{"batches": batches, **run})])


def of_model(run: EvaluationRun, model: str) -> EvaluationRun:
    """The same run of another network."""
    return dataclasses.replace(run, network=dataclasses.replace(run.network, model=model))


def evaluate_one(session: Session, ready: Installed, asked: Evaluation, images: ImageSet) -> Run | None:
    [run] = evaluate(session, ready, [asked], images)
    return run


def use_fakes(
    monkeypatch: pytest.MonkeyPatch, broken: Sequence[str] = (), others: Sequence[SourceSpec] = ()
) -> list[str]:
    """Makes the fake source, and `others`, the only ones that there are; returns the versions that get prepared."""
    known = {spec.name: spec for spec in (SPEC, *others)}
    prepared: list[str] = []

    def prepare(spec: SourceSpec, version: str, runtime: str = "native") -> Installed:
        assert runtime == "native"
        assert spec == known[spec.name]
        prepared.append(version)
        if version in broken:
            raise MeasurementError(f"the environment of {spec.name}=={version} could not be made. uv says: no")
        return installed(version=version, spec=spec)

    monkeypatch.setattr(registry, "sources", lambda: known)
    monkeypatch.setattr(environments, "prepare", prepare)
    monkeypatch.setattr(environments, "is_prepared", lambda *_: True)
    return prepared


class Recorder:
    """Progress that is looked at afterwards."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.counts: list[tuple[str, int, int, int]] = []  #: run, done, total, added
        self.networks_counted: list[tuple[str, str, int, int]] = []  #: what, model, done, total
        self.found: list[Finding | Verdict] = []
        self.timed: int | None = None  #: counts that there were when all networks were timed

    def stage(self, text: str) -> None:
        self.stages.append(text)

    def estimate(self) -> None:
        self.timed = len(self.counts)

    def images(self, run: str, done: int, total: int, added: int, seconds: float) -> None:
        assert seconds >= 0
        self.counts.append((run, done, total, added))

    def networks(self, what: str, model: str, done: int, total: int, workers: int) -> None:
        assert workers > 0
        self.networks_counted.append((what, model, done, total))

    def settled(self, one: Finding | Verdict) -> None:
        self.found.append(one)


class Killed(BaseException):
    """What becomes of a worker that is this very process when it kills itself."""


class Here:
    """Makes workers evaluate in this process, without the half second that one of their own takes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, log: Path) -> None:
        self.tasks: list[Evaluate] = []  #: of all workers, in order
        self.started = 0  #: processes that there would have been
        self._log = log
        self._networks: dict[Worker, Networks] = {}

        def kill(*_: int) -> None:
            raise Killed

        monkeypatch.setenv("FAKE_FORWARDS", str(log))
        monkeypatch.setattr(os, "kill", kill)
        monkeypatch.setattr(os, "fsync", lambda _: None)  # files that need not last
        monkeypatch.setattr(Worker, "do", lambda worker, task, handle: self._do(worker, task, handle))

    def _do(self, worker: Worker, task: Task, handle: Callable[[Event], None]) -> str | None:
        sent = protocol.decode_task(protocol.encode(task))
        assert isinstance(sent, Evaluate)
        self.tasks.append(sent)
        if worker not in self._networks:
            self._networks[worker] = Networks(complete(Adapter()))
            self.started += 1
            assert self.started < 100, "workers are started again and again"
        worker.was_ready = True

        def send(event: Event) -> None:
            handle(protocol.decode_event(protocol.encode(event)))

        try:
            evaluate_in_a_worker(self._networks[worker], self.tasks[-1], send, lambda _: None)
        except Killed:
            del self._networks[worker]
            return "the worker was killed."
        except InputError as error:
            send(Failed("InputError", str(error)))
            return None
        send(Done())
        return None

    def passes(self, network: str = "") -> list[tuple[str, tuple[str, ...]]]:
        """Model and precision, and digests of the images, of every forward pass that was begun."""
        return [one for one in passes(self._log) if one[0].startswith(network)]


def passes(log: Path) -> list[tuple[str, tuple[str, ...]]]:
    """See FAKE_FORWARDS."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [(network, tuple(images)) for _, network, images in map(json.loads, lines)]


def contents(number: int) -> list[bytes]:
    return [b"FAKE" + hashlib.shake_128(b"%d" % n).digest(192) for n in range(number)]


def logits(images: Sequence[bytes], model: str = "tiny", checkpoint: Path | None = None) -> np.ndarray:
    """What the fake network says, computed here and now."""
    network = Adapter().build(model, checkpoint)
    return network.forward(np.stack([network.preprocess(image) for image in images]))


def best(images: Sequence[bytes], **network: Any) -> list[list[int]]:
    """The five best classes of every image."""
    return [row.tolist() for row in np.argsort(-logits(images, **network), axis=1)[:, :5]]


def write_images(folder: Path, images: Sequence[bytes], labels: Sequence[int]) -> Path:
    """A folder per synset; the order of the names within it is that of the images."""
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / SYNSETS[label] / f"{number:03}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image)
    return folder


def save_checkpoint(path: Path, model: str = "tiny", seed: int = 0, stand_in: str | None = None) -> Checkpoint:
    path.parent.mkdir(parents=True, exist_ok=True)
    Adapter().build(model, seed=seed).save(path, stand_in)
    return Checkpoint(str(path), hashlib.sha256(path.read_bytes()).hexdigest(), None, str(path.parent))


def _stored(_: int | None) -> None: ...


#: kind of task -> what a worker does about it
KINDS: dict[str, Callable[[Any, dict[str, Any], Callable[[dict[str, Any]], None]], None]] = {
    "device": lambda *_: None,
    "models": counts.list_models,
    "documents": counts.list_documents,
    "static": counts.measure_static,
    "evaluate": lambda adapter, task, send: evaluating.evaluate(evaluating.Networks(adapter), task, send, _stored),
    "prepare": preprocess.prepare_images,
    "stand_in": stand_ins.make_stand_in,
    "condition": traces.condition_network,
    "apply": traces.apply_state,
    "trace": traces.trace_network,
    "state": traces.write_state,
    "identify": variants.identify,
    "vary": variants.vary,
}


def in_this_process(of: Worker, task: Task, handle: Callable[[Event], None]) -> None:
    """As Worker.do, without the half second that a process takes."""
    adapter = complete(importlib.import_module(of._installed.spec.module).Adapter())

    def send(event: Event) -> None:
        handle(protocol.decode_event(protocol.encode(event)))

    try:
        KINDS[task.kind](adapter, protocol.decode_task(protocol.encode(task)), send)
        send(Done())
    except Exception as error:
        send(Failed(type(error).__name__, str(error)))


def told(run: Run | None) -> dict[str, Any]:
    """All that is the same however and wherever it was run, with every prediction."""
    assert run is not None
    fields = dataclasses.asdict(run)
    for name in ("seconds", "measured_now", "predictions"):
        del fields[name]
    return {**fields, "predictions": predicted(Predictions(parse_location(run.predictions)))}


def predicted(of: Predictions) -> list[tuple[Any, ...]]:
    """Image, classes, logits and error of every row, to the last bit."""
    table = of.read()
    columns = (table[name] for name in ("image", "classes", "logits", "error"))
    return [(i, [*c], [*map(float, v)], e if isinstance(e, str) else None) for i, c, v, e in zip(*columns, strict=True)]
