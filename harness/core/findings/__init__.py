"""Findings: what is worth reporting next to the cells. Their kinds are registered in `kinds`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.core.findings.kinds import KINDS, PAGE, SEVERITIES, FindingKind, Severity, reference_page, severity_of
from harness.core.records import Claim, Row

__all__ = [
    "KINDS",
    "PAGE",
    "SEVERITIES",
    "Finding",
    "FindingKind",
    "Severity",
    "Suspect",
    "reference_page",
    "severity_of",
]


@dataclass(frozen=True)
class Suspect:
    """A cell that a finding says is wrong, or may be."""

    claim: Claim
    corrected: str | None = None  #: as the document would print it, in its unit; None where it cannot be determined


@dataclass(frozen=True)
class Finding:
    """Something about a source, a model or a table that is worth reporting next to the cells.

    Raises ValueError where the kind is not registered in harness.core.findings.kinds, or does not allow the severity.
    """

    kind: str  #: a name in harness.core.findings.kinds.KINDS
    source: str
    model: str
    text: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    suspects: tuple[Suspect, ...] = ()
    row: Row | None = None  #: where it is, if it is about a row
    #: that of the kind where none is given
    severity: Severity = None  # type: ignore[assignment]  # set when it is constructed

    def __post_init__(self) -> None:
        object.__setattr__(self, "severity", severity_of(self.kind, self.severity))

    @classmethod
    def about_row(
        cls,
        kind: str,
        row: Row,
        text: str,
        evidence: Mapping[str, Any],
        suspects: tuple[Suspect, ...] = (),
        severity: Severity | None = None,
    ) -> Finding:
        """A finding about a row as the document has it, for any requested release of its source."""
        return cls(kind, row.documented_source, row.model, text, evidence, suspects, row, severity_of(kind, severity))
