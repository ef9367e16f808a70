"""Records the operations of a PyTorch forward pass as they run, functional calls included.

Hooks on modules would miss what a forward method calls directly (an activation, a concatenation), so
operations are intercepted at the level of torch functions and merely named after the module that ran them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from harness.adapters.base import LayerCall, slice_attributes
from torch import nn
from torch.overrides import TorchFunctionMode, resolve_name

#: torch function -> the operation in common terms. What is not listed keeps torch's own name.
KINDS: Mapping[str, str] = {
    "conv1d": "Conv1d",
    "conv2d": "Conv2d",
    "conv3d": "Conv3d",
    "batch_norm": "BatchNorm2d",
    "layer_norm": "LayerNorm",
    "group_norm": "GroupNorm",
    "linear": "Linear",
    "relu": "ReLU",
    "relu_": "ReLU",
    "relu6": "ReLU6",
    "hardtanh": "Hardtanh",
    "leaky_relu": "LeakyReLU",
    "leaky_relu_": "LeakyReLU",
    "silu": "SiLU",
    "gelu": "GELU",
    "hardswish": "Hardswish",
    "hardsigmoid": "Hardsigmoid",
    "sigmoid": "Sigmoid",
    "sigmoid_": "Sigmoid",
    "softmax": "Softmax",
    "adaptive_avg_pool2d": "AdaptiveAvgPool2d",
    "adaptive_max_pool2d": "AdaptiveMaxPool2d",
    "avg_pool2d": "AvgPool2d",
    "max_pool2d": "MaxPool2d",
    "dropout": "Dropout",
    "cat": "Concat",
    "concat": "Concat",
    "add": "Add",
    "add_": "Add",
    "__add__": "Add",
    "__iadd__": "Add",
    "__radd__": "Add",
    "mul": "Multiply",
    "mul_": "Multiply",
    "__mul__": "Multiply",
    "__imul__": "Multiply",
    "matmul": "MatMul",
    "__matmul__": "MatMul",
    "mean": "Mean",
    "flatten": "Flatten",
    "chunk": "Split",
    "split": "Split",
    "__getitem__": "Slice",
    "interpolate": "Interpolate",
}

#: torch functions written in C have no signature to bind; the arguments that define the operation.
_BUILTIN_ARGUMENTS: Mapping[str, Sequence[str]] = {
    "conv1d": ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    "conv2d": ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    "conv3d": ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    "linear": ("input", "weight", "bias"),
    "gelu": ("input", "approximate"),
    "avg_pool2d": ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
    "max_pool2d": ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    "cat": ("tensors", "dim"),
    "chunk": ("input", "chunks", "dim"),
    "flatten": ("input", "start_dim", "end_dim"),
}

#: what they take where an argument is left out; a module gives them all
_CONVOLUTION = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
_BUILTIN_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "conv1d": _CONVOLUTION,
    "conv2d": _CONVOLUTION,
    "conv3d": _CONVOLUTION,
    "avg_pool2d": {"padding": 0, "ceil_mode": False, "count_include_pad": True},
    "max_pool2d": {"padding": 0, "dilation": 1, "ceil_mode": False},
    "cat": {"dim": 0},
    "chunk": {"dim": 0},
}

#: A dropout in evaluation and a tensor's bookkeeping compute nothing.
_NOT_OPERATIONS = {
    "dropout",
    "detach",
    "contiguous",
    "to",
    "cpu",
    "float",
    "type",
    "clone",
    "requires_grad_",
    "__get__",
}


#: where a tensor carries the index of the call that made it
_MADE_BY = "_parity_made_by"


class Recorder(TorchFunctionMode):
    """Calls `emit` with one LayerCall per operation on floating-point tensors, in execution order."""

    def __init__(self, root: nn.Module, emit: Callable[[LayerCall], None], values: bool) -> None:
        super().__init__()
        self._emit = emit
        self._values = values
        self._index = 0
        self._stack: list[tuple[str, str]] = []
        self._names = {id(module): name for name, module in root.named_modules()}
        self._state = {id(tensor): name for name, tensor in root.state_dict(keep_vars=True).items()}
        self._root = root
        self._hooks: list[Any] = []

    def __enter__(self) -> Recorder:
        for module in self._root.modules():
            self._hooks.append(module.register_forward_pre_hook(self._entered))
            self._hooks.append(module.register_forward_hook(self._left))
        return super().__enter__()

    def __exit__(self, *exc: Any) -> None:
        super().__exit__(*exc)
        for hook in self._hooks:
            hook.remove()

    def _entered(self, module: nn.Module, _args: Any) -> None:
        self._stack.append((self._names[id(module)], type(module).__name__))

    def _left(self, _module: nn.Module, _args: Any, _output: Any) -> None:
        self._stack.pop()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        # before the call: an in-place operation may change them
        given = [tensor for tensor in _tensors((args, kwargs)) if id(tensor) not in self._state]
        shapes = tuple(tuple(tensor.shape) for tensor in given)
        inputs = tuple(getattr(tensor, _MADE_BY, None) for tensor in given)
        output = func(*args, **kwargs)
        parts = list(output) if isinstance(output, (tuple, list)) and output else [output]
        name = getattr(func, "__name__", str(func))
        if not isinstance(parts[0], torch.Tensor) or not parts[0].is_floating_point():
            return output
        if name in _NOT_OPERATIONS or (resolve_name(func) or "").endswith("__get__"):
            if inputs and not hasattr(parts[0], _MADE_BY):  # what only moves a tensor hands its origin on
                setattr(parts[0], _MADE_BY, inputs[0])
            return output
        kind = KINDS.get(name, name)
        attributes, tensors = self._arguments(func, name, args, kwargs)
        if kind == "Hardtanh" and (attributes.get("min_val"), attributes.get("max_val")) == (0, 6):
            kind, attributes = "ReLU6", {}  # the module of that name calls this
        if kind == "Split":  # each part is a slice, so that it shows which part goes where
            axis = int(attributes.get("dim", 0)) % parts[0].dim()
            start = 0
            for part in parts:
                stop = start + part.shape[axis]
                self._record("Slice", {"axis": axis, "start": start, "stop": stop}, {}, shapes, inputs, part)
                start = stop
        else:
            if name == "__getitem__":
                attributes = slice_attributes(args[0].shape, args[1])
            self._record(kind, attributes, tensors, shapes, inputs, parts[0])
        return output

    def _record(
        self,
        kind: str,
        attributes: Mapping[str, Any],
        tensors: Mapping[str, str],
        shapes: tuple[tuple[int, ...], ...],
        inputs: tuple[int | None, ...],
        output: torch.Tensor,
    ) -> None:
        module_name, module_type = self._stack[-1] if self._stack else ("", "")
        self._emit(
            LayerCall(
                index=self._index,
                name=module_name,
                module=module_type,
                kind=kind,
                attributes=attributes,
                input_shapes=shapes,
                output_shape=tuple(output.shape),
                output=output.detach().float().cpu().numpy().copy() if self._values else None,
                inputs=inputs,
                tensors=tensors,
            )
        )
        setattr(output, _MADE_BY, self._index)
        self._index += 1

    def _arguments(self, func: Any, name: str, args: Any, kwargs: Any) -> tuple[dict[str, Any], dict[str, str]]:
        """What defines an operation, and which entries of the state it uses in which role."""
        given = _named(func, name, args, kwargs)
        tensors = {key: self._state[id(value)] for key, value in given.items() if id(value) in self._state}
        attributes: dict[str, Any] = {}
        for key, value in given.items():
            if key == "weight" and isinstance(value, torch.Tensor):
                attributes["weight_shape"] = tuple(value.shape)
                if name == "linear":
                    attributes["weight_layout"] = "out,in"
            elif key == "bias":
                attributes["bias"] = value is not None
            elif isinstance(value, (bool, int, float, str)) and (
                key not in ("inplace", "training") or (name, key) == ("batch_norm", "training")
            ):
                attributes[key] = value
            elif isinstance(value, (tuple, list)) and all(isinstance(item, (bool, int, float)) for item in value):
                attributes[key] = tuple(value)
        if name in ("avg_pool2d", "max_pool2d") and "stride" not in attributes and "kernel_size" in attributes:
            attributes["stride"] = attributes["kernel_size"]  # what torch takes where none is given
        # a layer written out as x @ weight + bias has the roles of one that is not
        if KINDS.get(name) == "MatMul" and "argument1" in tensors:
            tensors = {"weight": tensors["argument1"]}
            attributes["weight_layout"] = "in,out"
        elif KINDS.get(name) == "Add":
            tensors = dict.fromkeys(["bias"][: len(tensors)], next(iter(tensors.values()), ""))
        return attributes, tensors


def _tensors(tree: Any) -> list[torch.Tensor]:
    if isinstance(tree, torch.Tensor):
        return [tree]
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, (tuple, list)):
        return [tensor for item in tree for tensor in _tensors(item)]
    return []


def _named(func: Any, name: str, args: Any, kwargs: Any) -> dict[str, Any]:
    """Arguments by name."""
    if name in _BUILTIN_ARGUMENTS:
        defaults = _BUILTIN_DEFAULTS.get(name, {})
        return {**defaults, **dict(zip(_BUILTIN_ARGUMENTS[name], args, strict=False)), **kwargs}
    try:
        bound = inspect.signature(func).bind(*args, **kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)
    except (TypeError, ValueError):
        return {**{f"argument{i}": value for i, value in enumerate(args)}, **kwargs}
