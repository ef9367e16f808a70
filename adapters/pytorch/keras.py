"""A network of Keras on PyTorch behind the common contract: its layers are modules, but not those of PyTorch."""

from __future__ import annotations

import contextlib
import functools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import torch
from harness.adapters.base import (
    Array,
    CheckpointError,
    Inference,
    Match,
    Network,
    Parameters,
    Precision,
    Preprocessing,
    Runtime,
    Steps,
    fit,
)
from harness.adapters.pytorch import counters
from harness.adapters.pytorch.checkpoints import STAND_IN
from harness.adapters.pytorch.network import TorchNetwork
from keras.src.legacy.saving import legacy_h5_format
from torch import nn

#: layer -> its weights, in the order in which Keras stores them
Layout = Mapping[str, Sequence[str]]
_NORMALISATIONS = (keras.layers.BatchNormalization, keras.layers.LayerNormalization, keras.layers.GroupNormalization)
#: what Keras puts behind the name of a layer that has none of its own
_NUMBER = re.compile(r"_\d+$")


class KerasNetwork(TorchNetwork):
    """See harness.adapters.base.Network. `at` builds it for another size, since its shapes are fixed."""

    def __init__(
        self,
        model: keras.Model,
        preprocessing: Preprocessing,
        preprocessing_steps: Callable[[bytes], Steps],
        device: str,
        is_bgr: bool,
        at: Callable[[int], KerasNetwork],
    ) -> None:
        self.model = model
        self._at = at
        # a model keeps its layers where PyTorch does not see them
        layers = nn.ModuleDict({layer.name: layer for layer in model.layers})

        def logits(_layers: nn.Module, batch: torch.Tensor) -> torch.Tensor:
            with keras.device(device):
                return model((batch.flip(1) if is_bgr else batch).permute(0, 2, 3, 1), training=False)

        super().__init__(layers, preprocessing, preprocessing_steps, device, logits)

    def _layers(self) -> Iterator[keras.layers.Layer]:
        """Those that hold no others."""
        held = list(self.model.layers)
        while held:
            layer = held.pop(0)
            inner = list(getattr(layer, "layers", ()))
            held = inner + held
            if not inner:
                yield layer

    # -- what Keras does otherwise than PyTorch ---------------------------------------------------

    states = Network.states  # an HDF5 file holds one set of weights

    def altered(self, alteration: Mapping[str, Any]) -> contextlib.AbstractContextManager[None]:
        if alteration["factor"] == "epsilon":
            raise NotImplementedError("epsilon: Keras normalises by sums and products, which have none to alter")
        return super().altered(alteration)

    def inference(self, precision: Precision, example: Array) -> Inference:
        return Network.inference(self, precision, example)

    def export(self, runtime: Runtime, folder: Path) -> Path:
        return Network.export(self, runtime, folder)

    def multiply_adds(self, size: int) -> Mapping[str, int | str]:
        """By PyTorch's counter alone: the others know none of Keras's layers."""
        network = self if size == self.input_size else self._at(size)
        try:
            return {self.plain_counter: counters.COUNTERS[self.plain_counter](network.logits, size)}
        except Exception as error:  # a counter that breaks on this network is a fact about the counter
            return {self.plain_counter: f"{type(error).__name__}: {error}"}

    def bare_parameters(self) -> Parameters:
        return self.parameters()

    def parameters(self) -> Parameters:
        by_type: dict[str, int] = {}
        affine = running = other = biases = 0
        for layer in self._layers():
            learnable, kept = _size(layer.trainable_weights), _size(layer.non_trainable_weights)
            if learnable:
                by_type[type(layer).__name__] = by_type.get(type(layer).__name__, 0) + learnable
            affine += learnable if isinstance(layer, _NORMALISATIONS) else 0
            running += kept if isinstance(layer, keras.layers.BatchNormalization) else 0
            other += 0 if isinstance(layer, keras.layers.BatchNormalization) else kept
            biases += _size([bias]) if (bias := getattr(layer, "bias", None)) is not None else 0
        dense = self._classifier(optional=True)
        return Parameters(
            learnable=sum(by_type.values()),
            normalisation_affine=affine,
            running_statistics=running,
            other_buffers=other,
            classifier=_size(dense.trainable_weights) if dense else 0,
            by_type=by_type,
            biases=biases,
        )

    def calibrate(self, batches: Iterable[Array]) -> None:
        norms = [layer for layer in self._layers() if isinstance(layer, keras.layers.BatchNormalization)]
        momenta = [norm.momentum for norm in norms]
        try:
            for norm in norms:  # they alone, so that nothing is dropped out
                vars(norm)["call"] = functools.partial(_trained, norm)
            for seen, batch in enumerate(batches, 1):
                for norm in norms:
                    norm.momentum = 1 - 1 / seen  # the running value becomes the mean over the batches so far
                with torch.no_grad():
                    self.logits(self._tensor(batch))
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                vars(norm).pop("call", None)
                norm.momentum = momentum

    def _classifier(self, optional: bool = False) -> keras.layers.Dense | None:
        dense = [layer for layer in self._layers() if isinstance(layer, keras.layers.Dense)]
        if not dense and not optional:
            raise NotImplementedError(f"{self.model.name} has no final Dense layer")
        return dense[-1] if dense else None

    def set_classifier(self, weight: Array, bias: Array) -> None:
        dense = self._classifier()
        dense.kernel.assign(weight.T)
        dense.bias.assign(bias)

    # -- state -----------------------------------------------------------------------------------

    def _weights(self) -> dict[str, Any]:
        return {_name(weight): weight for layer in self.model.layers for weight in _stored(layer)}

    def layout(self) -> Layout:
        return {layer.name: list(map(_name, _stored(layer))) for layer in self.model.layers if _stored(layer)}

    def state(self) -> Mapping[str, Array]:
        return {name: weight.value.detach().cpu().numpy() for name, weight in self._weights().items()}

    def load_state(self, state: Mapping[str, Array], match: Match = "name", where: str = "the state") -> None:
        own = self._weights()
        shapes = {name: tuple(weight.shape) for name, weight in own.items()}
        pairs = fit(shapes, {name: tuple(np.shape(array)) for name, array in state.items()}, match, where)
        for ours, theirs in pairs.items():
            own[ours].assign(np.array(state[theirs]))

    def save(self, path: Path, stand_in: str | None = None) -> None:
        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, self.model)
            if stand_in:
                file.attrs[STAND_IN] = stand_in


def _trained(norm: keras.layers.Layer, inputs: Any, training: Any = None, mask: Any = None) -> Any:  # noqa: ARG001
    """What a normalisation does in training, whatever it is told."""
    return type(norm).call(norm, inputs, training=True, mask=mask)


def _stored(layer: keras.layers.Layer) -> list[Any]:
    return layer.trainable_weights + layer.non_trainable_weights


def _name(weight: Any) -> str:
    return weight.path.replace("/", ".")


def _size(weights: Iterable[Any]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: not a file of Keras weights in HDF5 ({error}). Expected the .h5 file that the source publishes"
        ) from error


def stand_in_mark(path: Path) -> str | None:
    """The text by which a stand-in checkpoint says how it was made up."""
    with _opened(path) as file:
        mark = file.attrs.get(STAND_IN)
        return mark if isinstance(mark, str) and mark else None


def entries_of(path: Path, layout: Layout, match: Match) -> dict[str, np.ndarray]:
    """The arrays in a file of weights, under the network's names where the file is of the same layers.

    Keras loads such files by the order of layers and weights, whatever their names; here the layers' names have to
    fit, but for the numbers that Keras gives. By order the names are the file's. Nothing is read from outside the
    file.
    """
    with _opened(path) as file:
        root = _inside(file, "model_weights") if "model_weights" in file else file
        arrays: dict[str, dict[str, np.ndarray]] = {}
        for layer in legacy_h5_format.load_attributes_from_hdf5_group(root, "layer_names"):
            group = _inside(root, layer)
            names = legacy_h5_format.load_attributes_from_hdf5_group(group, "weight_names")
            if names:
                arrays[layer] = {name: _array(_inside(group, name)) for name in names}
    if match == "name" and _is_alike(layout, arrays):
        pairs = zip(layout.values(), arrays.values(), strict=True)
        return {name: array for names, own in pairs for name, array in zip(names, own.values(), strict=True)}
    return {name: array for own in arrays.values() for name, array in own.items()}


def _is_alike(layout: Layout, arrays: Mapping[str, Mapping[str, np.ndarray]]) -> bool:
    if [len(names) for names in layout.values()] != [len(own) for own in arrays.values()]:
        return False
    return all(_NUMBER.sub("", a) == _NUMBER.sub("", b) for a, b in zip(layout, arrays, strict=True))


def _inside(group: h5py.Group, name: str) -> Any:
    """A member of a group that no link takes to another file."""
    for part in name.split("/"):
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} is not in it")
        group = group[part]
    return group


def _array(dataset: Any) -> np.ndarray:
    if (
        not isinstance(dataset, h5py.Dataset)
        or dataset.is_virtual
        or dataset.external
        or dataset.dtype.kind not in "fiu"
    ):
        raise ValueError(f"{dataset.name} is not an array of numbers")
    return np.array(dataset)
