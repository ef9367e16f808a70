"""Forms of a module that are counted: a fresh copy, branches fused for deployment, on one device."""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import torch
from harness.adapters.quiet import quiet
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

M = TypeVar("M", bound=nn.Module)

#: the device on which a network has shapes and no values
OUTLINE = "meta"


def fresh(logits: M) -> M:
    """A copy, because the counters leave hooks and buffers behind; on the CPU it has the network's own tensors."""
    if next(logits.parameters()).device.type not in ("cpu", OUTLINE):
        return copy.deepcopy(logits).cpu()
    tensors = itertools.chain(logits.parameters(), logits.buffers())
    return copy.deepcopy(logits, {id(tensor): tensor for tensor in tensors})


#: what gives a tensor of the shape that it is given
_KEEP_SHAPES = ("batch_norm", "layer_norm", "group_norm", "instance_norm")


@contextlib.contextmanager
def shapes_alone() -> Iterator[None]:
    """Within it normalisation gives back what it is given.

    On the meta device a forward pass takes half of its time to work out that its shape stays as it is.
    """
    own = {name: getattr(functional, name) for name in _KEEP_SHAPES}
    for name in own:
        setattr(functional, name, lambda input, *_, **__: input)
    try:
        yield
    finally:
        for name, function in own.items():
            setattr(functional, name, function)


#: What makes the tensors out of which constructors take numbers, as rates and widths of their layers. The first do
#: nothing else in all networks that are known; the others may also make what has to be on the device of the network.
NUMBERS = ((torch.linspace,), (torch.linspace, torch.logspace, torch.arange, torch.tensor))


class NumbersHaveValues(TorchFunctionMode):
    """Within it what these functions make is on the CPU, unless another device is named."""

    def __init__(self, functions: Sequence[Any]) -> None:
        super().__init__()
        self._functions = functions

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        named = dict(named or {})
        if function in self._functions:
            named.setdefault("device", "cpu")
        return function(*arguments, **named)


def is_fusible(module: nn.Module) -> bool:
    """Whether it has a form in which it is deployed, its branches fused."""
    return any(hasattr(part, "switch_to_deploy") for part in module.modules())


def fused(logits: M) -> M:
    """A copy in that form."""
    copied = copy.deepcopy(logits).cpu()
    done: set[nn.Module] = set()
    for module in list(copied.modules()):
        if hasattr(module, "switch_to_deploy") and module not in done:
            done.update(module.modules())  # it fuses what it is made of
            with quiet():
                module.switch_to_deploy()
    return copied.eval()


def on_one_device(module: M) -> M:
    """Normalisation that is synchronised between devices as the BatchNorm that it is on one, which counters know."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.SyncBatchNorm):
                plain = nn.BatchNorm2d(
                    child.num_features, child.eps, child.momentum, child.affine, child.track_running_stats
                )
                plain.__dict__.update({key: child.__dict__[key] for key in ("_parameters", "_buffers", "training")})
                setattr(parent, name, plain)
    return module


def biases(logits: nn.Module) -> int:
    """Biases of convolutions and linear layers."""
    layers = (m for m in logits.modules() if isinstance(m, nn.Linear | nn.modules.conv._ConvNd))
    return sum(layer.bias.numel() for layer in layers if layer.bias is not None)
