"""FLOPs as osmr/imgclsmob counts them for its tables: measure_model of its pytorch/ and gluon/model_stats.py.

Convolutions and linear layers are two operations for each multiply-add, and one less for each pair of channels where
they have no bias. Normalisations, activations and poolings are counted, too; what a forward method calls without a
module, such as an addition, is not. The tables print half of it, "FLOPs/2". The networks are the same in PyTorch and
in Gluon, but a pooling of the whole image is counted there once for each channel, because GlobalAvgPool2D has a kernel
of 1, and not at all where SEBlock and SABlock call it without a module, as they do the softmax; nor is
the upsampling of HRNet, which UpSamplingBlock calls without one.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

#: class of a module -> operations for each element that enters
PER_ELEMENT: Mapping[str, int] = {
    "Dropout": 0, "ZeroPad2d": 0, "Identity": 0, "Flatten": 0, "Sequential": 0, "ReLU": 1, "ReLU6": 1, "HSigmoid": 1,
    "ChannelShuffle": 1, "ChannelShuffle2": 1, "ChannelSqueeze": 1, "PixelShuffle": 1, "ProxylessUnit": 1,
    "IRevSplitBlock": 1, "IRevMergeBlock": 1, "LeakyReLU": 2, "HSwish": 2, "ELU": 3, "PReLU": 3, "BatchNorm1d": 4,
    "BatchNorm2d": 4, "ConvTranspose2d": 4, "InstanceNorm2d": 4, "Sigmoid": 4, "Softmax2d": 4, "Upsample": 4,
    "IRevDownscale": 5, "Swish": 5,
}  # fmt: skip
#: poolings of the whole image
_OF_ALL = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
#: classes whose poolings and softmax are no modules in Gluon
_WITHOUT_MODULES = ("SEBlock", "SABlock")


def half_the_flops(network: nn.Module, size: int, gluon: bool = False) -> int:
    """Of one image of size x size. Raises TypeError for a module that is not counted, as measure_model does."""
    total = 0

    def count(module: nn.Module, entered: tuple[Any, ...], output: Any) -> None:
        nonlocal total
        total += _flops(module, entered[0], output, gluon)

    leaves = {module for module in network.modules() if not any(True for _ in module.children())}
    if gluon:
        leaves = {module for module in leaves if not isinstance(module, nn.Upsample)}
    for module in network.modules() if gluon else ():
        if type(module).__name__ in _WITHOUT_MODULES:
            leaves -= {child for child in module.children() if isinstance(child, (*_OF_ALL, nn.Softmax))}
    hooks = [module.register_forward_hook(count) for module in leaves]
    try:
        with torch.no_grad():
            network(torch.zeros(1, 3, size, size, device=next(network.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
    return int(total) // 2  # some widths are of NumPy


def _flops(module: nn.Module, entered: Any, output: Any, gluon: bool) -> int:
    if type(module) is nn.Linear:
        rows, width = len(entered), 2 * module.in_features - (module.bias is None)
        return rows * width * module.out_features
    if type(module) is nn.Conv2d:
        positions = module.kernel_size[0] * module.kernel_size[1] * output.shape[2] * output.shape[3]
        channels = module.in_channels * module.out_channels
        return len(entered) * ((2 * positions - (module.bias is None)) * channels // module.groups)
    if type(module) in (nn.MaxPool2d, nn.AvgPool2d):
        kernel = module.kernel_size if isinstance(module.kernel_size, tuple) else (module.kernel_size,) * 2
        return output.numel() * kernel[0] * kernel[1]
    if isinstance(module, _OF_ALL):
        return output.numel() * (1 if gluon else entered.shape[2] * entered.shape[3])
    if hasattr(module, "calc_flops"):
        return module.calc_flops(entered)[0]
    if (operations := PER_ELEMENT.get(type(module).__name__)) is None:
        raise TypeError(f"Unknown layer type: {type(module).__name__}")
    return operations * entered.numel()


#: name -> counter
COUNTERS = {
    "imgclsmob measure_model": half_the_flops,
    "imgclsmob measure_model of Gluon": functools.partial(half_the_flops, gluon=True),
}
