"""The words of a verdict and of a whole run, the same on every surface."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.checks.results import Results
from harness.core.records import Outcome, Verdict


def sentence(verdict: Verdict) -> str:
    """What a verdict says in one line: what was documented, what was measured, and why they part."""
    claim = verdict.claim
    parts = [f"{claim.row.model} of {verdict.source}, {claim.metric}: documented {claim.text} {claim.unit}".rstrip()]
    if verdict.measured is not None:
        parts.append(f"measured {claim.printed(verdict.measured)} {claim.unit}".rstrip())
    parts.append(str(verdict.outcome).replace("_", " "))
    if verdict.cause:
        parts.append(verdict.cause)
    return "; ".join(parts)


SIGNS = {
    Outcome.REPRODUCED: "✓",
    Outcome.EXPLAINED: "≈",
    Outcome.CONTRADICTED: "✗",
    Outcome.KNOWN_GAP: "⚑",
    Outcome.NOT_MEASURED: "–",
    Outcome.ERROR: "!",
}


def summary(results: Results) -> str:
    """The first sentences: how much was checked, and whether the table is true."""
    cells = _cells_summary(results)
    if not results.pairs:
        return cells
    same = sum(pair.outcome == "same_function" for pair in results.pairs)
    pairs = f"{same} of {len(results.pairs)} pairs of implementations run the same function."
    asked = {"static", "accuracy"} & set(results.options.checks)
    return f"{cells} {pairs}" if asked else pairs


def _cells_summary(results: Results) -> str:
    counts = Counter(verdict.outcome for verdict in results.verdicts)
    checked = sum(counts[outcome] for outcome in Outcome if outcome not in (Outcome.NOT_MEASURED, Outcome.ERROR))
    wrong = counts[Outcome.CONTRADICTED] + counts[Outcome.KNOWN_GAP]
    more = len(results.wrong)
    besides = f" {more} {'is' if more == 1 else 'are'} wrong whatever is measured." if more else ""
    if not checked:
        return f"None of the {len(results.verdicts)} documented cells could be checked.{besides}"
    verdict = f"{wrong} of them {'is' if wrong == 1 else 'are'} wrong" if wrong else "none of them is contradicted"
    return f"{checked} of {len(results.verdicts)} documented cells were checked; {verdict}.{besides}"


def unmeasured(verdicts: Sequence[Verdict]) -> list[tuple[str, str]]:
    """Reason -> the cells it keeps from being measured, as text."""
    reasons: dict[str, list[str]] = {}
    for verdict in verdicts:
        if verdict.outcome is Outcome.NOT_MEASURED:
            cell = f"{verdict.source.name} {verdict.claim.row.model} {verdict.claim.metric}"
            reasons.setdefault(verdict.cause or "no reason given", []).append(cell)
    return [(reason, ", ".join(cells)) for reason, cells in reasons.items()]
