"""What a worker is asked to do, one record per kind of task; see `protocol` for how they travel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from harness.adapters.base import Match, Precision, Runtime
from harness.worker.images import ImageRef


@dataclass(frozen=True)
class Job:
    """The first line to a worker."""

    module: str  #: import name of the adapter
    device: str


@dataclass(frozen=True)
class Task:
    """Something that a worker is to do. Its events end with Done or Failed."""

    kind: ClassVar[str]


@dataclass(frozen=True)
class AskDevice(Task):
    """Answered by nothing more than Ready, which says what the worker computes on."""

    kind = "device"


@dataclass(frozen=True)
class ListModels(Task):
    """Answered by Models."""

    kind = "models"


@dataclass(frozen=True)
class ListDocuments(Task):
    """Answered by Documents."""

    kind = "documents"


@dataclass(frozen=True)
class ModelTask(Task):
    """A task about one model."""

    documented: str  #: the model's name as documented


#: how much of a network is counted: its parameters alone, also what needs no values, or everything
Depth = Literal["parameters", "outline", "all"]


@dataclass(frozen=True)
class Count(ModelTask):
    """Answered by Counts."""

    kind = "static"
    sizes: Sequence[int]  #: pixels; the network's own size is counted too, unless `own` says otherwise
    trace: bool = False  #: whether the operations are wanted
    depth: Depth = "all"
    own: bool = True
    #: pixels -> counter -> multiply-adds that need not be counted again
    known: Mapping[int, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class MakeStandIn(ModelTask):
    """Answered by Saved."""

    kind = "stand_in"
    seed: int
    classes: int
    calibration_images: int
    batch_size: int
    images: Sequence[ImageRef]
    out: str  #: path of the checkpoint, without the source's suffix


@dataclass(frozen=True)
class Condition(ModelTask):
    """Answered by Conditioned; see traces.condition_network."""

    kind = "condition"
    seed: int
    input_size: int | None
    batch_size: int
    images: Sequence[ImageRef]
    out: str  #: folder


@dataclass(frozen=True)
class ApplyState(ModelTask):
    """Logits of prepared images with given weights, written to the file `out`."""

    kind = "apply"
    seed: int
    input_size: int | None
    batch_size: int
    state: str  #: file of the whole state
    inputs: str  #: file of the prepared images (N, 3, H, W)
    out: str


@dataclass(frozen=True)
class TraceNetwork(ApplyState):
    """Every operation's output on the first prepared image with given weights, written to the folder `out`."""

    kind = "trace"


@dataclass(frozen=True)
class PreparationTask(ModelTask):
    """A task about the images that a model is given."""

    input_size: int | None  #: pixels
    images: Sequence[ImageRef]


@dataclass(frozen=True)
class Prepare(PreparationTask):
    """Answered by Prepared or ImageUndecodable for each image."""

    kind = "prepare"
    out: str  #: folder of the files <position in images>.npz


@dataclass(frozen=True)
class Identify(PreparationTask):
    """Answered by RecipeFound."""

    kind = "identify"
    model: str  #: the source's own name


@dataclass(frozen=True)
class WriteState(ModelTask):
    """Answered by StateWritten."""

    kind = "state"
    model: str  #: the source's own name
    checkpoint: str
    match: Match
    input_size: int | None
    out: str  #: folder


@dataclass(frozen=True)
class NetworkSpec:
    """A network and what runs it; hashable, so that each is built once."""

    model: str  #: the source's own name
    checkpoint: str | None  #: file; None for random weights
    match: Match
    input_size: int | None  #: pixels; None for the source's own size
    runtime: Runtime = "native"
    precision: Precision = "fp32"
    conversion: str | None = None  #: folder that keeps the conversion for another runtime


@dataclass(frozen=True)
class EvaluationRun:
    """One network, and the images that it is run over."""

    network: NetworkSpec
    batches: Sequence[Sequence[int]]  #: positions of images
    whole: Sequence[int] = ()  #: positions of the images of which all logits are wanted
    sha256: str = ""  #: of the checkpoint; "" where it may be any


@dataclass(frozen=True)
class Evaluate(Task):
    """Answered by NetworkBuilt, Predicted for each batch, and RunFailed where a run breaks; see evaluate.evaluate."""

    kind = "evaluate"
    images: Sequence[ImageRef]
    runs: Sequence[EvaluationRun]
    finished: Sequence[NetworkSpec] = ()  #: networks that are not needed any more


@dataclass(frozen=True)
class Variant:
    """One thing that is done otherwise; what is left out is the source's own."""

    changed: Mapping[str, Any] = field(default_factory=dict)  #: step -> parameters of harness.adapters.recipe
    alteration: Mapping[str, Any] = field(default_factory=dict)  #: see harness.adapters.base.Network.altered
    checkpoint: str = ""  #: file of other weights
    weights: str = ""  #: key of another set of weights in the same file; see harness.adapters.base.Network.states
    sha256: str = ""  #: of that file
    match: Match = "name"  #: how the entries of that checkpoint find their place
    state: str = ""  #: file of a whole state
    inputs: Mapping[str, str] | None = None  #: image -> file of its steps, of another source


@dataclass(frozen=True)
class Vary(Task):
    """Answered by Varied and VariantFailed; see variants.vary."""

    kind = "vary"
    model: str  #: the source's own name
    checkpoint: str
    match: Match
    input_size: int | None
    recipe: Mapping[str, Any]  #: step -> parameters, as identified
    variants: Sequence[Variant]
    images: Sequence[ImageRef]
