"""The only place where a verdict becomes words, with one function for each surface that shows it.

A terminal and pytest (`line`), a cell of the documented table in Markdown (`markdown_cell`), the paragraph on a cell in
Markdown (`paragraph`), JUnit (`junit_message`), GitHub's annotations (`annotation`), and the page, which sets the parts
(`figure`, `outcome_words`, `measured`) itself. Nothing here escapes markup; each surface does that for itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.checks.issues import Issue
from harness.checks.results import Results
from harness.core.causes import RIGHT_ELSEWHERE, OtherNetwork, last
from harness.core.evidence import ConventionMatch, NoMatch
from harness.core.findings import Finding
from harness.core.paths import shown_line
from harness.core.records import UNJUDGED, Claim, Outcome, Verdict
from harness.core.text import plural
from harness.tables.percentages import kinds
from harness.tables.percentages.image_sets import VAL

SIGNS = {
    Outcome.REPRODUCED: "✓",
    Outcome.WITHIN_REPETITIONS: "±",
    Outcome.EXPLAINED: "≈",
    Outcome.DOUBTFUL: "?",
    Outcome.CONTRADICTED: "✗",
    Outcome.KNOWN_GAP: "⚑",
    Outcome.NOT_COMPARABLE: "○",
    Outcome.NOT_MEASURED: "–",
    Outcome.ERROR: "!",
}


# -- parts of a verdict


def outcome_words(outcome: str) -> str:
    """An outcome, or a kind of finding, in words: "known gap"."""
    return outcome.replace("_", " ")


def figure(claim: Claim) -> str:
    """The documented figure with its unit; of a percentage, whether it is printed as an error, and of which images."""
    text = f"{claim.text} {claim.unit}".rstrip()
    if claim.is_error:
        text += f" (an error of {kinds.printed(claim)} {claim.unit})"
    if claim.measured_on is not None and claim.measured_on.name != VAL:
        text += f" of {claim.measured_on.name}"
    return text


def measured(verdict: Verdict) -> str:
    """The value under the plain meaning of the column, in the document's unit and as precise as the document."""
    if verdict.measured is None:
        return "nothing"
    return f"{verdict.claim.printed(verdict.measured)} {verdict.claim.unit}".rstrip()


def sentence_case(text: str, name: str = "") -> str:
    """With a capital at its start, unless it starts with `name`, the name of a model."""
    return text if name and text.startswith(name) else text[:1].upper() + text[1:]


# -- surfaces


def line(verdict: Verdict) -> str:
    """For a terminal and pytest: what is documented, what is measured, the outcome and its cause."""
    claim = verdict.claim
    parts = [f"{claim.row.model} of {verdict.source}, {claim.metric}: documented {figure(claim)}"]
    if verdict.measured is not None:
        parts.append(f"measured {measured(verdict)}")
    parts.append(outcome_words(verdict.outcome))
    if verdict.cause:
        parts.append(verdict.cause)
    return "; ".join(parts)


def finding_line(finding: Finding) -> str:
    """For a terminal: a finding after the place that it is about, if it is about one."""
    row = finding.row or next((one.claim.row for one in finding.suspects), None)
    if row is not None:
        return f"{shown_line(row.file, row.line)}: {finding.text}"
    file, line = finding.evidence.get("file"), finding.evidence.get("line")
    return f"{file}:{line}: {finding.text}" if file and line else finding.text


def junit_message(verdict: Verdict, wrong: Sequence[str] = ()) -> str:
    """For JUnit: `wrong` are the reasons why the claim cannot be true regardless of measurement."""
    return "; ".join(wrong) or line(verdict)


def annotation(issue: Issue) -> str:
    """For an annotation of a line on GitHub: what is documented there, what it should be, and why."""
    who = " of ".join(filter(None, (issue.model, issue.source)))
    claim = issue.claim
    if claim is None:
        return f"{who}: {issue.cause}"
    documented = f"{who}: {claim.metric} documented as {figure(claim)}"
    expected = f", should be {issue.corrected} {claim.unit}".rstrip() if issue.corrected is not None else ""
    return f"{documented}{expected}: {issue.cause}"


def markdown_cell(verdict: Verdict) -> str:
    """For a cell of the documented table in Markdown."""
    return f"{figure(verdict.claim)} {SIGNS[verdict.outcome]} {outcome_words(verdict.outcome)}"


@dataclass(frozen=True)
class Paragraph:
    """What Markdown says about a cell, or about the cells of a column that one convention explains."""

    heading: str
    text: str
    link: str | None  #: where a known gap is confirmed


def paragraph(cells: Sequence[Verdict]) -> Paragraph:
    """`cells` are one cell, or several of one source and metric with the same convention."""
    first = cells[0]
    of = first.claim.row.model if len(cells) == 1 else ""
    rows = f"of {len(cells)} rows" if len(cells) > 1 else ""
    about = " ".join(filter(None, (str(first.source), of, first.claim.metric, rows)))
    parts = [_column(cells) if len(cells) > 1 else _cell(first), _support(cells), _coincidence(first), _nearest(first)]
    gap = first.known_gap
    if gap:
        parts.append(f"Listed as a known gap: {gap.reason}")
    text = " ".join(filter(None, parts))
    return Paragraph(f"{about}: {outcome_words(first.outcome)}.", text, gap.url if gap else None)


def _cell(verdict: Verdict) -> str:
    where = shown_line(verdict.claim.row.file, verdict.claim.row.line)
    text = f"Documented {figure(verdict.claim)} ({where}); measured under the plain meaning: {measured(verdict)}."
    return f"{text} {sentence_case(verdict.cause, verdict.claim.row.model)}." if verdict.cause else text


def _column(cells: Sequence[Verdict]) -> str:
    first = cells[0]
    left_out = first.basis.left_out if isinstance(first.basis, ConventionMatch) else None
    without = f", which leaves out the parameters held by {', '.join(left_out.layer_types)}" if left_out else ""
    figures = "; ".join(f"{one.claim.row.model} {figure(one.claim)}, {measured(one)}" for one in cells)
    where = shown_line(first.claim.row.file, first.claim.row.line)
    return (
        f"{sentence_case(first.convention or '')}{without}. Documented, and measured under the plain meaning: "
        f"{figures} ({where} and below)."
    )


def _support(cells: Sequence[Verdict]) -> str:
    """Why an explanation is more than a coincidence."""
    matches = [verdict.basis for verdict in cells if isinstance(verdict.basis, ConventionMatch)]
    if cells[0].outcome is not Outcome.EXPLAINED or not matches:
        return ""
    digits, first = min(match.digits_explained for match in matches), matches[0]
    rows = first.rows_of_this_source_explained
    text = (
        f"This explains {digits} {'or more ' if len(cells) > 1 else ''}printed digits in "
        f"{f'each of {rows} rows' if rows != 1 else 'one row'} of the source, with {first.conventions_tried} "
        f"conventions weighed; the probability that it is wrong all the same is {first.wrong:.1e}."
    )
    others = first.explained_as_well_by
    return f"{text} The same figures come from: {'; '.join(others[:3])}." if others else text


def _coincidence(verdict: Verdict) -> str:
    """How unlikely it is that the figure of another network matches by chance."""
    owner = last(verdict.causes, OtherNetwork)
    if owner is None or not isinstance(verdict.basis, NoMatch):
        return ""
    return (
        f"None of {verdict.basis.conventions_tried} conventions gives this value for {verdict.claim.row.model}; the "
        f"chance that it matches {owner.model} by coincidence is {owner.chance:.0e}."
    )


def _nearest(verdict: Verdict) -> str:
    nearest = verdict.basis.nearest if isinstance(verdict.basis, NoMatch) else ()
    is_wrong = verdict.outcome in (Outcome.CONTRADICTED, Outcome.DOUBTFUL, Outcome.KNOWN_GAP)
    if not is_wrong or not nearest or last(verdict.causes, RIGHT_ELSEWHERE) is not None:
        return ""
    return f"The nearest figure of its own network is {nearest[0].value} ({nearest[0].convention})."


# -- a whole run


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
    if not results.options.asks_sources:
        rows, wrong = len(results.plan.table.rows), len(results.wrong)
        told = f"{wrong} of them {_is(wrong)} wrong" if wrong else "none of them is certainly wrong"
        cells = f"{len(results.verdicts):,} documented cells in {plural(rows, 'row')}"
        return f"{cells} were judged by the pages themselves; {told}."
    counts = Counter(verdict.outcome for verdict in results.verdicts)
    checked = sum(counts[outcome] for outcome in Outcome if outcome not in (*UNJUDGED, Outcome.ERROR))
    wrong = counts[Outcome.CONTRADICTED] + counts[Outcome.KNOWN_GAP]
    regardless = ""
    if more := len(results.wrong):
        regardless = f" {more} {_is(more)} wrong regardless of measurement (for example top-5 below top-1)."
    if not checked:
        return f"None of the {len(results.verdicts)} documented cells could be checked.{regardless}"
    verdict = f"{wrong} of them {_is(wrong)} wrong" if wrong else "none of them is contradicted"
    if doubtful := counts[Outcome.DOUBTFUL]:
        verdict += f", {doubtful} {_is(doubtful)} doubtful"
    return f"{checked} of {len(results.verdicts)} documented cells were checked; {verdict}.{regardless}"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def expected(verdicts: Sequence[Verdict]) -> list[tuple[str, tuple[str, ...]]]:
    """Each row whose accuracies do not hold or were not measured, and the findings that may be why."""
    found = {f"{one.claim.row.model} of {one.source}": one.expectations for one in verdicts if one.expectations}
    return list(found.items())


def unmeasured(verdicts: Sequence[Verdict]) -> list[tuple[str, str]]:
    """Each reason for which cells were not measured, and these cells as text."""
    reasons: dict[str, list[str]] = {}
    for verdict in verdicts:
        if verdict.outcome in UNJUDGED:
            cell = f"{verdict.source.name} {verdict.claim.row.model} {verdict.claim.metric}"
            reasons.setdefault(verdict.cause or "no reason given", []).append(cell)
    return [(reason, ", ".join(cells)) for reason, cells in reasons.items()]
