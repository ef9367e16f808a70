"""What passes between the harness and a source of models; see `base` for the contract. NumPy alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

#: what every source does to an image, in this order
STEPS = ("decode", "resize", "crop", "normalise")
#: step -> its result; (H, W, 3) uint8 RGB except the last, which is (3, H, W) float32
Steps = Mapping[str, npt.NDArray[Any]]

#: How checkpoint entries find their place: by name, or by position where the file uses other names.
Match = Literal["name", "order"]

#: What a network computes in; tf32 rounds what float32 products multiply to ten bits, bf16 is mixed precision, as the
#: runtime does it.
Precision = Literal["fp32", "tf32", "bf16"]

#: What runs a network: the source's own framework, or another to which the source's own network was converted.
Runtime = Literal["native", "openvino", "onnxruntime"]


#: A deviation of logits that rounding in another order explains. Real ones are a few 1e-6, planted defects above 1e-3.
ROUNDING = 1e-4


class CheckpointError(Exception):
    """A checkpoint does not fit its network; the message lists the first differences."""


class UndecodableImage(Exception):
    """An image file that the source's own decoder cannot read."""


@dataclass(frozen=True)
class Preprocessing:
    """What a source does to an image before the network sees it, as the source defines it."""

    decoder: str  #: library and colour handling, e.g. "PIL, RGB"
    short_side: int  #: pixels after the resize
    crop: int  #: pixels, square centre crop
    resize: str  #: library and filter, e.g. "PIL bicubic"
    mean: tuple[float, float, float]  #: RGB, of pixels scaled to 0..1
    std: tuple[float, float, float]  #: RGB, of pixels scaled to 0..1


@dataclass(frozen=True)
class Parameters:
    """Counts of scalars in a network, by the role they play."""

    learnable: int  #: what an optimiser could change: the affine pair of normalisations and what is frozen included
    normalisation_affine: int  #: scale and shift of normalisation layers, a part of learnable
    running_statistics: int  #: running mean and variance, never learnable
    other_buffers: int  #: any other stored tensor, counters of batches included
    classifier: int  #: the last linear layer, a part of learnable
    by_type: Mapping[str, int] = field(default_factory=dict)  #: layer class name -> learnable scalars held directly
    by_counter: Mapping[str, int] = field(default_factory=dict)  #: counting tool -> what it reports
    biases: int = 0  #: of convolutions and linear layers, a part of learnable
    frozen: int = 0  #: that the model is built not to train, a part of learnable
    fused: int | None = None  #: all of them once branches are fused for deployment; None where it has no such form
    fused_biases: int = 0  #: as biases, in that form


@dataclass(frozen=True)
class Inference:
    """A network, in the state that it had, as a runtime runs it. A network that changes afterwards needs a new one."""

    engine: str  #: what runs it, in words, e.g. "torch 2.14.1, channels_last" or "OpenVINO 2026.4.1"
    forward: Callable[[Array], Array]  #: (N, 3, H, W) float32 -> (N, classes) float32 logits, for any N >= 1


@dataclass(frozen=True)
class LayerCall:
    """One operation of a forward pass, in the order of execution."""

    index: int
    name: str  #: qualified name of the innermost module that ran it, "" at top level
    module: str  #: that module's class name
    kind: str  #: the operation in common terms: Conv2d, BatchNorm2d, LeakyReLU, Linear, Concat, Add, ...
    attributes: Mapping[str, Any]  #: what defines it: stride, padding, groups, eps, negative_slope, ...
    input_shapes: tuple[tuple[int, ...], ...]
    output_shape: tuple[int, ...]
    output: Array | None  #: None where the caller asked for no values
    inputs: tuple[int | None, ...] = ()  #: index of the call that made each input; None for the image and constants
    tensors: Mapping[str, str] = field(default_factory=dict)  #: role (weight, running_mean, ...) -> entry of state()


@dataclass(frozen=True)
class Document:
    """A table that a source publishes about its own models, in its package. All cells are text, as it is written."""

    file: str  #: path inside the package
    heading: Sequence[str]  #: what each column says, in the words of published tables
    rows: Sequence[tuple[int, Sequence[str]]]  #: 1-based line in the file, and the cells


@dataclass(frozen=True)
class Device:
    """A kind of device: results of two that are equal are the same to the bit, with the same code and packages."""

    kind: Literal["cpu", "cuda"] = "cpu"
    name: str = ""  #: of the GPU, as its driver calls it; "" for a CPU
    driver: str = ""  #: release of the GPU's driver; "" where it is not known

    def __str__(self) -> str:
        if self.kind == "cpu":
            return "CPU"
        return (self.name or "a GPU") + (f", driver {self.driver}" if self.driver else "")

    @property
    def identity(self) -> str:
        """What a measurement depends on."""
        return "cpu" if self.kind == "cpu" else f"cuda: {self}"


CPU = Device()
