"""Compares what a table documents about models with what their source itself publishes.

Upstream is not the truth: it is another document with errors, and there may be several. A figure that agrees with one
of them was copied correctly, or measured in the same way; one that does not is reported, with upstream's figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.adapters.base import Document
from harness.checks.counts.matching import ONE_IMAGE
from harness.core.evidence import UpstreamFigure
from harness.core.findings import Finding, Suspect
from harness.core.model_names import folded
from harness.core.records import Claim, Metric, Row, Source, Verdict
from harness.tables.cells import Cell, RawTable
from harness.tables.claims import Table
from harness.tables.percentages.image_sets import VAL

#: A figure is taken for another model's if it matches any other by chance with at most this probability.
CHANCE_OF_ANOTHER = 0.05

Status = Literal["equal", "other_weights", "other_size", "other_model", "different"]


@dataclass(frozen=True)
class Published:
    """A row of a document by the source."""

    own: str  #: the source's own name of the model, with ".weights" where it publishes several
    row: Row
    figures: Mapping[Metric, Claim]


@dataclass(frozen=True)
class UpstreamComparison:
    """A documented figure and upstream's."""

    claim: Claim
    source: Source
    status: Status
    upstream: Claim  #: the same figure of the same model
    owner: Published | None = None  #: whose figure it is, where it is not the row's
    same_row: bool = False  #: whether the row's other accuracy is upstream's


def sheets(documents: Iterable[Document], source: Source) -> list[RawTable]:
    """Documents of a source's package as tables."""
    return [
        RawTable(
            f"{source}/{document.file}",
            document.rows[0][0],
            tuple(map(Cell, document.heading)),
            tuple((line, tuple(map(Cell, cells))) for line, cells in document.rows),
            source.name,
            source.version,
        )
        for document in documents
        if document.rows
    ]


def published(table: Table, source: str, own_names: Mapping[str, str]) -> list[Published]:
    """Every row of a source whose model's name is known."""
    figures: dict[Row, dict[Metric, Claim]] = {}
    for claim in table.claims:
        figures.setdefault(claim.row, {})[claim.metric] = claim
    return [
        Published(own_names[row.model], row, found)
        for row, found in figures.items()
        if row.model in own_names and row.source == source
    ]


def compare(
    rows: Mapping[tuple[Row, Source], Sequence[Claim]],
    own_names: Mapping[tuple[Row, Source], str],
    documents: Mapping[Source, Sequence[Published]],
) -> list[UpstreamComparison]:
    """Every documented figure that upstream gives for the same model too."""
    found = []
    for (row, source), claims in rows.items():
        if (row, source) not in own_names:
            continue
        own = own_names[row, source]
        mine = [one for one in documents.get(source, ()) if is_of(one.own, own)]
        others = [one for one in documents.get(source, ()) if not is_of(one.own, own)]
        if mine:
            # of several weights those of exactly that name, else those that agree with the row most
            meant = max(
                mine,
                key=lambda one: (
                    folded(one.row.model) == folded(row.model),
                    len(_shared(claims, one)),
                    _fits(row, one.row),
                ),
            )
            found += _of_row(source, claims, meant, mine, others)
    return found


def _shared(claims: Iterable[Claim], one: Published) -> set[Metric]:
    return {claim.metric for claim in claims if claim.metric in one.figures and same(claim, one.figures[claim.metric])}


def _fits(row: Row, other: Row) -> bool:
    return len({row.input_size, other.input_size} - {None}) < 2


def is_of(published_as: str, own: str) -> bool:
    """Whether a published name is that of a model, or of weights of it."""
    return published_as == own or published_as.startswith(f"{own}.")


def _of_row(
    source: Source,
    claims: Sequence[Claim],
    meant: Published,
    mine: Sequence[Published],
    others: Sequence[Published],
) -> list[UpstreamComparison]:
    shared = _shared(claims, meant)
    found = []
    for claim in claims:
        if claim.metric in meant.figures and same_images(claim, meant.figures[claim.metric]):
            status, owner = _status(claim, meant, mine, others)
            beside = bool(shared & ({"top1", "top5"} - {claim.metric}))
            if owner is not None and status == "equal":
                found.append(UpstreamComparison(claim, source, status, owner.figures[claim.metric]))
            else:
                found.append(UpstreamComparison(claim, source, status, meant.figures[claim.metric], owner, beside))
    return found


def _same_weights(one: Published, other: Published) -> bool:
    """In one document another name means other weights; in another document it may mean the same ones."""
    apart = one.row.file == other.row.file and folded(one.row.model) != folded(other.row.model)
    return one.own == other.own and not apart


def _status(
    claim: Claim, meant: Published, mine: Sequence[Published], others: Sequence[Published]
) -> tuple[Status, Published | None]:
    """How a figure relates to upstream, and the row that has it, if that is not the row compared."""
    if same(claim, meant.figures[claim.metric]):
        return "equal", None
    for one in mine:
        if claim.metric in one.figures and same(claim, one.figures[claim.metric]):
            if _same_weights(one, meant) and _fits(one.row, meant.row):
                return "equal", one  # in another document
            return ("other_weights" if _fits(one.row, meant.row) else "other_size"), one
    having = [one for one in others if claim.metric in one.figures]
    owners = [one for one in having if same(claim, one.figures[claim.metric])]
    if owners and _chance(claim, [one.figures[claim.metric] for one in having]) <= CHANCE_OF_ANOTHER:
        return "other_model", owners[0]
    return "different", None


def same(a: Claim, b: Claim) -> bool:
    """Whether two printed figures can be the same number; FLOPs also if one document counts a multiply-add as two."""
    factors = (1, 2, 0.5) if a.metric == "flops" else (1,)
    return any(abs(a.value - factor * b.value) <= max(a.step, factor * b.step) / 2 * (1 + 1e-9) for factor in factors)


def same_images(a: Claim, b: Claim) -> bool:
    """Whether two percentages are of one set of images, as far as their documents tell."""
    first, second = (VAL if one.measured_on is None else one.measured_on.name for one in (a, b))
    return first == second


def _chance(claim: Claim, figures: Sequence[Claim]) -> float:
    """Probability that a wrong figure between the smallest and the largest of these equals one of them."""
    values = [figure.value for figure in figures]
    step = max(claim.step, ONE_IMAGE if claim.unit == "%" else 0.0)
    return len(set(values)) * step / max(max(values) - min(values), step)


def findings(compared: Iterable[UpstreamComparison], judged: Iterable[Claim]) -> list[Finding]:
    """What differs from upstream's; of counts only those that are not `judged` by the network itself."""
    measured = set(judged)
    found = []
    for one in compared:
        claim = one.claim
        if one.status == "equal" or (claim.metric in ("flops", "params") and claim in measured):
            continue
        place = one.upstream.row.place
        text = (
            f"The documented {claim.metric} of {claim.row.model} is {claim.text} {claim.unit}; upstream has "
            f"{one.upstream.text} {one.upstream.unit} ({place})."
        )
        if one.owner is not None:
            what = {"other_model": "that of", "other_weights": "that of other weights,", "other_size": "that at"}
            at = f" at {one.owner.row.input_size} pixels" if one.owner.row.input_size else ""
            text += f" It is {what[one.status]} {one.owner.own}{at} ({one.owner.row.place})."
        if one.same_row:
            text += " The row's other accuracy is upstream's, so the row is about the same weights."
        found.append(
            Finding(
                f"upstream_{one.status}",
                str(one.source),
                claim.row.model,
                text,
                {"upstream": one.upstream.text, "document": place},
                (Suspect(claim, _as_printed(one)),),
                claim.row,
                "error" if one.same_row or one.status == "other_model" else "warning",
            )
        )
    return found


def _as_printed(one: UpstreamComparison) -> str | None:
    """Upstream's figure as the document would print it; None where upstream has fewer digits, or counts differently."""
    fewer = one.upstream.step > one.claim.step * (1 + 1e-9)
    return None if fewer or one.claim.metric == "flops" else one.claim.printed(one.upstream.value)


def with_upstream(verdicts: Iterable[Verdict], compared: Iterable[UpstreamComparison]) -> list[Verdict]:
    """Verdicts with what the source itself publishes."""
    known = {(one.claim, one.source): one for one in compared}
    return [
        replace(v, upstream=_evidence(known[v.claim, v.source])) if (v.claim, v.source) in known else v
        for v in verdicts
    ]


def _evidence(comparison: UpstreamComparison) -> UpstreamFigure:
    published_claim, owner = comparison.upstream, comparison.owner
    return UpstreamFigure(
        comparison.status,
        f"{published_claim.text} {published_claim.unit}".strip(),
        published_claim.row.place,
        owner.own if owner else None,
        owner.row.place if owner else None,
    )
