"""Many machines: parts of an evaluation as Ray tasks, each in the source's environment on the node that it lands on.

Every task stores what it predicts batch by batch, as a run on one machine does. Where the store is shared, a node that
dies loses at most a batch of each network; where it is not, its whole part, which Ray has another node do again.
Whatever comes back is stored here, too.
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
from harness.execution.engine import BLOCK, Event, Handle, Work, full_logits
from harness.execution.environments import Installed
from harness.execution.predictions import Predictions
from harness.execution.ray.cluster import connect, shares
from harness.execution.ray.node import NAMESPACE, run_part
from harness.worker.images import ImageRef

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
    one made here."""

    def __init__(self, address: str | None, cpus: int | None, say: Callable[[str], None], device: str = "cpu") -> None:
        """`cpus` of a node are given to each part; by default as many as the smallest node has, for each GPU if so.

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
        parts = _split(works, self._cluster.slots * _PARTS)
        failed: set[int] = set()
        running: dict[Any, list[int]] = {}
        code = code_of(self._installed.spec)
        key = uuid.uuid4().hex
        task = ray.remote(run_part).options(
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
        internal_kv._internal_kv_put(key, b"ended", namespace=NAMESPACE)


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
        predictions.store(event["rows"], event["undecodable"], full_logits(event))
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
