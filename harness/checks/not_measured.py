"""Verdicts on cells that no measurement speaks to, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.core.causes import Stated
from harness.core.records import Claim, Failure, Outcome, Source, Verdict
from harness.plan.options import Options
from harness.plan.plan import UNKNOWN, UNNAMED, Plan


def unmeasured(
    claims: Iterable[tuple[Claim, Source]],
    judged: Sequence[Verdict],
    options: Options,
    failures: Sequence[Failure],
) -> list[Verdict]:
    """Static claims that no measurement speaks to."""
    done = {(verdict.claim, verdict.source) for verdict in judged}
    found = []
    for claim, source in claims:
        if (claim, source) not in done:
            if "static" in options.checks:
                found.append(failed(claim, source, failures))
            else:
                found.append(not_asked(claim, source, "static is not in --checks"))
    return found


def not_asked(claim: Claim, source: Source, reason: str) -> Verdict:
    return Verdict(claim, source, Outcome.NOT_MEASURED, causes=(Stated(reason),), requested=False)


def failed(claim: Claim, source: Source, failures: Sequence[Failure]) -> Verdict:
    """The verdict on a cell that was asked for and could not be measured."""
    return Verdict(claim, source, Outcome.ERROR, causes=(Stated(_why_failed(claim, source, failures)),))


def _why_failed(claim: Claim, source: Source, failures: Sequence[Failure]) -> str:
    own = [f for f in failures if f.source == str(source) and f.model in (None, claim.row.model)]
    resolved = [f for f in failures if f.source == str(source) and f.stage == "static"]
    return (own or resolved or [Failure("", None, "static", "it was not measured")])[0].message


def foreign(planned: Plan) -> list[Verdict]:
    """Cells whose source has no adapter, or is not named."""
    rows = set(planned.foreign)
    known = ", ".join(sorted(planned.known))
    found = []
    for claim in planned.table.claims:
        if claim.row in rows and claim.row.source:
            reason = f"there is no adapter for {claim.row.source}; known: {known}"
            found.append(not_asked(claim, Source(claim.row.source, claim.row.version or UNKNOWN), reason))
        elif claim.row in rows:
            reason = f"the table names no source; say whose figures they are with --sources ({known})"
            found.append(not_asked(claim, Source(UNNAMED, UNKNOWN), reason))
    return found
