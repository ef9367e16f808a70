"""The contract between the harness and a source of models.

A source is one module, `<source>.py`, with a class `Adapter`, and the requirement files next to it
(see CONTRIBUTING). The module runs in the source's own environment; nothing here imports a framework.

`Adapter` and its networks may inherit AdapterClass and Network, or be plain classes with the same methods. A method
whose docstring begins its last paragraph with "Optional" may be missing: the one here is used then.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from harness.adapters.helpers import Alterations, deviation, differences, fit, slice_attributes
from harness.adapters.records import (
    ROUNDING,
    STEPS,
    Array,
    CheckpointError,
    Document,
    Inference,
    LayerCall,
    Match,
    Parameters,
    Precision,
    Preprocessing,
    Runtime,
    Steps,
    UndecodableImage,
)

__all__ = [
    "FUSED_FORM", "OPTIONAL_OF_ADAPTER", "OPTIONAL_OF_NETWORK", "ROUNDING", "STEPS", "AdapterClass", "Alterations",
    "Array", "CheckpointError", "Document", "Inference", "LayerCall", "Match", "Network", "Parameters", "Precision",
    "Preprocessing", "Runtime", "Sparing", "Steps", "UndecodableImage", "deviation", "differences", "fit",
    "slice_attributes",
]  # fmt: skip

#: methods that may be missing
OPTIONAL_OF_ADAPTER = ("aliases", "documents", "outline")
OPTIONAL_OF_NETWORK = ("altered", "inference", "export", "states")


#: what Sparing.left_out() calls the counts of the form in which a network is deployed, its branches fused
FUSED_FORM = "fused form"


@runtime_checkable
class Sparing(Protocol):
    """What a network may have besides, so that less has to be counted: all of it or nothing."""

    def bare_parameters(self) -> Parameters:
        """parameters() without what other tools report, for which they would run the network."""
        ...

    def take_counts(self, size: int, counts: Mapping[str, int]) -> None:
        """Has multiply_adds() say these at that size, instead of asking their counters again."""
        ...

    def left_out(self) -> Sequence[str]:
        """What is not counted of this network and would be of the one that build() gives.

        Names of counters, and FUSED_FORM. Known once multiply_adds() was asked.
        """
        ...


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

        decode, resize and crop are (H, W, 3) uint8 RGB, in whichever order the source holds them; normalise is
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
        in the common terms of LayerCall.kind; negative_slope for LeakyReLU alone; "from" LeakyReLU matches any
        slope), and {"factor": "precision", "value": "bf16" | "fp16"} (mixed precision as the framework's autocast
        does it). No other network is altered, and alterations that hold at once all apply.
        Raises NotImplementedError for what the source cannot alter, saying what.

        Optional. With it, --why can tell that another epsilon, activation or precision explains a figure.
        """
        raise NotImplementedError("the adapter cannot alter its networks")

    def inference(self, precision: Precision, example: Array) -> Inference:  # noqa: ARG002 (a batch to try it on)
        """This network in its present state, in evaluation, as the source's own framework runs it fastest.

        `example`, (N, 3, H, W) float32, is a batch to try it on; a few images will do. What is not forward() itself
        is taken only where its logits in fp32 agree with those of forward(). Alterations do not apply. Raises
        NotImplementedError, saying why, for a precision that the framework does not have on this device.

        Optional. With it, evaluations run as fast as the framework can, and --precision bf16 is possible.
        """
        if precision != "fp32":
            raise NotImplementedError(f"precision {precision}: the adapter runs its networks only in fp32")
        return Inference("native", self.forward)

    def export(self, runtime: Runtime, folder: Path) -> Path:
        """Writes the network, in fp32, for another runtime into an empty folder.

        Returns the file that runtimes.load() takes; it takes any number of images, at the network's input size.
        Alterations do not apply. Raises NotImplementedError, saying why, where the network cannot be written for this
        runtime.

        Optional. With it, --runtime openvino and --runtime onnxruntime are possible.
        """
        raise NotImplementedError(f"runtime {runtime}: the adapter cannot export its networks")

    def parameters(self) -> Parameters: ...

    def multiply_adds(self, size: int) -> Mapping[str, int | str]:
        """Counter name -> multiply-adds of one image at size x size, or why the counter failed."""
        ...

    def trace(self, batch: Array, emit: Callable[[LayerCall], None], values: bool = True) -> None:
        """Calls `emit` with each operation of one forward pass, in execution order; without values no output is kept.

        An exception of `emit` ends the pass and is raised. An adapter of the former contract, whose
        trace(batch, values) yields the operations, is still accepted in this release.
        """
        ...

    def state(self) -> Mapping[str, Array]:
        """Everything a checkpoint holds, by the source's own names."""
        ...

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Replaces the whole state. Raises CheckpointError where names or shapes do not fit."""
        ...

    def states(self) -> Mapping[str, Callable[[], None]]:
        """The sets of weights in the checkpoint that it was built with, by their keys, and what loads each of them.

        The first is the one that build() loads. A file may hold averaged weights beside those that were trained, or
        those of a teacher; those that are under no key are called "the file itself". Empty without a checkpoint.

        Optional. With it, a run says which of several sets it used, and --why tries the others.
        """
        return {}

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

        A name that is not a separate model but has its own weights stands for itself; further weights published for a
        model are named after a dot: model.weights.

        Optional. With it, rows that use such names are measured.
        """
        return {}

    def checkpoint_url(self, model: str) -> str | None:
        """Where the source publishes the weights of this model."""
        ...

    def documents(self) -> Sequence[Document]:
        """What the package says about its own models.

        Optional. With it, a page's figures are compared with the package's own, and `parity documents` writes the
        package's own page.
        """
        return ()

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
        """The network that build() gives, to be counted alone: without values where the framework allows it.

        Fewer counters may count it.

        Optional. With it, counts that need no values are faster.
        """
        return self.build(model)
