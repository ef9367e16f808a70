"""Many machines: parts of an evaluation, done as `hands` says, each in the source's environment on its node.

Every part stores what it predicts batch by batch, as a run on one machine does. Where the store is shared, a node that
dies loses at most a batch of each network; where it is not, its whole part, which another node does again.
All results that come back are stored here, too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import ray
from ray.experimental import internal_kv

from harness.adapters.records import Device
from harness.core import cancellation
from harness.core.errors import InputError, MeasurementError
from harness.execution.cache_keys import code_of
from harness.execution.devices.seats import Places, Seat
from harness.execution.engine import Handle, Work, full_logits, keep_network, split
from harness.execution.environments import Installed
from harness.execution.predictions import Predictions
from harness.execution.ray.cluster import connect, shares
from harness.execution.ray.hands import RETRIES, Desks, Hands, Tasks
from harness.execution.ray.node import NAMESPACE, Part, Said, ask_device, gpu_here
from harness.worker.images import ImageRef
from harness.worker.protocol import NetworkBuilt, Predicted, Ready, RunEvent, RunFailed, ShortOfMemory
from harness.worker.tasks import NetworkSpec

#: parts for each that can run at once, so that none waits long for the last ones
_PARTS = 8
#: works of a part by their position, each with its batches
_OfWorks: TypeAlias = Sequence[tuple[int, Sequence[Sequence[int]]]]

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
        self.places = Places()
        if device == "cuda":
            there = any(gpus for _, gpus in nodes)
            seen = (
                ray.get(ray.remote(gpu_here).options(num_cpus=0, num_gpus=1).remote())[1] if there else Device("cuda")
            )
            self.places = Places((Seat("cuda", "cuda"),), seen)

    def ask_device(self, installed: Installed, log: Path) -> Ready | str:  # noqa: ARG002  the log is on that node
        """What a worker of the source says of the GPU that Ray gives it; or how it died."""
        asking = ray.remote(ask_device).options(num_cpus=1, num_gpus=1).remote(installed, code_of(installed.spec))
        said: Ready | str = ray.get(asking)
        return said

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
        self._hands: Hands | None = None

    def __enter__(self) -> _Parts:
        return self

    def __exit__(self, *_: object) -> None:
        if self._hands is not None:
            self._hands.close()

    def leave(self, networks: Sequence[NetworkSpec]) -> None: ...

    def do(self, works: Sequence[Work], order: Sequence[ImageRef], handle: Handle) -> None:
        cluster = self._cluster
        if self._hands is None and self._device == "cuda":
            self._hands = Desks(cluster.cpus, cluster.slots, cluster.places.device, cluster.say)
        elif self._hands is None:
            self._hands = Tasks(cluster.cpus, cluster.slots)
        run = Part(
            self._installed,
            code_of(self._installed.spec),
            uuid.uuid4().hex,
            (),
            {},
            self._device,
            cluster.cpus,
            self._log,
        )
        _Driver(cluster, self._hands, run, works, handle).run(order)


class _Driver:
    """Hands the parts of some works to Ray and collects their results."""

    def __init__(self, cluster: Cluster, hands: Hands, run: Part, works: Sequence[Work], handle: Handle) -> None:
        """`run` is what all of its parts have in common."""
        self._cluster = cluster
        self._works = works
        self._handle = handle
        self._failed: set[int] = set()
        self._running: dict[Any, _OfWorks] = {}  #: Ray's reference of a part -> what is in it
        self._tries: Counter[int] = Counter()  #: position where a part begins -> how often what did it died
        self._hands = hands
        self._run = run

    def run(self, order: Sequence[ImageRef]) -> None:
        """Returns once every work is done or has failed."""
        parts: list[_OfWorks] = [*split(self._works, self._cluster.slots * _PARTS)]
        try:
            while parts or self._running:
                while parts and self._hands.free(len(self._running)):
                    self._start(parts.pop(0), order)
                awaited = [*self._running, *self._hands.waits()]
                ready, _ = ray.wait(awaited, num_returns=1, timeout=_LOOK) if awaited else ([], [])
                cancellation.check()
                for reference in ready:
                    if reference not in self._running:
                        self._hands.came(reference)
                        continue
                    part = self._running.pop(reference)
                    if self._hands.died(reference) and self._again(part):
                        parts.insert(0, part)
                    else:
                        self._take(reference, [index for index, _ in part])
        finally:
            if self._running:
                _end(self._run.key)

    def _again(self, part: _OfWorks) -> bool:
        """Whether a part is started once more whose node or process died."""
        start = part[0][1][0][0]
        self._tries[start] += 1
        return self._tries[start] <= RETRIES

    def _start(self, part: _OfWorks, order: Sequence[ImageRef]) -> None:
        wanted = [(index, batches) for index, batches in part if index not in self._failed]
        if not wanted:
            return
        works = [dataclasses.replace(self._works[index], batches=batches) for index, batches in wanted]
        blobs = [self._cluster.checkpoint(work.network.checkpoint or "", work.sha256) for work in works]
        refs = {position: order[position] for work in works for batch in work.batches for position in batch}
        reference = self._hands.give(dataclasses.replace(self._run, works=works, refs=refs), blobs)
        self._running[reference] = wanted

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
    elif isinstance(event, NetworkBuilt | ShortOfMemory):
        keep_network(predictions, event)
