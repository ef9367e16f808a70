"""Many machines: parts of an evaluation as Ray tasks, each in the source's environment on its node.

Every task stores what it predicts batch by batch, as a run on one machine does. Where the store is shared, a node that
dies loses at most a batch of each network; where it is not, its whole part, which Ray has another node do again.
All results that come back are stored here, too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.experimental import internal_kv

from harness.core import cancellation
from harness.core.errors import InputError, MeasurementError
from harness.execution.cache_keys import code_of
from harness.execution.engine import BLOCK, Handle, Work, built_network, full_logits
from harness.execution.environments import Installed
from harness.execution.predictions import Predictions
from harness.execution.ray.cluster import connect, shares
from harness.execution.ray.node import NAMESPACE, Part, Said, run_part
from harness.worker.images import ImageRef
from harness.worker.protocol import NetworkBuilt, Predicted, RunEvent, RunFailed

#: how often Ray starts a part again whose node or process died
_RETRIES = 10
#: parts for each that can run at once, so that none waits long for the last ones
_PARTS = 8
#: parts handed to Ray for each that can run at once
_AHEAD = 2

#: seconds between two looks at whether the run is over
_LOOK = 0.5


class Cluster:
    """A connection to a Ray cluster; with no address, to the one that RAY_ADDRESS names or that runs here, else to
    a new one here."""

    def __init__(self, address: str | None, cpus: int | None, say: Callable[[str], None], device: str = "cpu") -> None:
        """`cpus` of a node are given to each part; by default as many as the smallest node has, per GPU if any.

        Raises InputError where there is no such cluster.
        """
        if not ray.is_initialized():
            connect(address)
        self._say = say
        self._checkpoints: dict[str, Any] = {}
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        nodes = [(int(one.get("CPU", 0)), int(one.get("GPU", 0))) for one in alive]
        largest = max((processors for processors, _ in nodes), default=0)
        if cpus is not None and cpus > largest:
            raise InputError(f"--ray-cpus {cpus}: no node has more than {largest}")
        if device == "cuda" and not any(gpus for _, gpus in nodes):
            say("no node of the cluster has a GPU; waiting until one comes")
        self.cpus, self.slots = shares(nodes, cpus, device)

    def engine(self, installed: Installed, log: Path, device: str) -> _Parts:
        return _Parts(self, installed, log, device)

    def checkpoint(self, file: str, sha256: str) -> Any:
        """The bytes of a checkpoint where every node can have them."""
        if sha256 not in self._checkpoints:
            self._checkpoints[sha256] = ray.put(np.frombuffer(Path(file).read_bytes(), np.uint8))
        return self._checkpoints[sha256]

    def say(self, text: str) -> None:
        self._say(text)


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
        _Driver(self._cluster, self._installed, self._log, self._device, works, handle).run(order)


class _Driver:
    """Hands the parts of some works to Ray and collects their results."""

    def __init__(
        self,
        cluster: Cluster,
        installed: Installed,
        log: Path,
        device: str,
        works: Sequence[Work],
        handle: Handle,
    ) -> None:
        self._cluster = cluster
        self._works = works
        self._handle = handle
        self._failed: set[int] = set()
        self._running: dict[Any, list[int]] = {}  #: Ray's reference of a part -> its works
        self._key = uuid.uuid4().hex
        self._run = Part(installed, code_of(installed.spec), self._key, (), {}, device, cluster.cpus, log)
        self._task = ray.remote(run_part).options(
            num_cpus=cluster.cpus,
            num_gpus=1 if device == "cuda" else 0,
            max_retries=_RETRIES,
            scheduling_strategy="SPREAD",
        )

    def run(self, order: Sequence[ImageRef]) -> None:
        """Returns once every work is done or has failed."""
        parts = split(self._works, self._cluster.slots * _PARTS)
        try:
            while parts or self._running:
                while parts and len(self._running) < _AHEAD * self._cluster.slots:
                    self._start(parts.pop(0), order)
                ready, _ = ray.wait(list(self._running), num_returns=1, timeout=_LOOK) if self._running else ([], [])
                cancellation.check()
                for reference in ready:
                    self._take(reference, self._running.pop(reference))
        finally:
            if self._running:
                _end(self._key)

    def _start(self, part: Sequence[tuple[int, Sequence[Sequence[int]]]], order: Sequence[ImageRef]) -> None:
        wanted = [(index, batches) for index, batches in part if index not in self._failed]
        if not wanted:
            return
        works = [dataclasses.replace(self._works[index], batches=batches) for index, batches in wanted]
        blobs = [self._cluster.checkpoint(work.network.checkpoint or "", work.sha256) for work in works]
        refs = {position: order[position] for work in works for batch in work.batches for position in batch}
        reference = self._task.remote(dataclasses.replace(self._run, works=works, refs=refs), *blobs)
        self._running[reference] = [index for index, _ in wanted]

    def _take(self, reference: Any, indices: Sequence[int]) -> None:
        try:
            events = _events(reference)
        except MeasurementError as error:  # only these works fail
            for index in indices:
                self._fail(index, str(error))
            return
        for position, event in events:
            index = indices[position]
            if isinstance(event, Said):
                self._cluster.say(event.text)
            elif isinstance(event, RunFailed):
                self._fail(index, event.message)
            else:
                _keep(self._works[index].predictions, event)
                if index not in self._failed:
                    self._handle(index, event)

    def _fail(self, index: int, message: str) -> None:
        if index not in self._failed:
            self._failed.add(index)
            self._handle(index, RunFailed(index, message))


def _end(key: str) -> None:
    """Has the parts of an interrupted run end themselves after their next batch.

    Ray 2.60 ends the process that cancels a task, by force or not, where the task is done at the same moment.
    """
    with contextlib.suppress(Exception):  # a cluster that does not answer has no parts
        internal_kv._internal_kv_put(key, b"ended", namespace=NAMESPACE)


def _events(reference: Any) -> list[tuple[int, RunEvent | Said]]:
    """The result of a part. Raises its error as it would have been raised here."""
    try:
        events: list[tuple[int, RunEvent | Said]] = ray.get(reference)
        return events
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, OSError | InputError | MeasurementError):
            raise cause from error
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise MeasurementError(f"Ray could not finish: {lines[-1]}") from error


def _keep(predictions: Predictions, event: RunEvent) -> None:
    """Stores here what the node may have stored only on its own disk."""
    if isinstance(event, Predicted):
        predictions.store(event.rows, event.undecodable, full_logits(event))
    elif isinstance(event, NetworkBuilt):
        predictions.save_network(built_network(event))


def split(works: Sequence[Work], parts: int) -> list[list[tuple[int, list[Sequence[int]]]]]:
    """The works' batches by where in the order they begin, so that the works of a part share the decoding."""
    starts = sorted({batch[0] for work in works for batch in work.batches})
    size = max(1, min(BLOCK, -(-len(starts) // parts)))
    part_of = {start: number // size for number, start in enumerate(starts)}
    found: dict[int, dict[int, list[Sequence[int]]]] = {}
    for index, work in enumerate(works):
        for batch in work.batches:
            found.setdefault(part_of[batch[0]], {}).setdefault(index, []).append(batch)
    return [list(found[part].items()) for part in sorted(found)]
