"""What the verdicts on counts say about a source as a whole, next to the single cells."""

from __future__ import annotations

from collections.abc import Sequence

from harness.checks.counts import shared_causes
from harness.core.causes import MayBeCopied, OtherNetwork, last, row_in_words
from harness.core.evidence import ConstantRatio, ConventionMatch, OtherRows, PlainMatch
from harness.core.findings import Finding, Suspect
from harness.core.paths import line_entry
from harness.core.records import Row, Source, Verdict


def findings(verdicts: Sequence[Verdict]) -> list[Finding]:
    """Findings about single counts, then those about several counts of one source."""
    return [
        *_about_single_counts(verdicts),
        *_constant_ratios(verdicts),
        *_overlooking_counters(verdicts),
        *_figures_of_other_networks(verdicts),
        *shared_causes.findings(verdicts),
    ]


def _about_single_counts(verdicts: Sequence[Verdict]) -> list[Finding]:
    found = []
    for verdict in verdicts:
        if isinstance(verdict.basis, PlainMatch | ConventionMatch) and verdict.basis.other_rows:
            found.append(_counts_otherwise(verdict, verdict.basis.other_rows))
        copied = last(verdict.causes, MayBeCopied)
        if copied:
            found.append(_may_be_copied(verdict, copied.row))
    return found


def _counts_otherwise(verdict: Verdict, other_rows: OtherRows) -> Finding:
    """A figure that holds, though not by the convention of the source's other figures in the table."""
    claim = verdict.claim
    text = (
        f"The documented {claim.metric} of {claim.row.model}, {claim.text} {claim.unit}, are {verdict.convention}, but "
        f"{other_rows.rows} figures of {verdict.source.name} in the same column are {other_rows.convention}, by which "
        f"it would be {other_rows.value} {claim.unit}."
    )
    evidence = {"value": other_rows.value, "convention": other_rows.convention, "rows": other_rows.rows}
    return Finding(
        "counts_otherwise",
        str(verdict.source),
        claim.row.model,
        text,
        {"metric": claim.metric, **evidence},
        (Suspect(claim),),
        claim.row,
    )


def _may_be_copied(verdict: Verdict, row: Row) -> Finding:
    """A figure that another row has too, for which it is true under the plain meaning."""
    claim = verdict.claim
    text = (
        f"The documented {claim.metric} of {claim.row.model}, {claim.text} {claim.unit}, are {verdict.convention}; but "
        f"{row_in_words(row)} has the same figure, where it is true under the plain meaning of the column."
    )
    return Finding(
        "may_be_copied",
        str(verdict.source),
        claim.row.model,
        text,
        {"metric": claim.metric, "from": row_in_words(row)},
        (Suspect(claim),),
        claim.row,
    )


def _constant_ratios(verdicts: Sequence[Verdict]) -> list[Finding]:
    cells: dict[tuple[Source, str], list[tuple[Verdict, ConstantRatio, float]]] = {}
    for verdict in verdicts:
        if isinstance(verdict.basis, ConventionMatch) and verdict.basis.constant_ratio:
            ratio = verdict.basis.constant_ratio
            cells.setdefault((verdict.source, ratio.ratio), []).append((verdict, ratio, verdict.basis.wrong))
    return [
        _constant_ratio(source, ratio, [(verdict.claim.row.model, verdict, of) for verdict, of, _ in same], same[0][2])
        for (source, ratio), same in cells.items()
    ]


def _constant_ratio(
    source: Source, ratio: str, cells: Sequence[tuple[str, Verdict, ConstantRatio]], wrong: float
) -> Finding:
    figures = "; ".join(f"{model}: {verdict.claim.text} is {ratio} of {of.of}" for model, verdict, of in cells)
    text = (
        f"The documented {cells[0][1].claim.metric} of {len(cells)} rows of {source} are {ratio} of what is counted. "
        f"The factor is the same for all, and no counter, resolution or unit gives it ({figures})."
    )
    models = ", ".join(model for model, _, _ in cells)
    return Finding("constant_ratio", str(source), models, text, {"ratio": ratio, "probability_wrong": wrong})


def _overlooking_counters(verdicts: Sequence[Verdict]) -> list[Finding]:
    cells: dict[tuple[Source, str, str], list[tuple[Verdict, float]]] = {}
    for verdict in verdicts:
        if isinstance(verdict.basis, ConventionMatch) and verdict.basis.share_seen is not None:
            counted = (verdict.source, verdict.claim.row.file, str(verdict.convention))
            cells.setdefault(counted, []).append((verdict, verdict.basis.share_seen))
    return [_overlooks(*counted, alike) for counted, alike in cells.items()]


def _overlooks(source: Source, file: str, convention: str, cells: Sequence[tuple[Verdict, float]]) -> Finding:
    """Figures that hold by a counter that misses most of the network."""
    shares = sorted(100 * share for _, share in cells)
    models = ", ".join(verdict.claim.row.model for verdict, _ in cells)
    span = f"{shares[0]:.1f}" if len(shares) == 1 else f"{shares[0]:.1f} to {shares[-1]:.1f}"
    text = (
        f"The documented FLOPs of {models} are {convention}. That counter does not know all layers of the network: it "
        f"finds {span} % of the multiply-adds of its convolutions and matrix products, so the figure does not "
        "show what the network costs."
    )
    evidence = {**line_entry(file, cells[0][0].claim.row.line), "share_seen": shares[0] / 100}
    return Finding("counter_overlooks", str(source), models, text, evidence)


def _figures_of_other_networks(verdicts: Sequence[Verdict]) -> list[Finding]:
    cells: dict[tuple[Source, Row, str], list[tuple[Verdict, OtherNetwork]]] = {}
    for verdict in verdicts:
        if owner := last(verdict.causes, OtherNetwork):
            cells.setdefault((verdict.source, verdict.claim.row, owner.model), []).append((verdict, owner))
    return [_figures_of_another(*row, same) for row, same in cells.items()]


def _figures_of_another(source: Source, row: Row, model: str, cells: Sequence[tuple[Verdict, OtherNetwork]]) -> Finding:
    claims = [verdict.claim for verdict, _ in cells]
    figures = ", ".join(f"{claim.metric} {claim.text} {claim.unit}" for claim in claims)
    text = (
        f"Row {row.number} documents {row.model}, but {figures} are the figures of {model} of the same source. The "
        f"row's other figures may be {model}'s as well."
    )
    evidence = {"belongs_to": model, "chance": cells[0][1].chance}
    return Finding("figures_of_another_network", str(source), row.model, text, evidence, row=row)
