"""Records the operations of a Paddle forward pass as they run, functional calls included.

Paddle has no hook below its layers in eager mode, but an operation goes through paddle._C_ops, looked up by
attribute at the time of the call, through its predecessor _legacy_C_ops, or through an operator of the tensor
itself; so these are wrapped for the length of one forward pass.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import paddle
from paddle import _C_ops, _legacy_C_ops, nn

from adapters.base import LayerCall

#: operation -> its name in common terms and the arguments that follow its tensors, in order (phi's op definitions)
OPERATIONS: Mapping[str, tuple[str, Sequence[str]]] = {
    "conv2d": ("Conv2d", ("stride", "padding", "padding_algorithm", "dilation", "groups", "data_format")),
    "depthwise_conv2d": (
        "Conv2d",
        ("stride", "padding", "padding_algorithm", "groups", "dilation", "data_format"),
    ),
    "batch_norm": ("BatchNorm2d", ("is_test", "momentum", "eps", "data_format")),
    "batch_norm_": ("BatchNorm2d", ("is_test", "momentum", "eps", "data_format")),
    "layer_norm": ("LayerNorm", ("eps", "begin_norm_axis")),
    "linear": ("Linear", ()),
    "linear_v2": ("Linear", ()),
    "matmul": ("MatMul", ("transpose_x", "transpose_y")),
    "relu": ("ReLU", ()),
    "relu_": ("ReLU", ()),
    "relu6": ("ReLU6", ()),
    "leaky_relu": ("LeakyReLU", ("negative_slope",)),
    "leaky_relu_": ("LeakyReLU", ("negative_slope",)),
    "silu": ("SiLU", ()),
    "swish": ("SiLU", ()),
    "gelu": ("GELU", ("approximate",)),
    "hardswish": ("Hardswish", ()),
    "hardsigmoid": ("Hardsigmoid", ()),
    "sigmoid": ("Sigmoid", ()),
    "softmax": ("Softmax", ()),
    "add": ("Add", ()),
    "add_": ("Add", ()),
    "multiply": ("Multiply", ()),
    "concat": ("Concat", ("axis",)),
    "split": ("Split", ("sections", "axis")),
    "slice": ("Slice", ("axes", "starts", "ends")),
    "strided_slice": ("Slice", ("axes", "starts", "ends", "strides")),
    "flatten": ("Flatten", ("start_axis", "stop_axis")),
    "mean": ("Mean", ("axis", "keepdim")),
    "__add__": ("Add", ()),
    "__radd__": ("Add", ()),
    "__iadd__": ("Add", ()),
    "__mul__": ("Multiply", ()),
    "__rmul__": ("Multiply", ()),
    "__imul__": ("Multiply", ()),
    "__matmul__": ("MatMul", ()),
    "__getitem__": ("Slice", ()),
}

_TENSOR_OPERATORS = tuple(name for name in OPERATIONS if name.startswith("__") and hasattr(paddle.Tensor, name))


@contextlib.contextmanager
def recording(root: nn.Layer, emit: Callable[[LayerCall], None], values: bool) -> Iterator[None]:
    """Within it, every operation on floating-point tensors is handed to `emit`, in execution order."""
    stack: list[tuple[str, str]] = []
    names = {id(layer): name for name, layer in root.named_sublayers(include_self=True)}
    hooks = []
    for layer in root.sublayers(include_self=True):
        hooks.append(
            layer.register_forward_pre_hook(lambda layer, _args: stack.append((names[id(layer)], type(layer).__name__)))
        )
        hooks.append(layer.register_forward_post_hook(lambda _layer, _args, _output: stack.pop() and None))
    originals = [
        (holder, name, function)
        for holder in (_C_ops, _legacy_C_ops)
        for name, function in vars(holder).items()
        if callable(function) and not name.startswith("_")
    ]
    originals += [(paddle.Tensor, name, getattr(paddle.Tensor, name)) for name in _TENSOR_OPERATORS]
    index = 0
    depth = 0

    def wrap(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal index, depth
            if depth:  # part of an operation that is recorded as one
                return function(*args, **kwargs)
            shapes = _shapes(args)
            depth += 1
            try:
                output = function(*args, **kwargs)
            finally:
                depth -= 1
            first = output[0] if isinstance(output, (tuple, list)) and output else output
            if shapes and isinstance(first, paddle.Tensor) and first.is_floating_point():
                layer_name, layer_type = stack[-1] if stack else ("", "")
                kind, attributes = _describe(name, args)
                depth += 1  # emitting must not record itself
                emit(
                    LayerCall(
                        index=index,
                        name=layer_name,
                        module=layer_type,
                        kind=kind,
                        attributes=attributes,
                        input_shapes=shapes,
                        output_shape=tuple(first.shape),
                        output=_values(first) if values else None,
                    )
                )
                depth -= 1
                index += 1
            return output

        return wrapped

    for holder, name, function in originals:
        setattr(holder, name, wrap(name, function))
    try:
        yield
    finally:
        for holder, name, function in originals:
            setattr(holder, name, function)
        for hook in hooks:
            hook.remove()


def _values(tensor: paddle.Tensor) -> Any:
    return tensor.astype("float32").numpy().copy()


def _shapes(tree: Any) -> tuple[tuple[int, ...], ...]:
    if isinstance(tree, paddle.Tensor):
        return () if isinstance(tree, paddle.base.framework.EagerParamBase) else (tuple(tree.shape),)
    if isinstance(tree, (tuple, list)):
        return tuple(shape for item in tree for shape in _shapes(item))
    return ()


def _describe(name: str, args: Sequence[Any]) -> tuple[str, dict[str, Any]]:
    if name == "pool2d":
        return _describe_pool(args)
    kind, argument_names = OPERATIONS.get(name, (name, ()))
    weights = [arg for arg in args if isinstance(arg, paddle.base.framework.EagerParamBase)]
    plain = [arg for arg in args if not _is_tensors(arg) and arg is not None]
    attributes: dict[str, Any] = {}
    for key, value in zip(argument_names, plain, strict=False):
        if isinstance(value, (bool, int, float, str)):
            attributes[key] = value
        elif isinstance(value, (tuple, list)):
            attributes[key] = tuple(value)
    if weights:
        attributes["weight_shape"] = tuple(weights[0].shape)
    return kind, attributes


def _describe_pool(args: Sequence[Any]) -> tuple[str, dict[str, Any]]:
    names = (
        "kernel_size", "stride", "padding", "ceil_mode", "exclusive", "data_format", "pooling_type",
        "global_pooling", "adaptive",
    )  # fmt: skip
    given = dict(zip(names, args[1:], strict=False))
    average = given.get("pooling_type") == "avg"
    if given.get("adaptive") or given.get("global_pooling"):
        return ("AdaptiveAvgPool2d" if average else "AdaptiveMaxPool2d"), {}
    attributes = {key: tuple(v) if isinstance(v, list) else v for key, v in given.items() if key in names[:5]}
    return ("AvgPool2d" if average else "MaxPool2d"), attributes


def _is_tensors(arg: Any) -> bool:
    return isinstance(arg, paddle.Tensor) or (
        isinstance(arg, (tuple, list)) and bool(arg) and isinstance(arg[0], paddle.Tensor)
    )
