"""The contract between the harness and a source of models.

A source is one module, `<source>.py`, with a class `Adapter`, and the requirement files beside it
(see CONTRIBUTING). The module runs in the source's own environment; nothing here imports a framework.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

#: what every source does to an image, in this order
STEPS = ("decode", "resize", "crop", "normalise")
#: step -> its result; (H, W, 3) uint8 RGB but for the last, which is (3, H, W) float32
Steps = Mapping[str, npt.NDArray[Any]]

#: How checkpoint entries find their place: by name, or by position where the file uses other names.
Match = Literal["name", "order"]

#: What a network computes in; bf16 is mixed precision, as whatever runs the network does it.
Precision = Literal["fp32", "bf16"]

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
    """A network, in the state that it had, as something runs it. One that is changed afterwards asks for another."""

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


def slice_attributes(shape: Sequence[int], index: Any) -> dict[str, Any]:
    """Axis and bounds of a subscript that cuts along one axis; any other subscript as it is written."""
    index = index if isinstance(index, tuple) else (index,)
    cut = [(axis, part) for axis, part in enumerate(index) if not (isinstance(part, slice) and part == slice(None))]
    if len(cut) != 1 or not isinstance(cut[0][1], slice) or any(part is Ellipsis for part in index):
        return {"index": str(index)}
    axis, part = cut[0]
    start, stop, step = part.indices(shape[axis])
    return {"axis": axis, "start": start, "stop": stop, **({"step": step} if step != 1 else {})}


@dataclass(frozen=True)
class Document:
    """A table that a source publishes about its own models, in its package. All cells are text, as it is written."""

    file: str  #: path inside the package
    heading: Sequence[str]  #: what each column says, in the words of published tables
    rows: Sequence[tuple[int, Sequence[str]]]  #: 1-based line in the file, and the cells


class Network(Protocol):
    """One built network with the preprocessing that its source defines for it."""

    input_size: int  #: pixels, square crop
    preprocessing: Preprocessing
    plain_counter: str  #: the counter in multiply_adds() that counts convolutions and matrix products alone

    def preprocess(self, image: bytes) -> Array:
        """Encoded image -> (3, H, W) float32, by the source's own code. Raises UndecodableImage."""
        ...

    def preprocessing_steps(self, image: bytes) -> Steps:
        """The result of each of STEPS, by the source's own code.

        decode, resize and crop are (H, W, 3) uint8 RGB, whatever the order the source holds them in; normalise is
        what preprocess() gives. Raises UndecodableImage.
        """
        ...

    def forward(self, batch: Array) -> Array:
        """(N, 3, H, W) float32 -> (N, classes) float32 logits."""
        ...

    def altered(self, alteration: Mapping[str, Any]) -> contextlib.AbstractContextManager[None]:
        """While it holds, forward() runs with one property changed throughout the network; afterwards it is as before.

        One of {"factor": "epsilon", "value": 0.001} (of every batch normalisation),
        {"factor": "activation", "from": "ReLU", "to": "LeakyReLU", "negative_slope": 0.01} (every call of that kind,
        in the common terms of LayerCall.kind; negative_slope for LeakyReLU alone; "from" LeakyReLU matches whatever
        slope), and {"factor": "precision", "value": "bf16" | "fp16"} (mixed precision as the framework's autocast
        does it). No other network is altered, and alterations that hold at once all apply.
        Raises NotImplementedError for what the source cannot alter, saying what.
        """
        ...

    def inference(self, precision: Precision, example: Array) -> Inference:
        """This network in its present state, in evaluation, as the source's own framework runs it fastest.

        `example`, (N, 3, H, W) float32, is a batch to try it on; a few images will do. What is not forward() itself
        is taken only where its logits in fp32 agree with those of forward(). Alterations do not apply. An adapter
        may lack this method: then forward() is all there is. Raises NotImplementedError, saying why, for a precision
        that the framework does not have on this device.
        """
        ...

    def export(self, runtime: Runtime, folder: Path) -> Path:
        """Writes the network, in fp32, for another runtime into an empty folder.

        Returns the file that runtimes.load() takes; it takes any number of images, at the network's input size.
        Alterations do not apply. An adapter may lack this method: then nothing else runs its networks. Raises
        NotImplementedError, saying why, where the network cannot be written for this runtime.
        """
        ...

    def parameters(self) -> Parameters: ...

    def multiply_adds(self, size: int) -> Mapping[str, int | str]:
        """Counter name -> multiply-adds of one image at size x size, or why the counter failed."""
        ...

    def trace(self, batch: Array, values: bool = True) -> Iterator[LayerCall]:
        """The operations of one forward pass, in execution order; without values no output is kept."""
        ...

    def state(self) -> Mapping[str, Array]:
        """Everything a checkpoint holds, by the source's own names."""
        ...

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Replaces the whole state. Raises CheckpointError where names or shapes do not fit."""
        ...

    def calibrate(self, batches: Iterable[Array]) -> None:
        """Sets the running statistics of every normalisation to those of the given batches."""
        ...

    def features(self, batch: Array) -> Array:
        """(N, 3, H, W) -> (N, C): what enters the last linear layer."""
        ...

    def set_classifier(self, weight: Array, bias: Array) -> None:
        """Replaces the last linear layer; weight (classes, C), bias (classes,)."""
        ...

    def save(self, path: Path, stand_in: str | None = None) -> None:
        """Writes a checkpoint in the source's native format; `stand_in` marks one that was made up, and how."""
        ...


class AdapterClass(Protocol):
    """What `<source>.py` offers under the name `Adapter`."""

    checkpoint_suffix: str  #: what the source's checkpoint files end in

    def __init__(self, device: str = "cpu") -> None: ...

    def models(self) -> Sequence[str]:
        """The names that build() takes."""
        ...

    def aliases(self) -> Mapping[str, str]:
        """Other names by which documents mean a model -> the name that build() takes for it; never ambiguous.

        What is no model of its own but has weights of its own stands for itself; weights that are published for a
        model besides others are named after a dot: model.weights.
        """
        ...

    def checkpoint_url(self, model: str) -> str | None:
        """Where the source publishes the weights of this model."""
        ...

    def documents(self) -> Sequence[Document]:
        """What the package says of its own models. An adapter may lack this method: then its package says nothing."""
        ...

    def stand_in(self, checkpoint: Path) -> str | None:
        """How a stand-in checkpoint was made up; None for any other file."""
        ...

    def build(
        self,
        model: str,
        checkpoint: Path | None = None,
        match: Match = "name",
        seed: int = 0,
        input_size: int | None = None,
    ) -> Network:
        """A network in evaluation mode, with seeded random weights where no checkpoint is given.

        It is prepared for `input_size` pixels, the source's own size for this model where that is None.
        Raises KeyError for an unknown model and CheckpointError for a checkpoint that does not fit.
        """
        ...

    def outline(self, model: str) -> Network:
        """The network that build() gives, to be counted alone: without values where the framework can do without.

        Fewer counters may count it. An adapter may lack this method: then build() does.
        """
        ...


class Alterations:
    """What one network's forward pass is altered by at present; see Network.altered.

    They are applied for the length of each forward pass alone, so that another network may run in between.
    """

    def __init__(self) -> None:
        self._held: list[Callable[[], contextlib.AbstractContextManager[Any]]] = []

    @contextlib.contextmanager
    def holding(self, applying: Callable[[], contextlib.AbstractContextManager[Any]]) -> Iterator[None]:
        """Within it, applied() enters what `applying` makes, too."""
        self._held.append(applying)
        try:
            yield
        finally:
            self._held.remove(applying)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for applying in self._held:
                stack.enter_context(applying())
            yield


def deviation(expected: Array, given: Array) -> float:
    """The largest difference of two arrays of logits as a share of the range of the expected ones.

    Infinite where either is not finite.
    """
    if not (np.isfinite(expected).all() and np.isfinite(given).all()):
        return float("inf")
    largest, reach = float(np.abs(given - expected).max()), float(np.ptp(expected))
    return largest / reach if reach else float("inf") if largest else 0.0


def differences(expected: Mapping[str, Sequence[int]], given: Mapping[str, Sequence[int]]) -> list[str]:
    """What keeps a state from fitting, as readable lines: missing, unexpected, wrong shape.

    Both arguments map entry names to shapes.
    """
    lines = [f"missing {name} {tuple(shape)}" for name, shape in expected.items() if name not in given]
    lines += [f"unexpected {name} {tuple(shape)}" for name, shape in given.items() if name not in expected]
    lines += [
        f"{name} has shape {tuple(given[name])}, expected {tuple(shape)}"
        for name, shape in expected.items()
        if name in given and tuple(given[name]) != tuple(shape)
    ]
    return lines


def fit(
    expected: Mapping[str, Sequence[int]],
    given: Mapping[str, Sequence[int]],
    match: Match,
    where: str,
) -> dict[str, str]:
    """Expected entry name -> name in the checkpoint.

    Raises CheckpointError that lists the first three differences.
    """
    if match == "order":
        if len(expected) != len(given):
            raise CheckpointError(
                f"{where}: {len(given)} entries, the network has {len(expected)}; cannot match by order"
            )
        pairs = dict(zip(expected, given, strict=True))
        wrong = [
            f"entry {i}: {theirs} {tuple(given[theirs])} for {ours} {tuple(expected[ours])}"
            for i, (ours, theirs) in enumerate(pairs.items())
            if tuple(expected[ours]) != tuple(given[theirs])
        ]
    else:
        pairs = {name: name for name in expected}
        wrong = differences(expected, given)
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise CheckpointError(
            f"{where} does not fit the network, {len(wrong)} differences: {'; '.join(wrong[:3])}{more}. "
            "Is it the checkpoint of this model, in this source's format?"
        )
    return pairs
