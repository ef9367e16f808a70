"""Runs inside a source's environment: what a network would have said had one thing been otherwise.

A variant is {"changed": step -> parameters of harness.adapters.recipe, "alteration": see Network.altered, "checkpoint",
"match", "state": a file of the whole state, "inputs": image -> file of its steps}; what it does not name is the
source's own. Nothing here knows a claim.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.adapters import recipe
from harness.adapters.base import Steps
from harness.worker import arrays
from harness.worker.batches import Array, attempt, in_chunks, predictions, prefetch
from harness.worker.images import ImageRef

Emit = Callable[[dict[str, Any]], None]

#: Images of one forward pass. All variants of these are held at once.
_TOGETHER = 16


def identify(adapter: Any, task: dict[str, Any], send: Emit) -> None:
    """How a source prepares images, told from what it does with some, and what a network has that can be altered."""
    network = adapter.build(task["model"], input_size=task["input_size"])
    refs = [ImageRef(*fields) for fields in task["images"]]
    tried = [attempt(lambda image: (image, network.preprocessing_steps(image)), ref) for ref in refs]
    decoded = [one for one in tried if not isinstance(one, str)]
    if not decoded:
        raise ValueError(f"none of the {len(refs)} images could be decoded, the first: {tried[0]}")
    images, results = zip(*decoded, strict=True)
    found, reasons = recipe.identify(images, results, network.preprocessing)
    normalisations: Counter[float] = Counter()
    activations: Counter[tuple[str, float | None]] = Counter()
    for call in network.trace(np.stack([results[0]["normalise"]]), values=False):
        if call.kind == "BatchNorm2d" and "eps" in call.attributes:
            normalisations[round(float(call.attributes["eps"]), 12)] += 1
        activations[call.kind, call.attributes.get("negative_slope")] += 1
    send(
        {
            "event": "recipe",
            "recipe": found,
            "reasons": reasons,
            "libraries": recipe.libraries(),
            "said": dataclasses.asdict(network.preprocessing),
            "epsilons": sorted(normalisations.items()),
            "operations": [[kind, slope, count] for (kind, slope), count in activations.items()],
        }
    )


def vary(adapter: Any, task: dict[str, Any], send: Emit) -> None:
    """Predictions of every variant, for those images on which it gives the network something else.

    Sends {"event": "varied", "variant": position, "rows", "unchanged": names, "undecodable"} for 16 images at a time,
    and {"event": "variant_failed", "variant", "message"} once for a variant that cannot be run.
    """
    variants: list[Mapping[str, Any]] = task["variants"]
    networks = _Networks(adapter, task)
    own = networks.of({})
    refs = [ImageRef(*fields) for fields in task["images"]]
    failed: set[int] = set()

    def fail(index: int, error: Exception) -> None:
        failed.add(index)
        send({"event": "variant_failed", "variant": index, "message": str(error) or type(error).__name__})

    def prepare(image: bytes) -> list[Array | Exception | None]:
        steps = own.preprocessing_steps(image)
        return [_inputs(variant, image, steps, task["recipe"]) for variant in variants]

    for chunk in prefetch(in_chunks(prepare, refs, _TOGETHER)):
        readable = [(ref, inputs) for ref, inputs in chunk if not isinstance(inputs, str)]
        undecodable = [ref.name for ref, why in chunk if isinstance(why, str)]
        for index, variant in enumerate(variants):
            if index in failed:
                continue
            try:
                given = [(ref.name, _input(variant, ref, inputs[index])) for ref, inputs in readable]
                changed = [(name, image) for name, image in given if image is not None]
                rows: Sequence[Any] = []
                if changed:
                    names, images = zip(*changed, strict=True)
                    rows = predictions(names, networks.forward(variant, np.stack(images)))
            except Exception as error:  # one variant's failure is that variant's alone
                fail(index, error)
                continue
            unchanged = [name for name, image in given if image is None]
            event = {"event": "varied", "variant": index, "rows": rows, "unchanged": unchanged}
            send({**event, "undecodable": undecodable})


def _inputs(variant: Mapping[str, Any], image: bytes, own: Steps, known: recipe.Recipe) -> Array | Exception | None:
    """What the variant gives the network; None where that is the source's own image and so is the network."""
    if "inputs" in variant:
        return None  # read when its turn comes
    try:
        changed = recipe.prepare(image, own, known, variant["changed"]) if variant.get("changed") else None
    except Exception as error:  # told with the variant, not with the image
        return error
    return own["normalise"] if changed is None and _other_network(variant) else changed


def _input(variant: Mapping[str, Any], ref: ImageRef, made: Array | Exception | None) -> Array | None:
    if isinstance(made, Exception):
        raise made
    if "inputs" in variant:
        if ref.name not in variant["inputs"]:
            raise ValueError(f"the other source could not prepare {ref.name}")
        return arrays.load(Path(variant["inputs"][ref.name]))["normalise"]
    return made


def _other_network(variant: Mapping[str, Any]) -> bool:
    return any(variant.get(name) for name in ("alteration", "checkpoint", "state"))


class _Networks:
    """The task's network, and the same with other weights; each is built once."""

    def __init__(self, adapter: Any, task: Mapping[str, Any]) -> None:
        self._adapter = adapter
        self._task = task
        self._built: dict[tuple[str, str, str], Any] = {}

    def of(self, variant: Mapping[str, Any]) -> Any:
        given = variant if variant.get("checkpoint") else self._task
        key = (given["checkpoint"], given.get("match", "name"), variant.get("state", ""))
        if key not in self._built:
            network = self._adapter.build(
                self._task["model"], Path(key[0]), key[1], input_size=self._task["input_size"]
            )
            if key[2]:
                network.load_state(arrays.load(Path(key[2])))
            self._built[key] = network
        return self._built[key]

    def forward(self, variant: Mapping[str, Any], batch: Array) -> Array:
        network = self.of(variant)
        if not variant.get("alteration"):
            return network.forward(batch)  # type: ignore[no-any-return]
        if not hasattr(network, "altered"):
            raise NotImplementedError("the adapter cannot alter its networks")
        with network.altered(variant["alteration"]):
            return network.forward(batch)  # type: ignore[no-any-return]
