"""Changes one property of a Paddle network for the length of a forward pass, wherever in the network it occurs.

Operations are wrapped below the layers, as in paddle_trace, because a property set on layers would miss what a
forward method calls directly. What a network computes by other means than the operation itself, such as
x * sigmoid(x) for SiLU, is not seen and stays as it is.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from typing import Any

import paddle
from harness.adapters.paddle.trace import OPERATIONS, wrapping
from paddle import _C_ops, _legacy_C_ops

#: activation -> what computes it. Taken when this module is imported, so that none of them is a wrapped one.
_ACTIVATIONS: Mapping[str, Callable[..., paddle.Tensor]] = {
    "Identity": paddle.clone,  # a new tensor as from any other, because the network may change it in place
    "ReLU": _C_ops.relu,
    "ReLU6": _C_ops.relu6,
    "LeakyReLU": _C_ops.leaky_relu,
    "SiLU": _C_ops.silu,
    "GELU": _C_ops.gelu,
    "Hardswish": _C_ops.hardswish,
}
#: operation -> the activation that it computes
_KINDS = {name: kind for name, (kind, _) in OPERATIONS.items()}

#: precision -> its name in Paddle and whether the device has it
_PRECISIONS: Mapping[str, tuple[str, Callable[[], bool]]] = {
    "bf16": ("bfloat16", paddle.amp.is_bfloat16_supported),
    "fp16": ("float16", paddle.amp.is_float16_supported),
}

#: position of eps: after the input, the running statistics, scale and shift, is_test and momentum
_EPS = 7


def applying(alteration: Mapping[str, Any]) -> Callable[[], contextlib.AbstractContextManager[Any]]:
    """What makes the context in which a forward pass runs altered; see harness.adapters.base.Network.altered.

    Raises NotImplementedError for what cannot be altered on the present device.
    """
    factor = alteration["factor"]
    if factor == "epsilon":
        return _epsilon(alteration["value"])
    if factor == "activation":
        return _activation(alteration)
    if factor == "precision":
        return _autocast(alteration["value"])
    raise NotImplementedError(f"{factor}: a Paddle network is altered in epsilon, activation or precision")


def _epsilon(value: float) -> Callable[[], contextlib.AbstractContextManager[None]]:
    def wrap(_name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: function(*args[:_EPS], value, *args[_EPS + 1 :])

    return functools.partial(wrapping, [(_C_ops, "batch_norm"), (_C_ops, "batch_norm_")], wrap)


def _activation(alteration: Mapping[str, Any]) -> Callable[[], contextlib.AbstractContextManager[None]]:
    old, new = alteration["from"], alteration["to"]
    if old not in _ACTIVATIONS or old == "Identity" or new not in _ACTIVATIONS:
        raise NotImplementedError(f"activation {old} to {new}: Paddle's can be {', '.join(_ACTIVATIONS)}")
    # operations take their arguments by position
    arguments = {"LeakyReLU": (alteration.get("negative_slope"),), "GELU": (False,)}.get(new, ())

    def wrap(name: str, _function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> paddle.Tensor:
            given = next(arg for arg in (*args, *kwargs.values()) if isinstance(arg, paddle.Tensor))
            result = _ACTIVATIONS[new](given, *arguments)
            if name.endswith("_"):
                return paddle.assign(result, given)  # the network may go on with the tensor that it passed
            return result

        return wrapped

    names = [name for name, kind in _KINDS.items() if kind == old]
    functions = [(holder, name) for holder in (_C_ops, _legacy_C_ops) for name in names if hasattr(holder, name)]
    return functools.partial(wrapping, functions, wrap)


def _autocast(value: str) -> Callable[[], contextlib.AbstractContextManager[None]]:
    if value not in _PRECISIONS:
        raise NotImplementedError(f"precision {value}: Paddle's autocast is used for {' and '.join(_PRECISIONS)}")
    dtype, supported = _PRECISIONS[value]
    device = paddle.get_device()
    # auto_cast only warns that it has no effect, and the CPU is said to have bfloat16, which it has elsewhere
    if device == "cpu" or not supported():
        raise NotImplementedError(f"precision {value} on {device}: Paddle's autocast has no effect there")
    return functools.partial(paddle.amp.auto_cast, dtype=dtype, level="O1")
