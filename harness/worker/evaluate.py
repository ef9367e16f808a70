"""Runs inside a source's environment: best classes of every image, of several networks that share the decoding.

Nothing here knows a claim.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.adapters import devices, runtimes
from harness.core.errors import InputError, MeasurementError
from harness.worker.batches import TOP_K, Array, attempt, pack_logits, predictions, prefetch
from harness.worker.images import ImageRef
from harness.worker.protocol import Emit, NetworkBuilt, Predicted, RunFailed, ShortOfMemory, Undecodable
from harness.worker.tasks import Evaluate, EvaluationRun, NetworkSpec

#: images that a network is tried on before it is used, and on which two preparations must be equal to be shared
_TRIED = 2


class Networks:
    """The networks of one worker, each built and converted once however many tasks need it."""

    def __init__(self, adapter: Any) -> None:
        self.adapter = adapter
        self.at_once: dict[NetworkSpec, int] = {}  #: images that the memory holds, where that is not a whole batch
        self._built: dict[tuple[Any, ...], Any] = {}
        self._inferences: dict[NetworkSpec, Any] = {}

    def network(self, run: EvaluationRun) -> Any:
        """The network of a run. Raises MeasurementError where its checkpoint was changed meanwhile."""
        spec = run.network
        key = _key(spec)
        if key not in self._built:
            checkpoint = Path(spec.checkpoint) if spec.checkpoint else None
            if checkpoint and run.sha256:
                _unchanged(checkpoint, run.sha256)
            self._built[key] = self.adapter.build(spec.model, checkpoint, spec.match, input_size=spec.input_size)
        return self._built[key]

    def inference(self, run: EvaluationRun, example: Array) -> Any:
        """See harness.adapters.base.Inference."""
        spec = run.network
        if spec not in self._inferences:
            folder = Path(spec.conversion or "")
            self._inferences[spec] = runtimes.inference(
                self.network(run), spec.runtime, spec.precision, folder, example
            )
        return self._inferences[spec]

    def leave(self, finished: Collection[NetworkSpec]) -> None:
        """Takes networks that are not needed any more off the device; what others share with them stays."""
        gone = [spec for spec in finished if self._inferences.pop(spec, None) is not None or _key(spec) in self._built]
        shared = {_key(spec) for spec in self._inferences}
        for key in {_key(spec) for spec in gone} - shared:
            self._built.pop(key, None)
        if gone:
            devices.free()

    def leave_all(self) -> bool:
        """Takes every network off the device; whether there were any."""
        held = bool(self._built)
        self._inferences.clear()
        self._built.clear()
        devices.free()
        return held


def _key(spec: NetworkSpec) -> tuple[Any, ...]:
    """What is built once for several ways of running it."""
    return (spec.model, spec.checkpoint, spec.match, spec.input_size)


def _unchanged(checkpoint: Path, sha256: str) -> None:
    """Raises MeasurementError where a file is not what its predictions will be stored under."""
    with checkpoint.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise MeasurementError(f"{checkpoint} was changed after the run began: its SHA-256 was {sha256}, it is {found}")


def evaluate(networks: Networks, task: Evaluate, send: Emit, stored: Callable[[int | None], None]) -> None:
    """Sends NetworkBuilt of each run that can be started, Predicted of each of its batches, RunFailed where it breaks.

    `stored(run)` returns once the parent has stored all that was sent of the run, of every run for None, so that
    whatever happens at most one batch of each network has to be done again. Networks that the memory does not hold
    together follow each other, and a batch that it does not hold is run in parts; ShortOfMemory says so.
    """
    networks.leave(task.finished)
    left = list(range(len(task.runs)))
    while left:
        left = _Round(networks, task, send, stored).run(left)
        if left:
            networks.leave_all()


class _Round:
    """The runs of a task that are done together."""

    def __init__(self, networks: Networks, task: Evaluate, send: Emit, stored: Callable[[int | None], None]) -> None:
        self._networks = networks
        self._task = task
        self._send = send
        self._stored = stored
        self._failed: set[int] = set()
        self._forward: dict[int, Callable[[Array], Array]] = {}
        self._whole = [{task.images[position].name for position in run.whole} for run in task.runs]

    def run(self, indices: Sequence[int]) -> list[int]:
        """Does these runs. Returns those whose network the memory does not hold beside the others."""
        prepared_by: dict[int, Any] = {}
        later: list[int] = []
        for index in indices:
            short = self._started(index, prepared_by)
            if short is not None and not self._forward and self._networks.leave_all():  # those of other tasks
                short = self._started(index, prepared_by)
            if short is not None and self._forward:
                later.append(index)
                self._networks.leave([self._task.runs[index].network])
                self._send(ShortOfMemory(index, 0))
            elif short is not None:
                self._fail(index, short, elsewhere=True)
        refs, runs = self._task.images, self._task.runs
        for takers, names, batch, undecodable, waited in _batches(runs, self._forward, prepared_by, refs):
            for index in takers:
                if index not in self._failed:
                    self._batch(index, names, batch, undecodable, waited / len(takers))
        self._stored(None)
        return later

    def _started(self, index: int, prepared_by: dict[int, Any]) -> str | None:
        """Builds the network of a run, or reports why it cannot be built. Returns how the memory was too small."""
        run, refs = self._task.runs[index], self._task.images
        try:
            network = self._networks.network(run)
            preparer = _shared_preparation(network, prepared_by.values(), refs)
            example = _example(network, refs)
            inference = self._networks.inference(run, example) if example is not None else None
            built = NetworkBuilt(
                index,
                network.input_size,
                network.preprocessing,
                _stand_in(self._networks, run),
                inference.engine if inference else "",
                tuple(getattr(network, "states", dict)()),
            )
        except InputError:
            raise  # an image that cannot be read says nothing about a network
        except Exception as error:  # one network's failure is that network's alone
            if devices.is_out_of_memory(error):
                return devices.reason(error)
            self._fail(index, str(error) or type(error).__name__)
            return None
        self._forward[index] = inference.forward if inference else network.forward
        prepared_by[index] = preparer
        self._send(built)
        return None

    def _batch(
        self, index: int, names: Sequence[str], batch: Array, undecodable: Sequence[Undecodable], waited: float
    ) -> None:
        self._stored(index)
        started = time.perf_counter()
        try:
            logits = self._logits(index, batch) if names else np.empty((0, 1), np.float32)
            rows = predictions(names, logits, TOP_K, self._whole[index])
        except Exception as error:
            short = devices.is_out_of_memory(error)
            self._fail(index, devices.reason(error) if short else str(error) or type(error).__name__, short)
            return
        seconds = time.perf_counter() - started + waited
        self._send(Predicted(index, rows, undecodable, seconds, pack_logits(logits)))

    def _logits(self, index: int, batch: Array) -> Array:
        """Logits of a batch, run in halves, and halves of these, where the memory does not hold it whole."""
        spec, at_once, forward = self._task.runs[index].network, self._networks.at_once, self._forward[index]
        while True:
            size = min(at_once.get(spec, len(batch)), len(batch))
            try:
                return np.concatenate([forward(batch[at : at + size]) for at in range(0, len(batch), size)])
            except Exception as error:
                if size == 1 or not devices.is_out_of_memory(error):
                    raise
            devices.free()  # not before: the exception holds what was computed so far
            at_once[spec] = -(-size // 2)
            self._send(ShortOfMemory(index, at_once[spec]))

    def _fail(self, index: int, message: str, elsewhere: bool = False) -> None:
        self._failed.add(index)
        self._forward.pop(index, None)
        self._networks.leave([self._task.runs[index].network])
        self._send(RunFailed(index, message, elsewhere))


def _stand_in(networks: Networks, run: EvaluationRun) -> str | None:
    """How the run's checkpoint was made up; None for real weights."""
    if run.network.checkpoint is None:
        return "random weights"
    found: str | None = networks.adapter.stand_in(Path(run.network.checkpoint))
    return found


def _example(network: Any, refs: Sequence[ImageRef]) -> Array | None:
    """The first few images that can be decoded (N, 3, H, W); None where there are none."""
    found: list[Array] = []
    for ref in refs:
        image = attempt(network.preprocess, ref)
        found += [] if isinstance(image, str) else [image]
        if len(found) == _TRIED:
            break
    return np.stack(found) if found else None


def _shared_preparation(network: Any, others: Iterator[Any] | Any, refs: Sequence[ImageRef]) -> Any:
    """The network whose preprocess() serves this one too: one that says the same of itself and gives the same."""
    for other in others:
        if other is network:
            return other
        if other.preprocessing == network.preprocessing:
            a, b = _example(other, refs), _example(network, refs)
            if a is not None and b is not None and np.array_equal(a, b):
                return other
    return network


def _batches(
    runs: Sequence[EvaluationRun],
    forward: Mapping[int, Any],
    prepared_by: Mapping[int, Any],
    refs: Sequence[ImageRef],
) -> Iterator[tuple[list[int], list[str], Array, list[Undecodable], float]]:
    """Runs that take a batch, its names, images (N, 3, H, W), undecodable files, and the seconds it was waited for."""
    takers: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    for index in forward:
        for positions in runs[index].batches:
            takers.setdefault((id(prepared_by[index]), tuple(positions)), []).append(index)
    order = sorted(takers, key=lambda key: key[1][0])
    chunks = [(prepared_by[takers[key][0]].preprocess, [refs[i] for i in key[1]]) for key in order]
    started = time.perf_counter()
    for key, chunk in zip(order, prefetch(chunks), strict=True):
        names = [ref.name for ref, image in chunk if not isinstance(image, str)]
        images = [image for _, image in chunk if not isinstance(image, str)]
        undecodable = [(ref.name, why) for ref, why in chunk if isinstance(why, str)]
        batch = np.stack(images) if images else np.empty((0, 3, 0, 0), np.float32)
        yield takers[key], names, batch, undecodable, time.perf_counter() - started
        started = time.perf_counter()
