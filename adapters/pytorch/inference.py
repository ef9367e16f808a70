"""A PyTorch network as PyTorch runs it fastest, with the same logits up to rounding."""

from __future__ import annotations

import contextlib
import copy
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from harness.adapters.base import ROUNDING, Array, Inference, Precision, deviation
from harness.adapters.devices import is_out_of_memory
from harness.adapters.pytorch import altered
from harness.adapters.pytorch import device as torch_device
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
    casting: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    if precision == "tf32":
        casting = torch_device.tf32(device)
        engine += ", tf32"
    elif precision != "fp32":
        casting = altered.applying({"factor": "precision", "value": precision}, device)
        engine += f", {precision} by autocast"

    def forward_of(function: Function, layout: torch.memory_format) -> Callable[[Array], Array]:
        def forward(batch: Array) -> Array:
            with torch.inference_mode(), casting():
                return function(tensor(batch).contiguous(memory_format=layout)).float().cpu().numpy()

        return forward

    plain = forward_of(network, torch.contiguous_format)
    batches = (example, example[:1], example)  # some things are settled only on the second batch of a size
    with _unrepeatable() as kernels:
        expected = [plain(batch) for batch in batches[:2]] * 2
    engine += f", not repeatable to the bit: {', '.join(kernels)}" if kernels else ""
    for words, make in _ways(network, tensor(example), device, precision):
        try:
            forward = forward_of(make(), torch.channels_last)
            apart = max(deviation(logits, forward(batch)) for logits, batch in zip(expected, batches, strict=False))
        except Exception as error:  # a network may allow the usual layout alone, and a tracer may raise anything
            if is_out_of_memory(error):  # which must not decide how it is run
                raise
            continue
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


@contextlib.contextmanager
def _unrepeatable() -> Iterator[list[str]]:
    """The kernels that run within it and have no deterministic form, by name; see device.prepare."""
    found: list[str] = []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        yield found
    for warning in said:
        text = str(warning.message)
        if "deterministic" in text and (named := re.match(r"\s*([\w.:]+)", text)) and named[1] not in found:
            found.append(named[1])
        elif "deterministic" not in text:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
