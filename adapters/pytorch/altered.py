"""Changes one property of a PyTorch network for the length of a forward pass, wherever in the network it occurs.

Torch functions are intercepted, as in torch_trace, because a property set on modules would miss what a forward method
calls directly. What a network computes by other means than the operation itself, such as x * sigmoid(x) for SiLU or
a scripted function, is not seen and stays as it is.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from harness.adapters.pytorch.trace import KINDS
from torch.nn import functional
from torch.overrides import TorchFunctionMode

#: activation -> what computes it; LeakyReLU takes its slope
_ACTIVATIONS: Mapping[str, Callable[..., torch.Tensor]] = {
    "Identity": torch.clone,  # a new tensor as from any other, because the network may change it in place
    "ReLU": functional.relu,
    "ReLU6": functional.relu6,
    "LeakyReLU": functional.leaky_relu,
    "SiLU": functional.silu,
    "GELU": functional.gelu,
    "Hardswish": functional.hardswish,
}
_PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}

#: position of eps in both torch.batch_norm and torch.nn.functional.batch_norm, whose other arguments differ
_EPS = 7


def applying(alteration: Mapping[str, Any], device: str) -> Callable[[], contextlib.AbstractContextManager[Any]]:
    """What makes the context in which a forward pass runs altered; see harness.adapters.base.Network.altered.

    Raises NotImplementedError for what cannot be altered on this device.
    """
    factor = alteration["factor"]
    if factor == "epsilon":
        return functools.partial(_Epsilon, alteration["value"])
    if factor == "activation":
        return functools.partial(_Activation, *_exchange(alteration))
    if factor == "precision":
        return _autocast(alteration["value"], torch.device(device).type)
    raise NotImplementedError(f"{factor}: a PyTorch network is altered in epsilon, activation or precision")


class _Epsilon(TorchFunctionMode):
    """Every batch normalisation adds `epsilon` to the variance."""

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self._epsilon = epsilon

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") == "batch_norm":
            if len(args) > _EPS:
                args = (*args[:_EPS], self._epsilon, *args[_EPS + 1 :])
            else:
                kwargs = {**kwargs, "eps": self._epsilon}
        return func(*args, **kwargs)


class _Activation(TorchFunctionMode):
    """Every call of one kind of activation computes another."""

    def __init__(self, kind: str, replacement: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self._kind = kind
        self._replacement = replacement

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if _kind(name, args, kwargs) != self._kind:
            return func(*args, **kwargs)
        given = args[0] if args else kwargs["input"]
        result = self._replacement(given)
        if name.endswith("_") or kwargs.get("inplace"):
            return given.copy_(result)  # the network may go on with the tensor that it passed
        return result


def _kind(name: str, args: Any, kwargs: Mapping[str, Any]) -> str | None:
    if name in ("hardtanh", "hardtanh_"):  # what the module ReLU6 calls
        bounds = (*args[1:3], *(kwargs[bound] for bound in ("min_val", "max_val") if bound in kwargs))
        return "ReLU6" if bounds == (0, 6) else None
    return KINDS.get(name)


def _exchange(alteration: Mapping[str, Any]) -> tuple[str, Callable[[torch.Tensor], torch.Tensor]]:
    """Which kind of activation is replaced, and by what."""
    old, new = alteration["from"], alteration["to"]
    if old not in _ACTIVATIONS or old == "Identity" or new not in _ACTIVATIONS:
        raise NotImplementedError(f"activation {old} to {new}: PyTorch's can be {', '.join(_ACTIVATIONS)}")
    replacement = _ACTIVATIONS[new]
    if new == "LeakyReLU":
        replacement = functools.partial(replacement, negative_slope=alteration["negative_slope"])
    return old, replacement


def _autocast(value: str, device: str) -> Callable[[], contextlib.AbstractContextManager[Any]]:
    if value not in _PRECISIONS:
        raise NotImplementedError(f"precision {value}: PyTorch's autocast is used for {' and '.join(_PRECISIONS)}")
    make = functools.partial(torch.autocast, device, dtype=_PRECISIONS[value])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # where a precision is not supported, a warning may be all that is given
            make()
    except (RuntimeError, Warning) as error:
        raise NotImplementedError(f"precision {value} on {device}: {error}") from error
    return make
