"""Every cell that is wrong or may be, most severe first. Pure functions."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from harness.core.causes import Exchanged, Misprint, NoConvention, SlippedUnit, last, words
from harness.core.evidence import NoMatch
from harness.core.findings import SEVERITIES, Finding, Severity
from harness.core.records import Claim, Outcome, Verdict

#: outcomes of cells about which the network itself was asked
_MEASURED = (
    Outcome.REPRODUCED,
    Outcome.WITHIN_REPETITIONS,
    Outcome.EXPLAINED,
    Outcome.DOUBTFUL,
    Outcome.CONTRADICTED,
    Outcome.KNOWN_GAP,
)
#: a correction is suggested if it is right with at least this probability
LEAST_SUGGESTED = 0.95


@dataclass(frozen=True)
class Issue:
    """Something to fix in a document: a cell, or a row where `claim` is None."""

    severity: Severity
    kind: str
    file: str
    line: int  #: 1-based
    source: str
    model: str
    claim: Claim | None
    #: as the document would print it, in the unit of the claim; None where it cannot be determined
    corrected: str | None
    cause: str
    unit: str | None = None  #: that the column's heading should say instead, where the figures are right in it
    together: tuple[Claim, ...] = ()  #: cells that are corrected with this one, or none is


def issues(verdicts: Iterable[Verdict], findings: Iterable[Finding]) -> list[Issue]:
    """Contradicted and doubtful cells, and findings about cells, each cell once, with every cause that was found."""
    verdicts = list(verdicts)
    judged = {verdict.claim for verdict in verdicts if verdict.outcome in _MEASURED}
    wrong = [verdict for verdict in verdicts if verdict.outcome in (Outcome.CONTRADICTED, Outcome.DOUBTFUL)]
    releases: dict[Claim, list[Verdict]] = {verdict.claim: [] for verdict in wrong}
    for verdict in verdicts if wrong else ():
        if verdict.claim in releases:
            releases[verdict.claim].append(verdict)
    found = [_of_verdict(verdict, releases[verdict.claim], _exchanged_with(verdict, verdicts)) for verdict in wrong]
    for finding in findings:
        if finding.kind == "flops_per_parameter" and all(suspect.claim in judged for suspect in finding.suspects):
            continue  # the network itself was counted
        found += issues_of(finding)
    merged: dict[Hashable, Issue] = {}
    for entry in sorted(found, key=_rank):
        key = entry.claim or (entry.kind, entry.file, entry.line, entry.cause)
        first = merged.get(key)
        merged[key] = entry if first is None else merge_issues(first, entry)
    return sorted(merged.values(), key=lambda entry: (_rank(entry), entry.file, entry.line))


def _rank(entry: Issue) -> int:
    return SEVERITIES.index(entry.severity)


def _of_verdict(verdict: Verdict, releases: Sequence[Verdict], exchanged: Sequence[Verdict]) -> Issue:
    """`releases` are the verdicts on the same cell, with each release; `exchanged` those on cells exchanged with it."""
    claim = verdict.claim
    is_wrong = verdict.outcome is Outcome.CONTRADICTED
    agreed = is_wrong and len({one.expected for one in releases}) == 1
    corrected, together = _correction(verdict, exchanged) if agreed else (None, ())
    slip = last(verdict.causes, SlippedUnit)
    in_other_unit = corrected is not None and slip is not None and slip.whole_column
    return Issue(
        "error" if is_wrong else "warning",
        f"{verdict.outcome}_{claim.metric}",
        claim.row.file,
        claim.row.line,
        str(verdict.source),
        claim.row.model,
        claim,
        corrected,
        verdict.cause or words([NoConvention()]) or "",
        slip.right_unit if in_other_unit and slip is not None else None,
        together,
    )


def _correction(verdict: Verdict, exchanged: Sequence[Verdict]) -> tuple[str | None, tuple[Claim, ...]]:
    """The figure that is suggested, if it is certain enough, and the cells that are corrected with it or not at all.

    `exchanged` are the verdicts on the cells with which it may be exchanged.
    """
    expected = verdict.expected
    if exchanged:
        certain = all(_is_certain(one) for one in (verdict, *exchanged))
        other = exchanged[0].claim
        alike = (other.unit, other.decimals) == (verdict.claim.unit, verdict.claim.decimals)
        if last(verdict.causes, Exchanged) is None and alike:
            expected = other.text
        return (expected, (verdict.claim, *(one.claim for one in exchanged))) if certain else (None, ())
    return expected if _is_certain(verdict) else None, ()


def _exchanged_with(verdict: Verdict, verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The verdict on the cell with which a wrong one is exchanged: of another row, or of the row's other column."""
    slip, columns = last(verdict.causes, Misprint), last(verdict.causes, Exchanged)
    if columns is not None:
        return [
            other
            for other in verdicts
            if other.claim.row == verdict.claim.row
            and other.source == verdict.source
            and other.claim != verdict.claim
            and last(other.causes, Exchanged) is not None
        ]
    if slip is None or slip.kind != "exchanged_rows":
        return []
    place = verdict.claim.metric, verdict.claim.header, slip.row, verdict.source
    return [
        other for other in verdicts if (other.claim.metric, other.claim.header, other.claim.row, other.source) == place
    ]


def _is_certain(verdict: Verdict) -> bool:
    """Whether the expected figure can be suggested."""
    misprint, slip = last(verdict.causes, Misprint), last(verdict.causes, SlippedUnit)
    if (columns := last(verdict.causes, Exchanged)) is not None:
        return columns.probability >= LEAST_SUGGESTED
    if misprint is not None and misprint.kind == "exchanged_rows":
        return misprint.probability >= LEAST_SUGGESTED
    if slip is not None and slip.whole_column:
        return slip.probability >= LEAST_SUGGESTED
    return isinstance(verdict.basis, NoMatch) and verdict.basis.expected_probability >= LEAST_SUGGESTED


def issues_of(finding: Finding) -> list[Issue]:
    plain = Issue(finding.severity, finding.kind, "", 0, finding.source, finding.model, None, None, finding.text)
    if finding.suspects:
        return [
            dataclasses.replace(
                plain, file=one.claim.row.file, line=one.claim.row.line, claim=one.claim, corrected=one.corrected
            )
            for one in finding.suspects
        ]
    return [dataclasses.replace(plain, file=finding.row.file, line=finding.row.line)] if finding.row else []


def merge_issues(first: Issue, other: Issue) -> Issue:
    """The more severe entry with the other's cause, and its correction where it has none of its own."""
    cause = first.cause if other.cause in first.cause else f"{first.cause.rstrip('.')}. {other.cause}"
    corrected = first.corrected if first.corrected is not None else other.corrected
    return dataclasses.replace(
        first,
        cause=cause,
        corrected=corrected,
        unit=first.unit if first.unit is not None else other.unit,
        together=first.together or other.together,
    )
