"""Runs inside a source's environment: weights under which a difference between two networks shows.

A freshly initialised network hides most defects: normalisations are the identity, running statistics are zero and
one, logits hardly depend on the image.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.adapters.base import LayerCall
from harness.worker import arrays
from harness.worker.batches import batches
from harness.worker.counts import own_name
from harness.worker.protocol import Conditioned, Emit, StateWritten, Undecodable
from harness.worker.tasks import ApplyState, Condition, TraceNetwork, WriteState

Array = npt.NDArray[np.float32]

#: Variance that enters a normalisation. Small, as trained networks have it, so that another epsilon shows.
_VARIANCE = 0.01
#: Spread of the logits over images, as trained networks have it.
_LOGIT_SPREAD = 3.0


def condition(network: Any, batches: Sequence[Array], seed: int) -> None:
    """Random affine pairs, running statistics of the images, small variances and logits that tell images apart.

    `batches` are prepared images (N, 3, H, W).
    """
    rng = np.random.default_rng(seed)
    calls: list[LayerCall] = []
    network.trace(batches[0][:1], lambda call: calls.append(call) if call.tensors else None, values=False)
    state = {name: np.array(value) for name, value in network.state().items()}
    for call in calls:
        if "running_var" in call.tensors and {"weight", "bias"} <= call.tensors.keys():
            weight, bias = state[call.tensors["weight"]], state[call.tensors["bias"]]
            state[call.tensors["weight"]] = rng.uniform(0.5, 1.5, weight.shape).astype(weight.dtype)
            state[call.tensors["bias"]] = rng.normal(0, 0.2, bias.shape).astype(bias.dtype)
    network.load_state(state)
    network.calibrate(batches)
    state = {name: np.array(value) for name, value in network.state().items()}
    maker = {call.index: call for call in calls}
    for call in calls:
        before = maker.get(call.inputs[0]) if call.inputs and call.inputs[0] is not None else None
        if "running_var" in call.tensors and before is not None and set(before.tensors) == {"weight"}:
            # what the normalisation gives stays the same but for the epsilon
            factor = np.float32(np.sqrt(_VARIANCE / max(float(state[call.tensors["running_var"]].mean()), 1e-12)))
            state[before.tensors["weight"]] = state[before.tensors["weight"]] * factor
            state[call.tensors["running_mean"]] = state[call.tensors["running_mean"]] * factor
            state[call.tensors["running_var"]] = state[call.tensors["running_var"]] * factor**2
    network.load_state(state)
    last = next((call for call in reversed(calls) if call.kind in ("Linear", "MatMul", "Conv2d")), None)
    if last is not None and {"weight", "bias"} <= last.tensors.keys():
        logits = forward(network, batches)
        mean, spread = logits.mean(axis=0), max(float(logits.std(axis=0).mean()), 1e-12)
        scale = np.float32(_LOGIT_SPREAD / spread)
        bias = state[last.tensors["bias"]]
        noise = rng.normal(0, 1, bias.shape).astype(np.float32)
        state[last.tensors["weight"]] = state[last.tensors["weight"]] * scale
        state[last.tensors["bias"]] = noise - scale * (mean - bias)
        network.load_state(state)


def forward(network: Any, batches: Iterable[Array]) -> Array:
    """Logits (N, classes) of prepared images."""
    return np.concatenate([network.forward(batch) for batch in batches])


def write_trace(network: Any, batch: Array, folder: Path, values: bool) -> None:
    """Writes one forward pass as harness.checks.equivalence.trace reads it; outputs go to disk one by one."""
    folder.mkdir(parents=True, exist_ok=True)
    if values:
        (folder / "values").mkdir(exist_ok=True)
    with (folder / "calls.jsonl").open("w", encoding="utf-8") as lines:

        def write(call: LayerCall) -> None:
            if values:
                assert call.output is not None, call.name
                np.save(folder / "values" / f"{call.index}.npy", call.output)
            fields = {field.name: getattr(call, field.name) for field in dataclasses.fields(call)}
            del fields["output"]
            lines.write(json.dumps({key: _plain(value) for key, value in fields.items()}) + "\n")

        network.trace(batch, write, values=values)


def _plain(value: Any) -> Any:
    """Mappings and tuples as JSON has them; a value that JSON does not have as text."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def condition_network(adapter: Any, task: Condition, send: Emit) -> None:
    """How a network is made up, and, with images, weights under which a difference shows.

    Written to the folder `out`: the trace without values, own.npz with what no other network can give (integers),
    and with images state.npz, inputs.npy (N, 3, H, W) and logits.npy (N, classes).
    """
    out = Path(task.out)
    network = adapter.build(own_name(adapter, task.documented), seed=task.seed, input_size=task.input_size)
    size = network.input_size
    write_trace(network, np.zeros((1, 3, size, size), np.float32), out, values=False)
    own = network.state()
    np.savez(out / "own.npz", **{name: value for name, value in own.items() if value.dtype.kind not in "fc"})
    shapes = {name: tuple(value.shape) for name, value in own.items() if value.dtype.kind == "f"}
    undecodable: list[Undecodable] = []
    if task.images:
        inputs = []
        for names, batch, wrong in batches(network, task.images, task.batch_size):
            undecodable += wrong
            inputs += [batch] if names else []
        if not inputs:
            raise ValueError(f"none of the {len(task.images)} images could be decoded, the first: {undecodable[0][1]}")
        condition(network, inputs, task.seed)
        np.savez(out / "state.npz", **network.state())
        np.save(out / "inputs.npy", np.concatenate(inputs))
        np.save(out / "logits.npy", forward(network, inputs))
    send(Conditioned(shapes, size, undecodable))


def apply_state(adapter: Any, task: ApplyState, _send: Emit) -> None:
    """Logits of prepared images with given weights, written to `out`."""
    network = _with_state(adapter, task)
    images = np.load(task.inputs, mmap_mode="r")
    size = task.batch_size
    parts = (np.asarray(images[start : start + size]) for start in range(0, len(images), size))
    np.save(task.out, forward(network, parts))


def trace_network(adapter: Any, task: TraceNetwork, _send: Emit) -> None:
    """Every operation's output on the first prepared image with given weights, written to the folder `out`."""
    images = np.load(task.inputs, mmap_mode="r")
    write_trace(_with_state(adapter, task), np.asarray(images[:1]), Path(task.out), values=True)


def _with_state(adapter: Any, task: ApplyState) -> Any:
    network = adapter.build(own_name(adapter, task.documented), seed=task.seed, input_size=task.input_size)
    network.load_state(arrays.load(Path(task.state)))
    return network


def write_state(adapter: Any, task: WriteState, send: Emit) -> None:
    """The state of a network with its checkpoint, and how the network is made up, written to the folder `out`."""
    out = Path(task.out)
    network = adapter.build(task.model, Path(task.checkpoint), task.match, input_size=task.input_size)
    size = network.input_size
    write_trace(network, np.zeros((1, 3, size, size), np.float32), out, values=False)
    state = network.state()
    np.savez(out / "state.npz", **state)
    send(StateWritten({name: tuple(value.shape) for name, value in state.items() if value.dtype.kind == "f"}))
