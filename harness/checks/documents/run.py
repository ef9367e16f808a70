"""What documents say, compared with what the sources publish, with the networks as built, and with themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.checks.counts.run import Built
from harness.checks.documents import across_tables, checkpoint_names, duplicates, upstream, upstream_documents
from harness.checks.documents.page_claims import page_findings
from harness.checks.documents.plausibility import impossible_figures
from harness.checks.documents.upstream import Published, UpstreamComparison
from harness.core.findings import Finding
from harness.core.paths import line_entry
from harness.core.records import Source, Verdict
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


@dataclass(frozen=True)
class DocumentFindings:
    """The findings of this check, in the groups in which a report lists them."""

    upstream: tuple[Finding, ...]
    page: tuple[Finding, ...]
    reading: tuple[Finding, ...]  #: what was not read as a claim, or was read under an assumption
    figures: tuple[Finding, ...]  #: figures that cannot be true, duplicated rows and figures


def measure(
    planned: Plan, built: Built, installed: Mapping[Source, Installed], files: Sequence[Path], session: Session
) -> UpstreamResults:
    """Reads what the sources publish, in their packages and in `files`.

    Raises InputError where a file cannot be read or is about none of the sources.
    """
    documents, unread = upstream_documents.documents_of(installed, files, session)
    comparisons = upstream_documents.compare_with_upstream(planned, built, installed, documents, session)
    return UpstreamResults(documents, tuple(comparisons), tuple(unread))


def findings(
    planned: Plan, results: UpstreamResults, built: Built, images: ImageSet | None, verdicts: Sequence[Verdict]
) -> DocumentFindings:
    """Counts that are judged by the network itself are not compared with what the source publishes."""
    measured = [verdict.claim for verdict in verdicts if verdict.measured is not None]
    return DocumentFindings(
        upstream=(
            *upstream.findings(results.comparisons, measured),
            *upstream_documents.contradicted(results.documents, built),
            *results.unread,
        ),
        page=tuple(page_findings(planned, built)),
        reading=tuple(_reading_notes(planned)),
        figures=(
            *impossible_figures(planned, images),
            *duplicates.repeated(planned.table.claims),
            *checkpoint_names.contradicting(planned.table.claims),
            *across_tables.differing(planned.table.claims),
        ),
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
