"""Many machines: parts of an evaluation as Ray tasks, each in the source's environment on the node that it lands on.

Every task stores what it predicts batch by batch, as a run on one machine does. Where the store is shared, a node that
dies loses at most a batch of each network; where it is not, its whole part, which Ray has another node do again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import ray

from harness import environments
from harness.engine import BLOCK, Event, Handle, Work, perform
from harness.environments import Installed
from harness.errors import InputError, MeasurementError
from harness.images import ImageRef
from harness.workers import Worker

#: how often Ray starts a part again whose node or process died
_RETRIES = 10
#: parts for each that can run at once, so that none waits long for the last ones
_PARTS = 8
#: parts handed to Ray for each that can run at once
_AHEAD = 2

_Bytes = npt.NDArray[np.uint8]


class Cluster:
    """A connection to a Ray cluster; with no address, to the one that RAY_ADDRESS names or to one made here."""

    def __init__(self, address: str | None, cpus: int | None, say: Callable[[str], None]) -> None:
        """`cpus` of a node are given to each part; by default as many as the smallest node has.

        Raises InputError where there is no such cluster.
        """
        if not ray.is_initialized():
            try:
                ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise InputError(
                    f"--ray-address {address}: {error}. Start a cluster with `ray start --head`"
                ) from error
        self._say = say
        self._checkpoints: dict[str, Any] = {}
        sizes = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
        smallest = min((size for size in sizes if size), default=1)
        if cpus is not None and cpus > max(sizes, default=0):
            raise InputError(f"--ray-cpus {cpus}: no node has more than {max(sizes, default=0)}")
        self.cpus = cpus or smallest
        self.slots = max(1, sum(size // self.cpus for size in sizes))  #: parts that can run at once

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
        task = ray.remote(_part_on_a_node).options(
            num_cpus=self._cluster.cpus,
            num_gpus=1 if self._device == "cuda" else 0,
            max_retries=_RETRIES,
            scheduling_strategy="SPREAD",
        )
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
                        self._installed, mine, refs, self._device, self._cluster.cpus, self._log, *blobs
                    )
                    running[reference] = [index for index, _ in part]
                [reference], _ = ray.wait(list(running), num_returns=1)
                indices = running.pop(reference)
                for position, event in ray.get(reference):
                    index = indices[position]
                    if event["event"] == "run_failed":
                        failed.add(index)
                    elif event["event"] == "predictions":
                        works[index].predictions.store(event["rows"], event["undecodable"])
                    elif event["event"] == "say":
                        self._cluster.say(event["text"])
                        continue
                    handle(index, event)
        except ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, OSError | InputError | MeasurementError):
                raise cause from error
            raise MeasurementError(f"Ray could not finish: {str(error).strip().splitlines()[-1]}") from error
        finally:
            for reference in running:
                ray.cancel(reference, force=True)


def _split(works: Sequence[Work], parts: int) -> list[list[tuple[int, list[Sequence[int]]]]]:
    """The works' batches by where in the order they are, so that the works of a part share the decoding."""
    if not works:
        return []
    longest = max(len(work.batches) for work in works)
    size = max(1, min(BLOCK, -(-longest // parts)))
    width = size * max(len(batch) for work in works for batch in work.batches)
    found: dict[int, dict[int, list[Sequence[int]]]] = {}
    for index, work in enumerate(works):
        for batch in work.batches:
            found.setdefault(batch[0] // width, {}).setdefault(index, []).append(batch)
    return [list(found[place].items()) for place in sorted(found)]


# -- on a node -----------------------------------------------------------------------------------


#: one worker, kept for the next part of the same source that comes to this process
_kept: dict[str, Worker] = {}


def _part_on_a_node(
    installed: Installed,
    works: Sequence[Work],
    refs: Mapping[int, ImageRef],
    device: str,
    threads: int,
    log: Path,
    *checkpoints: _Bytes,
) -> list[tuple[int, Event]]:
    """Does the works on this node and returns their events; what it stored before Ray started it again is kept."""
    events: list[tuple[int, Event]] = []
    left = []
    for index, (work, content) in enumerate(zip(works, checkpoints, strict=True)):
        lacking = []
        for batch in work.batches:
            stored = work.predictions.batch([refs[position].name for position in batch])
            if stored is None:
                lacking.append(batch)
            else:
                rows, undecodable = stored
                event = {"event": "predictions", "rows": rows, "undecodable": undecodable, "seconds": 0.0}
                events.append((index, event))
        network = {**work.network, "checkpoint": str(_checkpoint(content, work)), "conversion": _conversion(work)}
        left.append(dataclasses.replace(work, network=network, batches=lacking))
    indices = [index for index, work in enumerate(left) if work.batches]
    perform(
        _worker(_here(installed), device, threads, log),
        [left[index] for index in indices],
        refs,
        lambda position, event: events.append((indices[position], dict(event))),
        lambda text: events.append((0, {"event": "say", "text": text})),
    )
    return events


def _here(installed: Installed) -> Installed:
    """The source's environment on this node: the very one where the cache is shared, else one made alike.

    Raises MeasurementError where it came out otherwise than the one that the run is known by.
    """
    if installed.python.is_file():
        return installed
    spec = environments.sources().get(installed.spec.name, installed.spec)
    made = environments.prepare(spec, installed.source.version, installed.runtime)
    if made.packages != installed.packages or spec.code_digest() != installed.spec.code_digest():
        other = sorted(set(made.packages) ^ set(installed.packages))
        raise MeasurementError(
            f"the node {os.uname().nodename} would measure with something else than the rest: "
            f"{', '.join(other[:6]) or 'another release of the adapters'}. Install the same release of the harness"
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
