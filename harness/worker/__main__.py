"""Runs inside a source's environment: tasks come in, raw measurements go out, one JSON object per line.

The first line is {"module", "device"}; each other one is a task {"kind", "model", ...}. What is sent back:
{"event": "ready" | "static" | "network" | "predictions" | "saved" | "models" | "documents" | "done" | "failed", ...}.
A task that fails is reported and the next one is read. Nothing here knows a claim.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import importlib.metadata
import json
import os
import platform
import select
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.worker import arrays, traces, variants
from harness.worker import evaluate as evaluating
from harness.worker.batches import attempt, batches
from harness.worker.images import ImageRef
from harness.worker.model_names import resolve

Array = npt.NDArray[np.float32]
Emit = Callable[[dict[str, Any]], None]

_TRACE_SIZE_MINIMUM = 32


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends this process
    # frameworks print to standard output; events get a descriptor that nobody else knows
    events = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    threading.Thread(target=_end_with_reader, args=(events.fileno(),), daemon=True).start()

    def emit(event: dict[str, Any]) -> None:
        try:
            events.write(json.dumps(event) + "\n")
        except BrokenPipeError:
            os._exit(1)

    job = json.loads(sys.stdin.readline())
    adapter = importlib.import_module(job["module"]).Adapter(device=job["device"])
    packages = {dist.metadata["Name"]: dist.version for dist in importlib.metadata.distributions()}
    emit({"event": "ready", "python": platform.python_version(), "packages": packages})
    networks = evaluating.Networks(adapter)
    tasks: dict[str, Callable[[Any, dict[str, Any], Emit], None]] = {
        "models": list_models,
        "documents": list_documents,
        "static": measure_static,
        "evaluate": lambda _, task, send: evaluate(networks, task, send),
        "stand_in": make_stand_in,
        "condition": condition_network,
        "apply": apply_state,
        "trace": trace_network,
        "state": write_state,
        "prepare": prepare_images,
        "identify": variants.identify,
        "vary": variants.vary,
    }
    for line in sys.stdin:
        task = json.loads(line)
        try:
            tasks[task["kind"]](adapter, task, emit)
            emit({"event": "done"})
        except Exception as error:  # one model's failure is that model's alone
            with contextlib.suppress(OSError):  # the disk that the log is on may be full
                traceback.print_exc(file=sys.stderr)
            name = type(error).__name__
            message = f"{name}: {error}" if isinstance(error, KeyError) else str(error)  # it says the key alone
            emit({"event": "failed", "error": name, "message": message or name})


def _end_with_reader(events: int) -> None:
    """Ends this process once nobody reads its events any more, in the middle of a forward pass too: a parent that
    was killed tells nobody."""
    reader = select.poll()
    reader.register(events, 0)  # of errors alone
    reader.poll()
    os._exit(1)


def evaluate(networks: evaluating.Networks, task: dict[str, Any], send: Emit) -> None:
    """See evaluating.evaluate; the parent answers every batch of predictions with an empty line once it is stored."""
    sent: deque[int] = deque()

    def emit(event: dict[str, Any]) -> None:
        send(event)
        if event["event"] == "predictions":
            sent.append(event["run"])

    def stored(run: int | None) -> None:
        while sent if run is None else run in sent:
            if not sys.stdin.readline():
                raise SystemExit(1)  # whoever asked for this is gone
            sent.popleft()

    try:
        evaluating.evaluate(networks, task, emit, stored)
    finally:
        stored(None)  # or the answers of a task that failed would be taken for the next one


def list_models(adapter: Any, _task: dict[str, Any], send: Emit) -> None:
    """The names that the adapter takes, and other names by which documents mean them."""
    send({"event": "models", "models": {"offered": list(adapter.models()), "aliases": dict(adapter.aliases())}})


def list_documents(adapter: Any, _task: dict[str, Any], send: Emit) -> None:
    """What the source's own package says of its models."""
    documents = adapter.documents() if hasattr(adapter, "documents") else ()
    send({"event": "documents", "documents": [dataclasses.asdict(document) for document in documents]})


def _own_name(adapter: Any, documented: str) -> str:
    """The source's own name of a documented model. Raises MeasurementError where it cannot be told."""
    aliases = adapter.aliases()
    name = resolve(documented, [*adapter.models(), *aliases])
    return str(aliases.get(name, name))


def measure_static(adapter: Any, task: dict[str, Any], send: Emit) -> None:
    """Counts of the network that a documented name means, at the asked sizes (pixels) and at its own.

    With `trace` its operations, too; an `outline` is counted by fewer counters.
    """
    model = _own_name(adapter, task["documented"])
    build = getattr(adapter, "outline", adapter.build) if task.get("outline") else adapter.build
    network = build(model)
    multiply_adds: dict[int, dict[str, int]] = {}
    failed: dict[str, str] = {}
    for size in sorted({network.input_size, *task["sizes"]}):
        counts = network.multiply_adds(size)
        multiply_adds[size] = {name: int(count) for name, count in counts.items() if not isinstance(count, str)}
        failed.update({name: why for name, why in counts.items() if isinstance(why, str)})
    kinds = _operators(network) if task.get("trace") else []
    send(
        {
            "event": "static",
            "static": {
                "model": model,
                "input_size": network.input_size,
                "preprocessing": dataclasses.asdict(network.preprocessing),
                "plain_counter": network.plain_counter,
                "parameters": dataclasses.asdict(network.parameters()),
                "multiply_adds": multiply_adds,
                "failed_counters": failed,
                "operators": {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
                "last_operators": kinds[-4:],
                "checkpoint_url": None if task.get("outline") else adapter.checkpoint_url(model),
            },
        }
    )


def _operators(network: Any) -> list[str]:
    """Kinds of operation in execution order, of one image at the network's own size."""
    size = max(network.input_size, _TRACE_SIZE_MINIMUM)
    image = np.zeros((1, 3, size, size), dtype=np.float32)
    return [call.kind for call in network.trace(image, values=False)]


def prepare_images(adapter: Any, task: dict[str, Any], send: Emit) -> None:
    """Every preprocessing step's result of every image, written to the folder `out` as <position in the task>.npz."""
    network = adapter.build(_own_name(adapter, task["documented"]), input_size=task["input_size"])

    def keep(index: int, ref: ImageRef) -> dict[str, Any]:
        steps = attempt(network.preprocessing_steps, ref)
        if isinstance(steps, str):
            return {"event": "undecodable", "image": ref.name, "why": steps}
        digests = arrays.save(steps, Path(task["out"]) / f"{index}.npz")
        return {"event": "prepared", "image": ref.name, "index": index, "sha256": digests}

    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1)) as pool:
        for event in pool.map(keep, range(len(task["images"])), (ImageRef(*fields) for fields in task["images"])):
            send(event)


def condition_network(adapter: Any, task: dict[str, Any], send: Emit) -> None:
    """How a network is made up, and, with images, weights under which a difference shows.

    Written to the folder `out`: the trace without values, own.npz with what no other network can give (integers),
    and with images state.npz, inputs.npy (N, 3, H, W) and logits.npy (N, classes).
    """
    out = Path(task["out"])
    network = adapter.build(_own_name(adapter, task["documented"]), seed=task["seed"], input_size=task["input_size"])
    size = network.input_size
    traces.write_trace(network, np.zeros((1, 3, size, size), np.float32), out, values=False)
    own = network.state()
    np.savez(out / "own.npz", **{name: value for name, value in own.items() if value.dtype.kind not in "fc"})
    shapes = {name: list(value.shape) for name, value in own.items() if value.dtype.kind == "f"}
    refs = [ImageRef(*fields) for fields in task["images"]]
    undecodable: list[tuple[str, str]] = []
    if refs:
        inputs = []
        for names, batch, wrong in batches(network, refs, task["batch_size"]):
            undecodable += wrong
            inputs += [batch] if names else []
        if not inputs:
            raise ValueError(f"none of the {len(refs)} images could be decoded, the first: {undecodable[0][1]}")
        traces.condition(network, inputs, task["seed"])
        np.savez(out / "state.npz", **network.state())
        np.save(out / "inputs.npy", np.concatenate(inputs))
        np.save(out / "logits.npy", traces.forward(network, inputs))
    send({"event": "conditioned", "shapes": shapes, "input_size": size, "undecodable": undecodable})


def apply_state(adapter: Any, task: dict[str, Any], _send: Emit) -> None:
    """Logits of prepared images with given weights, written to `out`."""
    network = _with_state(adapter, task)
    images = np.load(task["inputs"], mmap_mode="r")
    size = task["batch_size"]
    parts = (np.asarray(images[start : start + size]) for start in range(0, len(images), size))
    np.save(task["out"], traces.forward(network, parts))


def trace_network(adapter: Any, task: dict[str, Any], _send: Emit) -> None:
    """Every operation's output on the first prepared image with given weights, written to the folder `out`."""
    images = np.load(task["inputs"], mmap_mode="r")
    traces.write_trace(_with_state(adapter, task), np.asarray(images[:1]), Path(task["out"]), values=True)


def _with_state(adapter: Any, task: dict[str, Any]) -> Any:
    network = adapter.build(_own_name(adapter, task["documented"]), seed=task["seed"], input_size=task["input_size"])
    network.load_state(arrays.load(Path(task["state"])))
    return network


def write_state(adapter: Any, task: dict[str, Any], send: Emit) -> None:
    """The state of a network with its checkpoint, and how the network is made up, written to the folder `out`."""
    out = Path(task["out"])
    network = adapter.build(task["model"], Path(task["checkpoint"]), task["match"], input_size=task["input_size"])
    size = network.input_size
    traces.write_trace(network, np.zeros((1, 3, size, size), np.float32), out, values=False)
    state = network.state()
    np.savez(out / "state.npz", **state)
    send({"event": "state", "shapes": {name: list(v.shape) for name, v in state.items() if v.dtype.kind == "f"}})


def make_stand_in(adapter: Any, task: dict[str, Any], send: Emit) -> None:
    """A checkpoint that classifies far better than chance without training, saved in the source's own format.

    Seeded weights, normalisation statistics of the images, and a last layer fitted in closed form: ridge
    regression of one-hot labels on the features, in its dual form since there are fewer images than features.
    """
    network = adapter.build(_own_name(adapter, task["documented"]), seed=task["seed"])
    refs = [ImageRef(*fields) for fields in task["images"]]
    labels = {ref.name: ref.label for ref in refs}
    calibration = refs[:: max(1, len(refs) // task["calibration_images"])]
    network.calibrate(batch for names, batch, _ in batches(network, calibration, task["batch_size"]) if names)
    features: list[Array] = []
    kept: list[int] = []
    for names, batch, _ in batches(network, refs, task["batch_size"]):
        if names:
            features.append(network.features(batch))
            kept += [labels[name] for name in names]
    weight, bias = ridge(np.concatenate(features), np.asarray(kept), task["classes"])
    network.set_classifier(weight, bias)
    mark = (
        f"stand-in: seed {task['seed']}, normalisation calibrated on {len(calibration)} images, "
        f"last layer fitted by ridge regression on {len(kept)} images; no training"
    )
    path = Path(task["out"] + adapter.checkpoint_suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    network.save(path, mark)
    send({"event": "saved", "file": str(path), "stand_in": mark})


def ridge(features: Array, labels: npt.NDArray[np.int_], classes: int) -> tuple[Array, Array]:
    """Weight (classes, C) and bias (classes,) that regress one-hot labels on features (N, C).

    Dual ridge regression on centred features: W = Y' (K + a I)^-1 X with K = X X'; a is 1 % of K's mean
    eigenvalue. Scaled so that the logits spread as a trained network's do.
    """
    centre = features.mean(axis=0, dtype=np.float64)
    centred = features.astype(np.float64) - centre
    targets = np.zeros((len(labels), classes))
    targets[np.arange(len(labels)), labels] = 1.0
    prior = targets.mean(axis=0)
    kernel = centred @ centred.T
    kernel[np.diag_indices_from(kernel)] += 0.01 * np.trace(kernel) / len(kernel) + 1e-12
    weight = 20.0 * np.linalg.solve(kernel, targets - prior).T @ centred
    bias = 20.0 * prior - weight @ centre
    return weight.astype(np.float32), bias.astype(np.float32)


if __name__ == "__main__":
    main()
