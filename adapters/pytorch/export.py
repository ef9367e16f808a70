"""Writes a PyTorch network, a function from images to logits, for other runtimes.

Converters are imported only when they are asked for, because an environment has none or one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn

Exporter = Callable[[nn.Module, int, Path], Path]


def _images(size: int) -> torch.Tensor:
    """What the network is traced on: random, because a network may treat zeros differently; and more than one
    image, because a tracer takes a size of one for a constant."""
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))


def _openvino(network: nn.Module, size: int, folder: Path) -> Path:
    import openvino

    model = openvino.convert_model(network, example_input=_images(size), input=[-1, 3, size, size])
    file = folder / "network.xml"
    openvino.save_model(model, file, compress_to_fp16=False)
    return file


def _onnx(network: nn.Module, size: int, folder: Path) -> Path:
    file = folder / "network.onnx"
    any_number = ({0: torch.export.Dim("images")},)
    torch.onnx.export(network, (_images(size),), file, dynamo=True, dynamic_shapes=any_number, verbose=False)
    return file


#: runtime -> what writes a network on the CPU, in evaluation, for images of a size in pixels, into an empty folder
EXPORTERS: Mapping[str, Exporter] = {"openvino": _openvino, "onnxruntime": _onnx}
