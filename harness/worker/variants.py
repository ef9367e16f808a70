"""Runs inside a source's environment: what a network would have said had one thing been otherwise.

Nothing here knows a claim.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.adapters import identification, recipe
from harness.adapters.base import LayerCall, Steps
from harness.worker import arrays
from harness.worker.batches import Array, attempt, in_chunks, predictions, prefetch
from harness.worker.images import ImageRef
from harness.worker.protocol import Emit, Prediction, RecipeFound, VariantFailed, Varied
from harness.worker.tasks import Identify, Variant, Vary

#: Images of one forward pass. All variants of these are held at once.
_TOGETHER = 16


def identify(adapter: Any, task: Identify, send: Emit) -> None:
    """How a source prepares images, told from what it does with some, and what a network has that can be altered."""
    network = adapter.build(task.model, input_size=task.input_size)
    tried = [attempt(lambda image: (image, network.preprocessing_steps(image)), ref) for ref in task.images]
    decoded = [one for one in tried if not isinstance(one, str)]
    if not decoded:
        raise ValueError(f"none of the {len(tried)} images could be decoded, the first: {tried[0]}")
    images, results = zip(*decoded, strict=True)
    found, reasons = identification.identify(images, results, network.preprocessing)
    normalisations: Counter[float] = Counter()
    activations: Counter[tuple[str, float | None]] = Counter()

    def count(call: LayerCall) -> None:
        if call.kind == "BatchNorm2d" and "eps" in call.attributes:
            normalisations[round(float(call.attributes["eps"]), 12)] += 1
        activations[call.kind, call.attributes.get("negative_slope")] += 1

    network.trace(np.stack([results[0]["normalise"]]), count, values=False)
    send(
        RecipeFound(
            recipe=found,
            reasons=reasons,
            libraries=recipe.libraries(),
            said=network.preprocessing,
            epsilons=sorted(normalisations.items()),
            operations=[(kind, slope, number) for (kind, slope), number in activations.items()],
        )
    )


def vary(adapter: Any, task: Vary, send: Emit) -> None:
    """Predictions of every variant, for those images on which it gives the network something else.

    Sends Varied for 16 images at a time, and VariantFailed once for a variant that cannot be run.
    """
    networks = _Networks(adapter, task)
    own = networks.of(Variant())
    failed: set[int] = set()

    def prepare(image: bytes) -> list[Array | Exception | None]:
        steps = own.preprocessing_steps(image)
        return [_inputs(variant, image, steps, task.recipe) for variant in task.variants]

    for chunk in prefetch(in_chunks(prepare, task.images, _TOGETHER)):
        readable = [(ref, inputs) for ref, inputs in chunk if not isinstance(inputs, str)]
        undecodable = [ref.name for ref, why in chunk if isinstance(why, str)]
        for index, variant in enumerate(task.variants):
            if index in failed:
                continue
            try:
                given = [(ref.name, _input(variant, ref, inputs[index])) for ref, inputs in readable]
                changed = [(name, image) for name, image in given if image is not None]
                rows: Sequence[Prediction] = []
                if changed:
                    names, images = zip(*changed, strict=True)
                    rows = predictions(names, networks.forward(variant, np.stack(images)))
            except Exception as error:  # one variant's failure is that variant's alone
                failed.add(index)
                send(VariantFailed(index, str(error) or type(error).__name__))
                continue
            send(Varied(index, rows, [name for name, image in given if image is None], undecodable))


def _inputs(variant: Variant, image: bytes, own: Steps, known: recipe.Recipe) -> Array | Exception | None:
    """What the variant gives the network; None where that is the source's own image and so is the network."""
    if variant.inputs is not None:
        return None  # read when its turn comes
    try:
        changed = recipe.prepare(image, own, known, variant.changed) if variant.changed else None
    except Exception as error:  # told with the variant, not with the image
        return error
    return own["normalise"] if changed is None and _other_network(variant) else changed


def _input(variant: Variant, ref: ImageRef, made: Array | Exception | None) -> Array | None:
    if isinstance(made, Exception):
        raise made
    if variant.inputs is not None:
        if ref.name not in variant.inputs:
            raise ValueError(f"the other source could not prepare {ref.name}")
        return arrays.load(Path(variant.inputs[ref.name]))["normalise"]
    return made


def _other_network(variant: Variant) -> bool:
    return bool(variant.alteration or variant.checkpoint or variant.weights or variant.state)


class _Networks:
    """The task's network, and the same with other weights; each is built once."""

    def __init__(self, adapter: Any, task: Vary) -> None:
        self._adapter = adapter
        self._task = task
        self._built: dict[tuple[str, str, str, str], Any] = {}

    def of(self, variant: Variant) -> Any:
        weights = variant if variant.checkpoint else self._task
        key = (weights.checkpoint, weights.match, variant.state, variant.weights)
        if key not in self._built:
            network = self._adapter.build(self._task.model, Path(key[0]), key[1], input_size=self._task.input_size)
            if variant.weights:
                network.states()[variant.weights]()
            if variant.state:
                network.load_state(arrays.load(Path(variant.state)))
            self._built[key] = network
        return self._built[key]

    def forward(self, variant: Variant, batch: Array) -> Array:
        network = self.of(variant)
        if not variant.alteration:
            return network.forward(batch)  # type: ignore[no-any-return]
        with network.altered(variant.alteration):
            return network.forward(batch)  # type: ignore[no-any-return]
