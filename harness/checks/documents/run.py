"""What documents say, compared with what the sources publish, with the networks as built, and with themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.checks.counts.widening import Built
from harness.checks.documents import across_tables, checkpoint_names, duplicates, upstream, upstream_documents
from harness.checks.documents.page_claims import page_findings
from harness.checks.documents.plausibility import impossible_on_page
from harness.checks.documents.upstream import Published, UpstreamComparison
from harness.core.cancellation import check
from harness.core.findings import Finding
from harness.core.paths import line_entry
from harness.core.records import Claim, Source, Verdict
from harness.dataset.image_set import ImageSet
from harness.execution.environments import Installed
from harness.execution.session import Session
from harness.plan.plan import Plan


@dataclass(frozen=True)
class UpstreamResults:
    """What the sources publish, read and compared with the documented figures."""

    documents: Mapping[Source, Sequence[Published]]
    comparisons: tuple[UpstreamComparison, ...]
    unread: tuple[Finding, ...]  #: about rows of the sources' documents that could not be read
    contradicted: tuple[Finding, ...]  #: about counts in these documents that are not the networks'


@dataclass(frozen=True)
class DocumentFindings:
    """The findings of this check, in the groups in which a report lists them."""

    upstream: tuple[Finding, ...]
    page: tuple[Finding, ...]
    reading: tuple[Finding, ...]  #: what was not read as a claim, or was read under an assumption


def judge_pages(planned: Plan, images: ImageSet | None, settled: Callable[[Finding], None]) -> tuple[Finding, ...]:
    """What pages contradict by themselves: figures that cannot be true, copies, differences between tables.

    `settled` gets the findings page by page, as soon as they are certain. Nothing is asked of any source.
    """
    claims, asides = _by_file(planned.table.claims), _by_file(planned.table.asides)
    found: list[Finding] = []

    def settle(more: Iterable[Finding]) -> None:
        for finding in more:
            found.append(finding)
            settled(finding)

    for file, page in planned.pages.items():
        check()
        own = claims.get(file, ())
        settle(impossible_on_page(own, asides.get(file, ()), page, images))
        settle(duplicates.repeated(own))
        settle(checkpoint_names.contradicting(own))
    settle(across_tables.differing(planned.table.claims))
    return tuple(found)


def _by_file(claims: Iterable[Claim]) -> dict[str, list[Claim]]:
    found: dict[str, list[Claim]] = {}
    for claim in claims:
        found.setdefault(claim.row.file, []).append(claim)
    return found


def measure(
    planned: Plan, built: Built, installed: Mapping[Source, Installed], files: Sequence[Path], session: Session
) -> UpstreamResults:
    """Reads what the sources publish, in their packages and in `files`.

    Raises InputError where a file cannot be read or is about none of the sources.
    """
    documents, unread = upstream_documents.documents_of(installed, files, session)
    comparisons = upstream_documents.compare_with_upstream(planned, built, installed, documents, session)
    wrong = upstream_documents.contradicted(documents, built, installed, session)
    return UpstreamResults(documents, tuple(comparisons), tuple(unread), tuple(wrong))


def findings(planned: Plan, results: UpstreamResults, built: Built, verdicts: Sequence[Verdict]) -> DocumentFindings:
    """Counts that are judged by the network itself are not compared with what the source publishes."""
    measured = [verdict.claim for verdict in verdicts if verdict.measured is not None]
    return DocumentFindings(
        upstream=(
            *upstream.findings(results.comparisons, measured),
            *results.contradicted,
            *results.unread,
        ),
        page=tuple(page_findings(planned, built)),
        reading=tuple(_reading_notes(planned)),
    )


def _reading_notes(planned: Plan) -> list[Finding]:
    """What was not read as a claim, or was read under an assumption, and whose figures the rows are taken for."""
    table = planned.table
    return [
        *(
            Finding("inferred_source", one.source, "", f"{one.text}.", line_entry(one.file, one.line))
            for one in planned.inferred
        ),
        *(Finding("no_source", "", "", f"{one.text}.", one.entry) for one in planned.without_source),
        *(
            Finding("name_of_another_release", one.source, one.names[0], one.text, line_entry(one.file, one.line))
            for one in planned.of_other_releases
        ),
        *(
            Finding("no_model_table", "", "", f"The table {other.text!r} is not about models.", other.entry)
            for other in table.passed_over
        ),
        *(Finding("assumed_unit", "", "", f"{column.text}.", column.entry) for column in table.assumed),
        *(Finding("unread_column", "", "", f"{column.text}.", column.entry) for column in table.unread),
    ]
