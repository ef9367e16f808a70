"""The evidence of verdicts, typed, and the one function that turns it into the mapping `evidence` of report.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.core import causes
from harness.core.causes import Cause, LeftOut, row_in_words


@dataclass(frozen=True)
class PrintedValue:
    """What a document would print by a convention."""

    value: str  #: in the unit of the claim
    convention: str


@dataclass(frozen=True)
class OtherRows:
    """How the other rows of the column are counted, and what a figure would be by that."""

    value: str  #: as the document would print it
    convention: str
    rows: int  #: that are counted so


@dataclass(frozen=True)
class ConstantRatio:
    """The constant between documented and counted FLOPs."""

    ratio: str  #: "10/9", or a decimal number
    of: str  #: the counted figure, as the document would print it


@dataclass(frozen=True)
class PlainMatch:
    """The plain meaning of the column gives the figure."""

    digits_explained: int
    other_rows: OtherRows | None = None
    wrong: float = 0.0  #: probability that the figure is wrong all the same


@dataclass(frozen=True)
class ConventionMatch:
    """Another convention gives the figure."""

    value_under_convention: str  #: as the document would print it
    digits_explained: int
    conventions_tried: int  #: that were weighed against each other
    rows_of_this_source_explained: int
    wrong: float  #: probability that the figure is wrong all the same
    explained_as_well_by: tuple[str, ...] = ()  #: conventions that give the same figures
    constant_ratio: ConstantRatio | None = None
    share_seen: float | None = None  #: of the multiply-adds, by a counter that does not know all layers
    left_out: LeftOut | None = None
    other_rows: OtherRows | None = None


@dataclass(frozen=True)
class NoMatch:
    """No convention gives the figure, or none that is likely enough."""

    conventions_tried: int
    nearest: tuple[PrintedValue, ...]  #: the closest first
    expected: str | None  #: by the convention by which it was probably counted, as the document would print it
    expected_convention: str
    expected_as_in_rows: int  #: other rows that are counted by that convention
    wrong: float = 1.0  #: probability that the figure is wrong
    unknown: float = 0.0  #: probability that a tool counted it that is not known
    expected_probability: float = 0.0  #: that the expected figure is the right one


@dataclass(frozen=True)
class PartEvaluated:
    """What a part of the images says about all of them."""

    population: int
    possible_counts: tuple[int, int]  #: least and greatest number of right images among all
    error_rate: float  #: probability that the number is outside of these

    @property
    def possible_percent(self) -> tuple[float, float]:
        low, high = self.possible_counts
        return 100 * low / self.population, 100 * high / self.population


@dataclass(frozen=True)
class ImagesEvaluated:
    """The evaluation behind the verdict on an accuracy."""

    images: int  #: scored
    count: int  #: right
    input_size: int  #: pixels
    checkpoint_sha256: str
    documented_count: float | None = None  #: right images that the documented percentage stands for
    allowed_images: float | None = None  #: by which the count may differ
    part: PartEvaluated | None = None  #: None where all images were scored
    off_by_images: float | None = None
    as_great: float | None = None  #: share of repetitions with other libraries that differ by as much or more


@dataclass(frozen=True)
class UpstreamFigure:
    """What the source itself publishes for the cell."""

    status: str  #: of harness.checks.documents.upstream.UpstreamComparison
    figure: str  #: with its unit
    document: str  #: "file:line"
    owner: str | None = None  #: whose figure the documented one is, where it is not the row's
    owner_document: str | None = None


@dataclass(frozen=True)
class ListedGap:
    """The entry of the known gaps that covers a cell."""

    reason: str
    url: str


Basis = PlainMatch | ConventionMatch | NoMatch | ImagesEvaluated


def evidence_mapping(
    basis: Basis | None,
    causes: Sequence[Cause] = (),
    known_gap: ListedGap | None = None,
    upstream: UpstreamFigure | None = None,
) -> dict[str, Any]:
    """The evidence of a verdict as report.json has it: of JSON's types, absent where there is nothing to say."""
    mapping = _of_basis(basis)
    for cause in causes:
        mapping.update(_of_cause(cause))
    if known_gap:
        mapping["known_gap"] = {"reason": known_gap.reason, "url": known_gap.url}
    if upstream:
        mapping["upstream"] = {
            "status": upstream.status,
            "figure": upstream.figure,
            "document": upstream.document,
            **({"owner": upstream.owner, "owner_document": upstream.owner_document} if upstream.owner else {}),
        }
    return mapping


def _of_basis(basis: Basis | None) -> dict[str, Any]:
    match basis:
        case PlainMatch():
            counted = {"digits_explained": basis.digits_explained, "conventions_tried": 1}
            return counted | _of_other_rows(basis.other_rows)
        case ConventionMatch():
            return _of_convention(basis)
        case NoMatch():
            return {
                "conventions_tried": basis.conventions_tried,
                "nearest": [{"value": near.value, "convention": near.convention} for near in basis.nearest],
                "expected": basis.expected,
                "expected_convention": basis.expected_convention,
                "expected_as_in_rows": basis.expected_as_in_rows,
                "expected_probability": basis.expected_probability,
                "probability_wrong": basis.wrong,
                "probability_unknown_tool": basis.unknown,
            }
        case ImagesEvaluated():
            return _of_images(basis)
        case None:
            return {}


def _of_convention(basis: ConventionMatch) -> dict[str, Any]:
    mapping: dict[str, Any] = {
        "value_under_convention": basis.value_under_convention,
        "digits_explained": basis.digits_explained,
        "conventions_tried": basis.conventions_tried,
        "rows_of_this_source_explained": basis.rows_of_this_source_explained,
        "probability_wrong": basis.wrong,
        "explained_as_well_by": list(basis.explained_as_well_by),
    }
    if basis.constant_ratio:
        mapping |= {"ratio": basis.constant_ratio.ratio, "ratio_of": basis.constant_ratio.of}
    if basis.share_seen is not None:
        mapping["share_seen"] = basis.share_seen
    if basis.left_out:
        mapping["left_out"] = list(basis.left_out.layer_types)
    return mapping | _of_other_rows(basis.other_rows)


def _of_other_rows(other_rows: OtherRows | None) -> dict[str, Any]:
    if other_rows is None:
        return {}
    rows = {"value": other_rows.value, "convention": other_rows.convention, "rows": other_rows.rows}
    return {"other_rows": rows}


def _of_images(basis: ImagesEvaluated) -> dict[str, Any]:
    mapping: dict[str, Any] = {
        "images": basis.images,
        "count": basis.count,
        "input_size": basis.input_size,
        "checkpoint_sha256": basis.checkpoint_sha256,
    }
    if basis.documented_count is not None:
        mapping |= {"documented_count": basis.documented_count, "allowed_images": basis.allowed_images}
    if basis.part:
        mapping |= {
            "population": basis.part.population,
            "possible_counts": list(basis.part.possible_counts),
            "possible_percent": list(basis.part.possible_percent),
            "error_rate": basis.part.error_rate,
        }
    if basis.off_by_images is not None:
        mapping["off_by_images"] = basis.off_by_images
    if basis.as_great is not None:
        mapping["share_of_repetitions_as_great"] = basis.as_great
    return mapping


def _of_cause(cause: Cause) -> Mapping[str, Any]:
    match cause:
        case causes.OneDigit():
            return {"one_digit": True}
        case causes.SlippedUnit(expected) | causes.SlippedPoint(expected):
            return {"expected": expected, "slipped": True}
        case causes.Misprint(kind):
            return {"misprint": kind}
        case causes.RunnerUp(text, probability):
            return {"runner_up": text, "runner_up_probability": probability}
        case causes.Exchanged(expected):
            return {"exchanged": True, "expected": expected}
        case causes.OtherNetwork(_, model, convention, chance):
            return {"belongs_to": model, "belongs_to_convention": convention, "chance": chance}
        case causes.SameFigureElsewhere(rows):
            return {"same_figure": [row_in_words(row) for row in rows]}
        case causes.MayBeCopied(row):
            return {"may_be_copied_from": row_in_words(row)}
        case causes.Diagnosed(outcome, factors):
            return {"attribution": {"outcome": outcome, "factors": list(factors)}}
        case _:
            return {}
