"""A part of an evaluation, on the node of a cluster that runs it."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import os
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ray.experimental import internal_kv

from harness.adapters.records import Device
from harness.core.errors import MeasurementError
from harness.execution import environments, process, registry
from harness.execution.cache_keys import code_of
from harness.execution.devices.gpus import machine
from harness.execution.devices.seats import Seat
from harness.execution.engine import Work, perform
from harness.execution.environments import Installed
from harness.execution.predictions import Predictions
from harness.execution.process import Worker
from harness.worker.images import ImageRef
from harness.worker.protocol import Predicted, Ready, RunEvent, RunFailed

#: of the cluster's own keys and values
NAMESPACE = b"parity"


_Bytes = npt.NDArray[np.uint8]


def has_ended(key: str) -> bool:
    # not an actor: a task that waits for one gives its processors to others meanwhile
    try:
        return bool(internal_kv._internal_kv_exists(key, namespace=NAMESPACE))
    except Exception:  # a node that cannot ask goes on
        return False


class _Ended(BaseException):
    """The run was interrupted; the rest is not needed."""


#: one worker, kept for the next part of the same source that comes to this process
kept_workers: dict[str, Worker] = {}


@dataclass(frozen=True)
class Said:
    """A message of a node, among the events of its works."""

    text: str


@dataclass(frozen=True)
class Part:
    """Some batches of some works, and what a node needs to know of the run that they belong to."""

    installed: Installed
    code: str  #: digest of the code that the run measures with
    key: str  #: of the run, which may be over meanwhile
    works: Sequence[Work]
    refs: Mapping[int, ImageRef]  #: position -> image
    device: str
    threads: int
    log: Path


def run_part(part: Part, *checkpoints: _Bytes) -> list[tuple[int, RunEvent | Said]]:
    """Does the works on this node and returns their events; what it stored before Ray started it again is kept.

    `checkpoints` are those of the works, which Ray hands over once to each node.
    """
    events: list[tuple[int, RunEvent | Said]] = []
    if has_ended(part.key):
        return events
    with contextlib.ExitStack() as held, contextlib.suppress(_Ended):
        left = []
        for index, (work, content) in enumerate(zip(part.works, checkpoints, strict=True)):
            here, stored = _left(work, part.refs, held)
            events += [(index, event) for event in stored]
            file = str(_checkpoint(content, work))
            network = dataclasses.replace(work.network, checkpoint=file, conversion=_conversion(work))
            left.append(dataclasses.replace(here, network=network))
        indices = [index for index, work in enumerate(left) if work.batches]

        def handle(position: int, event: RunEvent) -> None:
            index = indices[position]
            if isinstance(event, RunFailed):  # it is the user's file that does not fit, if any
                own, copy = (str(them[index].network.checkpoint) for them in (part.works, left))
                event = dataclasses.replace(event, message=event.message.replace(copy, own))
            events.append((index, event))
            if has_ended(part.key):
                raise _Ended

        perform(
            _worker(found_here(part.installed, part.code), part.device, part.threads, part.log),
            [left[index] for index in indices],
            part.refs,
            handle,
            lambda text: events.append((0, Said(text))),
        )
    return events


def _left(work: Work, refs: Mapping[int, ImageRef], held: contextlib.ExitStack) -> tuple[Work, list[Predicted]]:
    """What of the work is not stored yet, and what is; stored on this node where the store cannot be reached."""
    predictions = work.predictions
    if not predictions.folder.is_dir():  # the store is on another machine
        predictions = Predictions(Path(held.enter_context(tempfile.TemporaryDirectory(prefix="parity-part-"))))
    known = predictions.network() is not None
    lacking = []
    events = []
    for batch in work.batches:
        stored = predictions.batch([refs[position].name for position in batch]) if known else None
        if stored is None:
            lacking.append(batch)
        else:
            rows, undecodable, full = stored
            texts = [None if one is None else base64.b64encode(one).decode("ascii") for one in full]
            events.append(Predicted(0, rows, undecodable, 0.0, texts))
    return dataclasses.replace(work, predictions=predictions, batches=lacking), events


def gpu_here() -> tuple[str, Device]:
    """The name of this node, and the first GPU that this process may use."""
    found = machine().gpus
    return os.uname().nodename, Device("cuda", found[0].name, found[0].driver) if found else Device("cuda")


def ask_device(installed: Installed, code: str) -> Ready | str:
    """See session.Cluster.ask_device; on a node that has a GPU for this process."""
    log = environments.cache() / "logs" / f"device-{uuid.uuid4().hex[:8]}.log"
    return process.ask_device(found_here(installed, code), log, Seat("cuda", "cuda"))


def found_here(installed: Installed, code: str) -> Installed:
    """The source's environment on this node: the same one where the cache is shared, else one made in the same way.

    Raises MeasurementError where it differs from that of the run.
    """
    known = registry.sources().get(installed.spec.name, installed.spec)
    spec = dataclasses.replace(known, cuda_index=installed.spec.cuda_index)
    if environments.is_whole(installed.python):
        made = dataclasses.replace(installed, spec=spec)
    else:
        made = environments.prepare(spec, installed.source.version, installed.runtime)
    other = sorted(set(made.packages) ^ set(installed.packages))
    if other or code_of(spec) != code:
        raise MeasurementError(
            f"the node {os.uname().nodename} would measure with other code or packages than the rest: "
            f"{', '.join(other[:6]) or 'another release of the harness or of the adapters'}. Install the same release"
        )
    return made


def _worker(installed: Installed, device: str, threads: int, log: Path) -> Worker:
    key = f"{installed.python} {installed.spec.module} {device} {threads}"
    if key not in kept_workers:
        for other in kept_workers.values():
            other.__exit__(None)
        kept_workers.clear()
        # a failure quotes the end of the log; the file itself is on that node only
        folder = environments.cache() / "logs"
        name = f"{log.stem}-{uuid.uuid4().hex[:8]}{log.suffix}"
        kept_workers[key] = Worker(installed, folder / name, device, threads)
    return kept_workers[key]


def _checkpoint(content: _Bytes, work: Work) -> Path:
    """The checkpoint as a file on this node."""
    folder = environments.cache() / "checkpoints"
    path = folder / f"{work.sha256}{Path(work.network.checkpoint or '').suffix}"
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != work.sha256:
        folder.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        beside.write_bytes(content.tobytes())
        beside.rename(path)
    return path


def _conversion(work: Work) -> str | None:
    kept = work.network.conversion
    return None if kept is None else str(environments.cache() / "converted" / Path(kept).name)
