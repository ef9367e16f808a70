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
    holders = [(holder, vars(holder).items()) for holder in (_C_ops, _legacy_C_ops)]
    functions = [
        (holder, name) for holder, members in holders for name, one in members if callable(one) and name[0] != "_"
    ]
    functions += [(paddle.Tensor, name) for name in _TENSOR_OPERATORS]
    recorder = _Recorder(root, emit, values)
    try:
        with wrapping(functions, recorder.wrap):
            yield
    finally:
        for hook in recorder.hooks:
            hook.remove()


class _Recorder:
    """Hands on the operations of a forward pass, each with the layer that runs it."""

    def __init__(self, root: nn.Layer, emit: Callable[[LayerCall], None], values: bool) -> None:
        self._emit = emit
        self._values = values
        self._state = {id(tensor): name for name, tensor in _state(root)}
        self._index = 0  #: of the next call
        self._depth = 0  #: operations that are under way, each within the one before
        self._layers: list[tuple[str, str]] = []  #: name and type of the layers that are under way
        self._names = {id(layer): name for name, layer in root.named_sublayers(include_self=True)}
        self.hooks = []
        for layer in root.sublayers(include_self=True):
            self.hooks.append(layer.register_forward_pre_hook(self._enter))
            self.hooks.append(layer.register_forward_post_hook(self._leave))

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if self._depth:  # part of an operation that is recorded as one
                return function(*args, **kwargs)
            self._depth += 1  # what happens within belongs to this operation, and emitting must not record itself
            try:
                return self._call(name, function, args, kwargs)
            finally:
                self._depth -= 1

        return wrapped

    def _enter(self, layer: nn.Layer, _args: Any) -> None:
        self._layers.append((self._names[id(layer)], type(layer).__name__))

    def _leave(self, _layer: nn.Layer, _args: Any, _output: Any) -> None:
        self._layers.pop()

    def _entry(self, tensor: paddle.Tensor) -> str | None:
        """The name of the state's entry that a tensor is, or is a view of."""
        return self._state.get(id(tensor)) or getattr(tensor, _VIEW_OF, None)

    def _call(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        tensors = _tensors((args, kwargs))
        entries = [found for tensor in tensors if (found := self._entry(tensor))]
        given = [tensor for tensor in tensors if not self._entry(tensor)]
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
        elif name == "_use_gpudnn":
            setattr(first, _MADE_BY, inputs[0])
        else:
            self._describe_call(name, args, parts, entries, shapes, inputs)
        return output

    def _describe_call(
        self,
        name: str,
        args: Any,
        parts: Sequence[paddle.Tensor],
        entries: Sequence[str],
        shapes: tuple[tuple[int, ...], ...],
        inputs: tuple[int | None, ...],
    ) -> None:
        """Hands on an operation with inputs of shapes and of calls, and the entries of the state that it uses."""
        kind, attributes = _describe(name, args)
        if kind == "Split":  # each part is a slice, so that it shows which part goes where
            axis = int(attributes.get("axis", 0)) % len(parts[0].shape)
            start = 0
            for part in parts:
                stop = start + part.shape[axis]
                self._record("Slice", {"axis": axis, "start": start, "stop": stop}, {}, shapes, inputs, part)
                start = stop
            return
        if name == "__getitem__":
            attributes = slice_attributes(shapes[0], args[1])
        elif kind == "Slice":
            attributes = _slice(attributes, shapes[0])
        roles = _ROLES.get(kind, ())
        used = {roles[i] if i < len(roles) else f"argument{i}": entry for i, entry in enumerate(entries)}
        self._record(kind, attributes, used, shapes, inputs, parts[0])

    def _record(
        self,
        kind: str,
        attributes: Mapping[str, Any],
        tensors: Mapping[str, str],
        shapes: tuple[tuple[int, ...], ...],
        inputs: tuple[int | None, ...],
        output: paddle.Tensor,
    ) -> None:
        layer_name, layer_type = self._layers[-1] if self._layers else ("", "")
        self._emit(
            LayerCall(
                index=self._index,
                name=layer_name,
                module=layer_type,
                kind=kind,
                attributes=attributes,
                input_shapes=shapes,
                output_shape=tuple(output.shape),
                output=_values(output) if self._values else None,
                inputs=inputs,
                tensors=tensors,
            )
        )
        setattr(output, _MADE_BY, self._index)
        self._index += 1


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
