"""A PyTorch network as PyTorch runs it fastest, with the same logits up to rounding."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator

import torch
from harness.adapters.base import ROUNDING, Array, Inference, Precision, deviation
from harness.adapters.pytorch import altered
from harness.adapters.quiet import quiet
from torch import nn

Function = Callable[[torch.Tensor], torch.Tensor]


def fastest(
    network: nn.Module, tensor: Callable[[Array], torch.Tensor], precision: Precision, example: Array
) -> Inference:
    """The network, a function from images to logits; `tensor` brings images to its device.

    Raises NotImplementedError for a precision that PyTorch does not have on that device.
    """
    device = next(network.parameters()).device.type
    engine = f"torch {torch.__version__}"
    if precision == "fp32":
        casting = contextlib.nullcontext
    else:
        casting = altered.applying({"factor": "precision", "value": precision}, device)
        engine += f", {precision} by autocast"

    def forward_of(function: Function, layout: torch.memory_format) -> Callable[[Array], Array]:
        def forward(batch: Array) -> Array:
            with torch.inference_mode(), casting():
                return function(tensor(batch).contiguous(memory_format=layout)).float().cpu().numpy()

        return forward

    plain = forward_of(network, torch.contiguous_format)
    batches = (example, example[:1], example)  # some things are settled only on the second batch of a size
    expected = [plain(batch) for batch in batches[:2]] * 2
    for words, make in _ways(network, tensor(example), device, precision):
        # a network may look at a tensor in a way that only the usual layout allows, and a tracer may raise anything
        with contextlib.suppress(Exception):
            forward = forward_of(make(), torch.channels_last)
            apart = max(deviation(logits, forward(batch)) for logits, batch in zip(expected, batches, strict=False))
            if precision != "fp32" or apart < ROUNDING:
                return Inference(f"{engine}, {words}", forward)
    return Inference(engine, plain)


def _ways(
    network: nn.Module, images: torch.Tensor, device: str, precision: Precision
) -> Iterator[tuple[str, Callable[[], Function]]]:
    """In words, and what makes it; the fastest first."""

    def channels_last() -> nn.Module:
        return copy.deepcopy(network).to(memory_format=torch.channels_last)

    def frozen() -> nn.Module:
        """Normalisations become a part of the convolutions before them."""
        with quiet(), torch.no_grad():
            return torch.jit.freeze(torch.jit.trace(channels_last(), images, check_trace=False))

    # autocast is not part of a trace, and on other devices than the CPU kernels are fused and compiled as it runs
    if device == "cpu" and precision == "fp32":
        yield "channels_last, traced and frozen", frozen
    yield "channels_last", channels_last
