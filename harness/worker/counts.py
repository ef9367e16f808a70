"""Runs inside a worker: what the source offers, and what a network is made of."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from typing import Any

import numpy as np

from harness.adapters import devices
from harness.adapters.base import Sparing
from harness.core.model_names import resolve
from harness.worker.protocol import Counts, Documents, Emit, Models
from harness.worker.tasks import Count, ListDocuments, ListModels

_TRACE_SIZE_MINIMUM = 32


def list_models(adapter: Any, _task: ListModels, send: Emit) -> None:
    """The names that the adapter takes, and other names by which documents mean them."""
    send(Models(list(adapter.models()), dict(adapter.aliases())))


def list_documents(adapter: Any, _task: ListDocuments, send: Emit) -> None:
    """What the source's own package says of its models."""
    send(Documents(list(adapter.documents())))


def own_name(adapter: Any, documented: str) -> str:
    """The source's own name of a documented model. Raises MeasurementError where it cannot be told."""
    return _names(adapter, documented)[1]


def _names(adapter: Any, documented: str) -> tuple[str, str]:
    """The name of the source's, of a model or of weights, that is meant, and what build() takes for it."""
    aliases = adapter.aliases()
    name = resolve(documented, [*adapter.models(), *aliases])
    return name, str(aliases.get(name, name))


def measure_static(adapter: Any, task: Count, send: Emit) -> None:
    """Counts of the network that a documented name means, at the asked sizes (pixels), as deeply as they are asked.

    With `trace` its operations, too. What was needed for it is given back to the machine.
    """
    try:
        send(_counts(adapter, task))
    finally:
        _give_back()


def _counts(adapter: Any, task: Count) -> Counts:
    named, model = _names(adapter, task.documented)
    network = adapter.build(model) if task.depth == "all" else adapter.outline(model)
    spares = network if isinstance(network, Sparing) else None
    sizes = {*task.sizes, *([network.input_size] if task.own else [])} if task.depth != "parameters" else set()
    multiply_adds: dict[int, dict[str, int]] = {}
    failed: dict[str, str] = {}
    for size in sorted(sizes, key=lambda size: (size != network.input_size, size)):  # its own shows what counts it
        if spares and size in task.known:
            spares.take_counts(size, task.known[size])
        counts = network.multiply_adds(size)
        if short := [why for why in counts.values() if isinstance(why, str) and devices.is_out_of_memory(why)]:
            raise MemoryError(short[0])  # which is no property of the counter, so it must not be kept as one
        multiply_adds[size] = {name: int(count) for name, count in counts.items() if not isinstance(count, str)}
        failed.update({name: why for name, why in counts.items() if isinstance(why, str)})
    kinds = _operators(network) if task.trace else []
    bare = spares if task.depth == "parameters" else None
    return Counts(
        model=model,
        input_size=network.input_size,
        preprocessing=network.preprocessing,
        plain_counter=network.plain_counter,
        parameters=bare.bare_parameters() if bare else network.parameters(),
        multiply_adds=dict(sorted(multiply_adds.items())),
        failed_counters=failed,
        operators={kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
        last_operators=tuple(kinds[-4:]),
        checkpoint_url=adapter.checkpoint_url(model),
        left_out=tuple(spares.left_out()) if spares else (),
        named=named,
    )


def _give_back() -> None:
    """Networks refer to themselves, and the allocator keeps what is free: without this a worker grows and grows."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)


def _operators(network: Any) -> list[str]:
    """Kinds of operation in execution order, of one image at the network's own size."""
    size = max(network.input_size, _TRACE_SIZE_MINIMUM)
    image = np.zeros((1, 3, size, size), dtype=np.float32)
    kinds: list[str] = []
    network.trace(image, lambda call: kinds.append(call.kind), values=False)
    return kinds
