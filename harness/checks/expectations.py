"""What findings about a row let one expect of its accuracies: stands in the cells, measured or not. Pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from harness.core.findings import SEVERITIES, Finding
from harness.core.records import Outcome, Verdict

#: kinds of findings about what an accuracy depends on: weights, network, preparation, labels, whose figure it is
BEARING = (
    "checkpoint_name",
    "different_function",
    "figures_of_another_network",
    "head_claim",
    "labels",
    "not_the_official_file",
    "operator_claim",
    "preprocessing_claim",
    "preprocessing_description",
    "preprocessing_parity",
    "upstream_different",
    "upstream_other_model",
    "upstream_other_size",
    "upstream_other_weights",
)
#: that need no cause
_RIGHT = (Outcome.REPRODUCED, Outcome.EXPLAINED)
_SEVERAL = re.compile(r",\s*|\s+and\s+")


def with_expectations(verdicts: Sequence[Verdict], findings: Sequence[Finding]) -> list[Verdict]:
    """Accuracies that do not hold, or were not measured, with the findings that may be the cause; errors first."""
    bearing = [one for one in findings if one.kind in BEARING and not _is_agreement(one)]
    bearing.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return [
        dataclasses.replace(verdict, expectations=_texts(bearing, verdict))
        if verdict.claim.metric in ("top1", "top5") and verdict.outcome not in _RIGHT
        else verdict
        for verdict in verdicts
    ]


def _texts(bearing: Sequence[Finding], verdict: Verdict) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.text for one in bearing if _bears(one, verdict)))


def _is_agreement(finding: Finding) -> bool:
    return finding.kind == "preprocessing_parity" and finding.severity == "note"


def _bears(finding: Finding, verdict: Verdict) -> bool:
    claim = verdict.claim
    if finding.suspects and all(one.claim.metric in ("top1", "top5") for one in finding.suspects):
        return any(one.claim == claim for one in finding.suspects)
    if finding.row is not None:
        return finding.row == claim.row
    return str(verdict.source) in _SEVERAL.split(finding.source) and claim.row.model in _SEVERAL.split(finding.model)
