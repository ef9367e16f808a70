"""Records the operations of a Paddle forward pass as they run, functional calls included.

Paddle has no hook below its layers in eager mode, but an operation goes through paddle._C_ops, looked up by
attribute at the time of the call, through its predecessor _legacy_C_ops, or through an operator of the tensor
itself; so these are wrapped for the length of one forward pass.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import paddle
from harness.adapters.base import LayerCall, slice_attributes
from paddle import _C_ops, _legacy_C_ops, nn

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
    "silu_": ("SiLU", ()),
    "swish": ("SiLU", ()),
    "gelu": ("GELU", ("approximate",)),
    "hardswish": ("Hardswish", ()),
    "hard_swish": ("Hardswish", ()),
    "hardsigmoid": ("Hardsigmoid", ()),
    "sigmoid": ("Sigmoid", ()),
    "softmax": ("Softmax", ()),
    "add": ("Add", ()),
    "add_": ("Add", ()),
    "multiply": ("Multiply", ()),
    "concat": ("Concat", ("axis",)),
    "split": ("Split", ("sections", "axis")),
    "split_with_num": ("Split", ("num", "axis")),
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

#: operation -> the roles of the state's tensors among its arguments, in order
_ROLES: Mapping[str, Sequence[str]] = {
    "Conv2d": ("weight",),
    "BatchNorm2d": ("running_mean", "running_var", "weight", "bias"),
    "LayerNorm": ("weight", "bias"),
    "Linear": ("weight", "bias"),
    "MatMul": ("weight",),
    "Add": ("bias",),
}

#: what only moves or renames a tensor; a bias is reshaped before it is added
_MOVES = ("reshape", "reshape_", "cast", "assign", "contiguous")

#: where a tensor carries the index of the call that made it, and the state's entry that it is a view of
_MADE_BY = "_parity_made_by"
_VIEW_OF = "_parity_view_of"

#: operators of the tensor itself, and a method that hands it on under another object
_TENSOR_OPERATORS = tuple(
    name for name in (*OPERATIONS, "_use_gpudnn") if name.startswith("_") and hasattr(paddle.Tensor, name)
)


@contextlib.contextmanager
def wrapping(
    functions: Iterable[tuple[Any, str]], wrap: Callable[[str, Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    """Within it, these (holder, name of a function in it) are replaced by wrap(name, function)."""
    originals = [(holder, name, getattr(holder, name)) for holder, name in functions]
    for holder, name, function in originals:
        setattr(holder, name, wrap(name, function))
    try:
        yield
    finally:
        for holder, name, function in originals:
            setattr(holder, name, function)


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
    functions = [
        (holder, name)
        for holder in (_C_ops, _legacy_C_ops)
        for name, function in vars(holder).items()
        if callable(function) and not name.startswith("_")
    ]
    functions += [(paddle.Tensor, name) for name in _TENSOR_OPERATORS]
    state = {id(tensor): name for name, tensor in _state(root)}
    index = 0
    depth = 0

    def entry(tensor: paddle.Tensor) -> str | None:
        return state.get(id(tensor)) or getattr(tensor, _VIEW_OF, None)

    def record(
        kind: str,
        attributes: Mapping[str, Any],
        tensors: Mapping[str, str],
        shapes: tuple[tuple[int, ...], ...],
        inputs: tuple[int | None, ...],
        output: paddle.Tensor,
    ) -> None:
        nonlocal index
        layer_name, layer_type = stack[-1] if stack else ("", "")
        emit(
            LayerCall(
                index=index,
                name=layer_name,
                module=layer_type,
                kind=kind,
                attributes=attributes,
                input_shapes=shapes,
                output_shape=tuple(output.shape),
                output=_values(output) if values else None,
                inputs=inputs,
                tensors=tensors,
            )
        )
        setattr(output, _MADE_BY, index)
        index += 1

    def wrap(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal depth
            if depth:  # part of an operation that is recorded as one
                return function(*args, **kwargs)
            depth += 1  # what happens within belongs to this operation, and emitting must not record itself
            try:
                tensors = _tensors((args, kwargs))
                entries = [found for tensor in tensors if (found := entry(tensor))]
                given = [tensor for tensor in tensors if not entry(tensor)]
                shapes = tuple(tuple(tensor.shape) for tensor in given)
                inputs = tuple(getattr(tensor, _MADE_BY, None) for tensor in given)
                output = function(*args, **kwargs)
                parts = list(output) if isinstance(output, (tuple, list)) and output else [output]
                first = parts[0]
                if not isinstance(first, paddle.Tensor) or not first.is_floating_point():
                    return output
                if not shapes:
                    if entries and name in _MOVES:
                        setattr(first, _VIEW_OF, entries[0])
                    return output
                if name == "_use_gpudnn":
                    setattr(first, _MADE_BY, inputs[0])
                    return output
                kind, attributes = _describe(name, args)
                if kind == "Split":  # each part is a slice, so that it shows which part goes where
                    axis = int(attributes.get("axis", 0)) % len(first.shape)
                    start = 0
                    for part in parts:
                        stop = start + part.shape[axis]
                        record("Slice", {"axis": axis, "start": start, "stop": stop}, {}, shapes, inputs, part)
                        start = stop
                    return output
                if name == "__getitem__":
                    attributes = slice_attributes(shapes[0], args[1])
                elif kind == "Slice":
                    attributes = _slice(attributes, shapes[0])
                roles = _ROLES.get(kind, ())
                used = {roles[i] if i < len(roles) else f"argument{i}": found for i, found in enumerate(entries)}
                record(kind, attributes, used, shapes, inputs, first)
                return output
            finally:
                depth -= 1

        return wrapped

    try:
        with wrapping(functions, wrap):
            yield
    finally:
        for hook in hooks:
            hook.remove()


def _values(tensor: paddle.Tensor) -> Any:
    return tensor.astype("float32").numpy().copy()


def _state(root: nn.Layer) -> Iterator[tuple[str, paddle.Tensor]]:
    for prefix, layer in root.named_sublayers(include_self=True):
        held = [*layer.named_parameters(include_sublayers=False), *layer.named_buffers(include_sublayers=False)]
        for name, tensor in held:
            yield (f"{prefix}.{name}" if prefix else name), tensor


def _tensors(tree: Any) -> list[paddle.Tensor]:
    if isinstance(tree, paddle.Tensor):
        return [tree]
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, (tuple, list)):
        return [tensor for item in tree for tensor in _tensors(item)]
    return []


def _slice(attributes: Mapping[str, Any], shape: Sequence[int]) -> dict[str, Any]:
    """Axis and bounds of a slice along one axis; anything else as it is given."""
    axes, starts, ends = (attributes.get(name, ()) for name in ("axes", "starts", "ends"))
    if not len(axes) == len(starts) == len(ends) == 1 or "strides" in attributes:
        return dict(attributes)
    start, stop, _ = slice(starts[0], ends[0]).indices(shape[axes[0]])
    return {"axis": axes[0], "start": start, "stop": stop}


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
        if kind in ("Linear", "MatMul"):
            attributes["weight_layout"] = "in,out"
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
