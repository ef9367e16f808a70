"""Runs inside a source's environment: best classes of every image, of several networks that share the decoding.

Nothing here knows a claim.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.adapters import runtimes
from harness.core.errors import InputError, MeasurementError
from harness.worker.batches import TOP_K, Array, attempt, pack_logits, predictions, prefetch
from harness.worker.images import ImageRef
from harness.worker.protocol import Emit, NetworkBuilt, Predicted, RunFailed, Undecodable
from harness.worker.tasks import Evaluate, EvaluationRun, NetworkSpec

#: images that a network is tried on before it is used, and on which two preparations must be equal to be shared
_TRIED = 2


class Networks:
    """The networks of one worker, each built and converted once however many tasks need it."""

    def __init__(self, adapter: Any) -> None:
        self.adapter = adapter
        self._built: dict[tuple[Any, ...], Any] = {}
        self._inferences: dict[NetworkSpec, Any] = {}

    def network(self, run: EvaluationRun) -> Any:
        """The network of a run. Raises MeasurementError where its checkpoint was changed meanwhile."""
        spec = run.network
        key = (spec.model, spec.checkpoint, spec.match, spec.input_size)
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


def _unchanged(checkpoint: Path, sha256: str) -> None:
    """Raises MeasurementError where a file is not what its predictions will be stored under."""
    with checkpoint.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise MeasurementError(f"{checkpoint} was changed after the run began: its SHA-256 was {sha256}, it is {found}")


def evaluate(networks: Networks, task: Evaluate, send: Emit, stored: Callable[[int | None], None]) -> None:
    """Sends NetworkBuilt of each run that can be started, Predicted of each of its batches, RunFailed where it breaks.

    `stored(run)` returns once the parent has stored all that was sent of the run, of every run for None, so that
    whatever happens at most one batch of each network has to be done again.
    """
    refs = task.images
    whole = [{refs[position].name for position in run.whole} for run in task.runs]
    failed: set[int] = set()

    def fail(run: int, error: Exception) -> None:
        failed.add(run)
        send(RunFailed(run, str(error) or type(error).__name__))

    forward: dict[int, Callable[[Array], Array]] = {}
    prepared_by: dict[int, Any] = {}
    for index, run in enumerate(task.runs):
        try:
            network = networks.network(run)
            prepared_by[index] = _shared_preparation(network, prepared_by.values(), refs)
            example = _example(network, refs)
            inference = networks.inference(run, example) if example is not None else None
            forward[index] = inference.forward if inference else network.forward
            engine = inference.engine if inference else ""
            mark, states = _stand_in(networks, run), tuple(getattr(network, "states", dict)())
            send(NetworkBuilt(index, network.input_size, network.preprocessing, mark, engine, states))
        except InputError:
            raise  # an image that cannot be read says nothing about a network
        except Exception as error:  # one network's failure is that network's alone
            fail(index, error)
    for indices, names, batch, undecodable, waited in _batches(task.runs, forward, prepared_by, refs):
        for index in indices:
            if index in failed:
                continue
            stored(index)
            started = time.perf_counter()
            try:
                logits = forward[index](batch) if names else np.empty((0, 1), np.float32)
                rows = predictions(names, logits, TOP_K, whole[index])
            except Exception as error:
                fail(index, error)
                continue
            seconds = time.perf_counter() - started + waited / len(indices)
            send(Predicted(index, rows, undecodable, seconds, pack_logits(logits)))
    stored(None)


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
