"""A network of any Paddle source behind the common contract, and the checkpoints that Paddle writes."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from harness.adapters import keys
from harness.adapters.base import (
    Alterations,
    Array,
    CheckpointError,
    Inference,
    LayerCall,
    Match,
    Network,
    Parameters,
    Precision,
    Preprocessing,
    Runtime,
    Steps,
    fit,
)
from harness.adapters.paddle import altered as paddle_altered
from harness.adapters.paddle import export as paddle_export
from harness.adapters.paddle import inference as paddle_inference
from harness.adapters.paddle import safe_pickle
from harness.adapters.paddle import trace as paddle_trace
from harness.adapters.quiet import quiet
from paddle import nn

STAND_IN = "parity_stand_in"
PLAIN = "paddle.flops, convolutions and linear layers"
NORMALISATIONS = (nn.layer.norm._BatchNormBase, nn.LayerNorm, nn.GroupNorm, nn.BatchNorm)
BATCH_NORMALISATIONS = (nn.layer.norm._BatchNormBase, nn.BatchNorm)
COUNTED = (
    nn.Conv1D,
    nn.Conv2D,
    nn.Conv3D,
    nn.Conv1DTranspose,
    nn.Conv2DTranspose,
    nn.Conv3DTranspose,
    nn.Linear,
)


class PaddleNetwork(Network):
    """See harness.adapters.base.Network. A source says how an image is prepared."""

    plain_counter = PLAIN

    def __init__(
        self, module: nn.Layer, preprocessing: Preprocessing, preprocessing_steps: Callable[[bytes], Steps]
    ) -> None:
        module.eval()
        self.module = module
        self.preprocessing = preprocessing
        self.input_size = preprocessing.crop
        self.preprocessing_steps = preprocessing_steps
        self._alterations = Alterations()

    # -- forward ---------------------------------------------------------------------------------

    def preprocess(self, image: bytes) -> Array:
        return self.preprocessing_steps(image)["normalise"]

    def forward(self, batch: Array) -> Array:
        with paddle.no_grad(), self._alterations.applied():
            logits = self.module(paddle.to_tensor(np.ascontiguousarray(batch)))
        return logits.astype("float32").numpy()

    def altered(self, alteration: Mapping[str, Any]) -> contextlib.AbstractContextManager[None]:
        return self._alterations.holding(paddle_altered.applying(alteration))

    def features(self, batch: Array) -> Array:
        entered: list[paddle.Tensor] = []
        hook = self._classifier().register_forward_pre_hook(lambda _, args: entered.append(args[0]))
        try:
            self.forward(batch)
        finally:
            hook.remove()
        return entered[-1].astype("float32").numpy()

    def trace(self, batch: Array, emit: Callable[[LayerCall], None], values: bool = True) -> None:
        with paddle.no_grad(), paddle_trace.recording(self.module, emit, values):
            self.module(paddle.to_tensor(np.ascontiguousarray(batch)))

    # -- other ways to run it --------------------------------------------------------------------

    def inference(self, precision: Precision, example: Array) -> Inference:
        return paddle_inference.fastest(self.module, self.input_size, self.forward, precision, example)

    def export(self, runtime: Runtime, folder: Path) -> Path:
        exporting = paddle_export.EXPORTERS.get(runtime)
        if exporting is None:
            raise NotImplementedError(f"runtime {runtime}: Paddle networks go to {', '.join(paddle_export.EXPORTERS)}")
        try:
            return exporting(self.module, self.input_size, folder)
        except Exception as error:  # a converter may raise anything
            reason = paddle_inference.reason(error)
            raise NotImplementedError(f"runtime {runtime}: the network cannot be converted. {reason}") from error

    # -- counts ----------------------------------------------------------------------------------

    def parameters(self) -> Parameters:
        by_type: dict[str, int] = {}
        affine = running = other = 0
        for layer in self.module.sublayers(include_self=True):
            for name, tensor in layer.named_parameters(include_sublayers=False):
                # the layer named BatchNorm keeps its running statistics among the parameters
                if name in ("_mean", "_variance"):
                    running += tensor.size
                elif tensor.trainable:
                    kind = type(layer).__name__
                    by_type[kind] = by_type.get(kind, 0) + tensor.size
                    affine += tensor.size if isinstance(layer, NORMALISATIONS) else 0
                else:
                    other += tensor.size
            for name, tensor in layer.named_buffers(include_sublayers=False):
                if name in ("_mean", "_variance"):
                    running += tensor.size
                else:
                    other += tensor.size
        linear = self._linears()
        return Parameters(
            learnable=int(sum(by_type.values())),
            normalisation_affine=int(affine),
            running_statistics=int(running),
            other_buffers=int(other),
            classifier=int(sum(p.size for p in linear[-1].parameters())) if linear else 0,
            by_type={kind: int(count) for kind, count in by_type.items()},
            by_counter={},
            biases=int(
                sum(
                    one.bias.size
                    for one in self.module.sublayers()
                    if isinstance(one, COUNTED) and one.bias is not None
                )
            ),
        )

    def multiply_adds(self, size: int) -> Mapping[str, int | str]:
        # paddle.flops takes rules per layer type; a rule that adds nothing leaves that type out
        others = {
            type(layer): lambda *_: None
            for layer in self.module.sublayers()
            if not isinstance(layer, COUNTED) and not list(layer.sublayers())
        }
        counts: dict[str, int | str] = {}
        for name, rules in (("paddle.flops", None), (PLAIN, others)):
            try:
                with quiet(), _buffers_kept(self.module):
                    counts[name] = int(paddle.flops(self.module, [1, 3, size, size], custom_ops=rules))
            except Exception as error:  # a counter that breaks on this network is a fact about the counter
                counts[name] = f"{type(error).__name__}: {error}"
        self.module.eval()
        return counts

    # -- state -----------------------------------------------------------------------------------

    def state(self) -> Mapping[str, Array]:
        return {name: tensor.numpy() for name, tensor in self.module.state_dict().items()}

    def load_state(self, state: Mapping[str, Array], match: Match = "name", where: str = "the state") -> None:
        own = {name: tuple(tensor.shape) for name, tensor in self.module.state_dict().items()}
        given = {name: tuple(np.shape(array)) for name, array in state.items() if name != STAND_IN}
        pairs = fit(own, given, match, where)
        self.module.set_state_dict({ours: np.asarray(state[theirs]) for ours, theirs in pairs.items()})

    def _linears(self) -> list[nn.Linear]:
        return [layer for layer in self.module.sublayers() if isinstance(layer, nn.Linear)]

    def _classifier(self) -> nn.Linear:
        linears = self._linears()
        if not linears:
            raise NotImplementedError(f"{type(self.module).__name__} has no final linear layer")
        return linears[-1]

    def set_classifier(self, weight: Array, bias: Array) -> None:
        linear = self._classifier()
        linear.weight.set_value(np.ascontiguousarray(weight.T))  # Paddle keeps (in, out)
        linear.bias.set_value(bias)

    def calibrate(self, batches: Iterable[Array]) -> None:
        norms = [layer for layer in self.module.sublayers() if isinstance(layer, BATCH_NORMALISATIONS)]
        momenta = [norm._momentum for norm in norms]
        for norm in norms:
            norm.training = True
        try:
            for seen, batch in enumerate(batches, 1):
                for norm in norms:
                    norm._momentum = (seen - 1) / seen  # Paddle's momentum weighs the old value
                self.forward(batch)
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm._momentum = momentum
                norm.training = False

    def save(self, path: Path, stand_in: str | None = None) -> None:
        state = dict(self.state())
        if stand_in:
            state[STAND_IN] = stand_in
        # what paddle.save writes for a state dict: a pickle of arrays by name
        with path.open("wb") as file:
            pickle.dump(state, file, protocol=4)


def use_device(device: str) -> None:
    """Has Paddle compute on "cpu" or "cuda"."""
    paddle.set_device("gpu" if device == "cuda" else device)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it a network is built with weights of this seed, however many were built before.

    Some networks name their parameters by hand, and Paddle refuses a name that it has seen in this process.
    """
    paddle.seed(seed)
    with paddle.base.unique_name.guard():
        yield


def load_checkpoint(network: PaddleNetwork, checkpoint: Path, match: Match) -> None:
    """Loads the first set of weights in the file that fits, whatever they are wrapped in.

    Raises CheckpointError for a file that is not a state dict or does not fit the network.
    """
    content = safe_pickle.load(checkpoint)
    found = {name: dict(state) for name, state in keys.sets(safe_pickle.unnamed(content))}
    if not any(found.values()):
        raise CheckpointError(f"{checkpoint}: no arrays in it; expected a state dict")
    expected = keys.shapes(network.state())
    if match == "name":
        for name, state in found.items():
            for _, read in keys.readings(expected, name, state):
                network.load_state(read)
                return
    network.load_state(max(found.values(), key=len), match, str(checkpoint))


def stand_in_mark(checkpoint: Path) -> str | None:
    """The text by which a stand-in checkpoint says how it was made up."""
    mark = safe_pickle.load(checkpoint).get(STAND_IN)
    return mark if isinstance(mark, str) and mark else None


@contextlib.contextmanager
def _buffers_kept(module: nn.Layer) -> Iterator[None]:
    """Removes what `paddle.flops` leaves in every layer: buffers with its sums, which are not part of the network."""
    held = [(layer, set(layer._buffers)) for layer in module.sublayers(include_self=True)]
    try:
        yield
    finally:
        for layer, names in held:
            for name in set(layer._buffers) - names:
                del layer._buffers[name]
