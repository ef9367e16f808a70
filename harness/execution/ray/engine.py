"""Many machines: parts of an evaluation as Ray tasks, each in the source's environment on the node that it lands on.

Every task stores what it predicts batch by batch, as a run on one machine does. Where the store is shared, a node that
dies loses at most a batch of each network; where it is not, its whole part, which Ray has another node do again.
Whatever comes back is stored here, too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
import os
import signal
import socket
import tempfile
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
from ray.experimental import internal_kv

from harness.core import cancellation
from harness.core.errors import InputError, MeasurementError
from harness.execution import environments
from harness.execution.cache_keys import code_of
from harness.execution.engine import BLOCK, Event, Handle, Work, perform
from harness.execution.environments import Installed
from harness.execution.process import Worker
from harness.execution.store import Predictions
from harness.worker.images import ImageRef

#: how often Ray starts a part again whose node or process died
_RETRIES = 10
#: parts for each that can run at once, so that none waits long for the last ones
_PARTS = 8
#: parts handed to Ray for each that can run at once
_AHEAD = 2

#: seconds in which a cluster has to answer; Ray itself asks for minutes
_PATIENCE = 5.0
#: seconds between two looks at whether the run is over
_LOOK = 0.5

#: of the cluster's own keys and values
_NAMESPACE = b"parity"

_Bytes = npt.NDArray[np.uint8]


class Cluster:
    """A connection to a Ray cluster; with no address, to the one that RAY_ADDRESS names or that runs here, else to
    one made here."""

    def __init__(self, address: str | None, cpus: int | None, say: Callable[[str], None], device: str = "cpu") -> None:
        """`cpus` of a node are given to each part; by default as many as the smallest node has, for each GPU if so.

        Raises InputError where there is no such cluster.
        """
        if not ray.is_initialized():
            _connect(address)
        self._say = say
        self._checkpoints: dict[str, Any] = {}
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        nodes = [(int(one.get("CPU", 0)), int(one.get("GPU", 0))) for one in alive]
        largest = max((processors for processors, _ in nodes), default=0)
        if cpus is not None and cpus > largest:
            raise InputError(f"--ray-cpus {cpus}: no node has more than {largest}")
        if device == "cuda" and not any(gpus for _, gpus in nodes):
            say("no node of the cluster has a GPU; waiting until one comes")
        self.cpus, self.slots = _shares(nodes, cpus, device)

    def engine(self, installed: Installed, log: Path, device: str) -> _Parts:
        return _Parts(self, installed, log, device)

    def checkpoint(self, file: str, sha256: str) -> Any:
        """The bytes of a checkpoint where every node can have them."""
        if sha256 not in self._checkpoints:
            self._checkpoints[sha256] = ray.put(np.frombuffer(Path(file).read_bytes(), np.uint8))
        return self._checkpoints[sha256]

    def say(self, text: str) -> None:
        self._say(text)


def _connect(address: str | None) -> None:
    named = address or os.environ.get("RAY_ADDRESS") or ("auto" if _answers(_latest()) else "local")
    handler = signal.getsignal(signal.SIGTERM)
    try:
        where = _latest() if named == "auto" else named
        if named != "local" and not _answers(where):
            raise ConnectionError(f"nothing answers at {where or 'this machine'}")
        more = {"include_dashboard": False} if named == "local" else {}
        ray.init(address=named, logging_level=logging.ERROR, log_to_driver=False, **more)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(f"--ray-address {named}: {error}. Start a cluster with `ray start --head`") from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # Ray takes it over, but whoever runs this knows what to say


def _latest() -> str:
    """The cluster that was last started on this machine, by `ray start` or otherwise; it may be gone."""
    file = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()) / "ray" / "ray_current_cluster"
    with contextlib.suppress(OSError):
        return file.read_text(encoding="utf-8").strip()
    return ""


def _answers(address: str) -> bool:
    """Whether anything listens there; what is no address is Ray's to refuse."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not port.isdigit():
        return bool(address)
    with contextlib.suppress(OSError), socket.create_connection((host.strip("[]"), int(port)), _PATIENCE):
        return True
    return False


def _shares(nodes: Sequence[tuple[int, int]], cpus: int | None, device: str) -> tuple[int, int]:
    """Processors for each part, and how many parts can run at once, on nodes of so many processors and GPUs."""
    if device == "cuda":
        able = [(processors, gpus) for processors, gpus in nodes if processors and gpus]
        cpus = cpus or max(1, min((processors // gpus for processors, gpus in able), default=1))
        return cpus, max(1, sum(min(processors // cpus, gpus) for processors, gpus in able))
    sizes = [processors for processors, _ in nodes if processors]
    cpus = cpus or min(sizes, default=1)
    return cpus, max(1, sum(size // cpus for size in sizes))


class _Parts:
    """See engine.Engine."""

    def __init__(self, cluster: Cluster, installed: Installed, log: Path, device: str) -> None:
        self._cluster = cluster
        self._installed = installed
        self._log = log
        self._device = device

    def __enter__(self) -> _Parts:
        return self

    def __exit__(self, *_: object) -> None: ...

    def do(self, works: Sequence[Work], order: Sequence[ImageRef], handle: Handle) -> None:
        parts = _split(works, self._cluster.slots * _PARTS)
        failed: set[int] = set()
        running: dict[Any, list[int]] = {}
        code = code_of(self._installed.spec)
        key = uuid.uuid4().hex
        task = ray.remote(_part_on_a_node).options(
            num_cpus=self._cluster.cpus,
            num_gpus=1 if self._device == "cuda" else 0,
            max_retries=_RETRIES,
            scheduling_strategy="SPREAD",
        )

        def fail(index: int, message: str) -> None:
            if index not in failed:
                failed.add(index)
                handle(index, {"event": "run_failed", "message": message})

        try:
            while parts or running:
                while parts and len(running) < _AHEAD * self._cluster.slots:
                    part = [(index, batches) for index, batches in parts.pop(0) if index not in failed]
                    if not part:
                        continue
                    mine = [dataclasses.replace(works[index], batches=batches) for index, batches in part]
                    blobs = [self._cluster.checkpoint(work.network["checkpoint"], work.sha256) for work in mine]
                    refs = {p: order[p] for work in mine for batch in work.batches for p in batch}
                    reference = task.remote(
                        self._installed, code, key, mine, refs, self._device, self._cluster.cpus, self._log, *blobs
                    )
                    running[reference] = [index for index, _ in part]
                ready, _ = ray.wait(list(running), num_returns=1, timeout=_LOOK)
                cancellation.check()
                for reference in ready:
                    indices = running.pop(reference)
                    try:
                        events = _events(reference)
                    except MeasurementError as error:  # of these alone, whatever it is
                        for index in indices:
                            fail(index, str(error))
                        continue
                    for position, event in events:
                        index = indices[position]
                        if event["event"] == "say":
                            self._cluster.say(event["text"])
                        elif event["event"] == "run_failed":
                            fail(index, event["message"])
                        else:
                            _keep(works[index].predictions, event)
                            if index not in failed:
                                handle(index, event)
        finally:
            if running:
                _end(key)


def _end(key: str) -> None:
    """Has the parts of a run end themselves after their next batch, since nobody waits for them any more.

    Ray 2.60 ends the process that cancels a task, by force or not, where the task is done at the same moment.
    """
    with contextlib.suppress(Exception):  # a cluster that does not answer has no parts
        internal_kv._internal_kv_put(key, b"ended", namespace=_NAMESPACE)


def _has_ended(key: str) -> bool:
    # an actor would have to be waited for, and who waits gives its processors to others meanwhile
    try:
        return bool(internal_kv._internal_kv_exists(key, namespace=_NAMESPACE))
    except Exception:  # who cannot ask goes on
        return False


class _Ended(BaseException):
    """Nobody waits for the rest."""


def _events(reference: Any) -> list[tuple[int, Event]]:
    """What came of a part. Raises what broke it as it would have been raised here."""
    try:
        events: list[tuple[int, Event]] = ray.get(reference)
        return events
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, OSError | InputError | MeasurementError):
            raise cause from error
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise MeasurementError(f"Ray could not finish: {lines[-1]}") from error


def _keep(predictions: Predictions, event: Event) -> None:
    """Stores here what the node may have stored where nobody else sees it."""
    if event["event"] == "predictions":
        predictions.store(event["rows"], event["undecodable"])
    elif event["event"] == "network":
        predictions.save_network({name: event[name] for name in event if name != "run"})


def _split(works: Sequence[Work], parts: int) -> list[list[tuple[int, list[Sequence[int]]]]]:
    """The works' batches by where in the order they begin, so that the works of a part share the decoding."""
    starts = sorted({batch[0] for work in works for batch in work.batches})
    size = max(1, min(BLOCK, -(-len(starts) // parts)))
    part_of = {start: number // size for number, start in enumerate(starts)}
    found: dict[int, dict[int, list[Sequence[int]]]] = {}
    for index, work in enumerate(works):
        for batch in work.batches:
            found.setdefault(part_of[batch[0]], {}).setdefault(index, []).append(batch)
    return [list(found[part].items()) for part in sorted(found)]


# -- on a node -----------------------------------------------------------------------------------


#: one worker, kept for the next part of the same source that comes to this process
_kept: dict[str, Worker] = {}


def _part_on_a_node(
    installed: Installed,
    code: str,
    key: str,
    works: Sequence[Work],
    refs: Mapping[int, ImageRef],
    device: str,
    threads: int,
    log: Path,
    *checkpoints: _Bytes,
) -> list[tuple[int, Event]]:
    """Does the works on this node and returns their events; what it stored before Ray started it again is kept.

    `key` is that of the run, which may be over meanwhile.
    """
    events: list[tuple[int, Event]] = []
    left = []
    if _has_ended(key):
        return events
    with contextlib.ExitStack() as held, contextlib.suppress(_Ended):
        for index, (work, content) in enumerate(zip(works, checkpoints, strict=True)):
            predictions = work.predictions
            if not predictions.folder.is_dir():  # the store is on another machine
                predictions = Predictions(Path(held.enter_context(tempfile.TemporaryDirectory(prefix="parity-part-"))))
            known = predictions.network() is not None
            lacking = []
            for batch in work.batches:
                stored = predictions.batch([refs[position].name for position in batch]) if known else None
                if stored is None:
                    lacking.append(batch)
                else:
                    rows, undecodable = stored
                    event = {"event": "predictions", "rows": rows, "undecodable": undecodable, "seconds": 0.0}
                    events.append((index, event))
            network = {**work.network, "checkpoint": str(_checkpoint(content, work)), "conversion": _conversion(work)}
            left.append(dataclasses.replace(work, predictions=predictions, network=network, batches=lacking))
        indices = [index for index, work in enumerate(left) if work.batches]

        def handle(position: int, event: Event) -> None:
            index = indices[position]
            if event["event"] == "run_failed":  # it is the user's file that does not fit, if any
                own, copy = (str(them[index].network["checkpoint"]) for them in (works, left))
                event = {**event, "message": event["message"].replace(copy, own)}
            events.append((index, event))
            if _has_ended(key):
                raise _Ended

        perform(
            _worker(_here(installed, code), device, threads, log),
            [left[index] for index in indices],
            refs,
            handle,
            lambda text: events.append((0, {"event": "say", "text": text})),
        )
    return events


def _here(installed: Installed, code: str) -> Installed:
    """The source's environment on this node: the very one where the cache is shared, else one made alike.

    Raises MeasurementError where it came out otherwise than the one that the run is known by.
    """
    spec = environments.sources().get(installed.spec.name, installed.spec)
    if installed.python.is_file():
        made = dataclasses.replace(installed, spec=spec)
    else:
        made = environments.prepare(spec, installed.source.version, installed.runtime)
    other = sorted(set(made.packages) ^ set(installed.packages))
    if other or code_of(spec) != code:
        raise MeasurementError(
            f"the node {os.uname().nodename} would measure with something else than the rest: "
            f"{', '.join(other[:6]) or 'another release of the harness or of the adapters'}. Install the same release"
        )
    return made


def _worker(installed: Installed, device: str, threads: int, log: Path) -> Worker:
    key = f"{installed.python} {installed.spec.module} {device} {threads}"
    if key not in _kept:
        for other in _kept.values():
            other.__exit__(None)
        _kept.clear()
        # what a node's workers say is told with the reason of a failure; the file is that node's own
        folder = environments.cache() / "logs"
        _kept[key] = Worker(installed, folder / f"{log.stem}-{uuid.uuid4().hex[:8]}{log.suffix}", device, threads)
    return _kept[key]


def _checkpoint(content: _Bytes, work: Work) -> Path:
    """The checkpoint as a file on this node."""
    folder = environments.cache() / "checkpoints"
    path = folder / f"{work.sha256}{Path(work.network['checkpoint']).suffix}"
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != work.sha256:
        folder.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        beside.write_bytes(content.tobytes())
        beside.rename(path)
    return path


def _conversion(work: Work) -> str | None:
    kept = work.network["conversion"]
    return None if kept is None else str(environments.cache() / "converted" / Path(kept).name)
