"""Collects what the sources publish about their models, in their packages and in files that are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.checks.counts import misplaced, widening
from harness.checks.counts.widening import Built
from harness.checks.documents import upstream
from harness.checks.documents.upstream import Published
from harness.core.errors import InputError
from harness.core.findings import Finding
from harness.core.records import Claim, Metric, Outcome, Row, Source, Verdict
from harness.execution.environments import Installed
from harness.execution.session import Session
from harness.plan.plan import Plan
from harness.tables.cells import Problem
from harness.tables.claims import claims_of
from harness.tables.readers import RawTable, read

#: Share of the names in a file that must be exactly names of a source for the file to be about it.
NAMES_KNOWN = 0.5
#: what the network itself decides
STATIC: tuple[Metric, ...] = ("flops", "params")


def documents_of(
    installed: Mapping[Source, Installed], files: Sequence[Path], session: Session
) -> tuple[dict[Source, list[Published]], list[Finding]]:
    """Each source's documents, and what could not be read of them.

    Raises InputError where a file cannot be read, or is about none of the sources.
    """
    given = {source: upstream.sheets(session.documents(one), source) for source, one in installed.items()}
    for path in files:
        sheets, _ = read(path)
        for sheet in sheets:
            for source in _sources_of(sheet, installed, session, path):
                given[source].append(replace(sheet, source=source.name))
    found: dict[Source, list[Published]] = {}
    problems: list[Problem] = []
    for source, sheets in given.items():
        table = claims_of(sheets)
        names = {row.model for row in table.rows}
        own = {name: known for name in names if (known := session.own_name(installed[source], name))}
        found[source] = upstream.published(table, source.name, own)
        problems += table.problems
    notes = [Finding("upstream_unread", "", "", f"{one}. It is not compared.", one.entry) for one in problems]
    return found, notes


def _sources_of(sheet: RawTable, installed: Mapping[Source, Installed], session: Session, path: Path) -> list[Source]:
    """Whose models a table is about: the source that its rows name, else the one that has most of the names."""
    rows = claims_of([sheet]).rows
    named = {row.source for row in rows} - {""}
    if named:
        return [source for source in installed if source.name in named]
    if not rows:
        return []
    known = {}
    for source, one in installed.items():
        offered = set(session.offered(one))
        known[source] = sum(bool({row.model, row.model.partition(".")[0]} & offered) for row in rows)
    most = max(known.values(), default=0)
    if most < NAMES_KNOWN * len(rows):
        raise InputError(
            f"--upstream {path}: its models belong to none of {', '.join(map(str, installed))}; expected a document "
            "of one of these sources, or a table with a source column"
        )
    return [source for source, count in known.items() if count == most]


def compare_with_upstream(
    planned: Plan,
    built: Built,
    installed: Mapping[Source, Installed],
    documents: Mapping[Source, Sequence[Published]],
    session: Session,
) -> list[upstream.UpstreamComparison]:
    """Every claim compared with what its source publishes."""
    claims: dict[tuple[Row, Source], list[Claim]] = {}
    for claim, source in planned.claims():
        claims.setdefault((claim.row, source), []).append(claim)
    own_names = {}
    for row, source in claims:
        if source in installed:
            known = built.get((row, source))
            own = known.model if known else session.own_name(installed[source], row.model)
            own_names.update({(row, source): own} if own else {})
    return upstream.compare(claims, own_names, documents)


def contradicted(
    documents: Mapping[Source, Sequence[Published]],
    built: Built,
    installed: Mapping[Source, Installed],
    session: Session,
) -> list[Finding]:
    """Counts in the documents that no convention gives for the network itself, where it was built.

    Judged as a table's counts are: exchanged ones are named, and the conventions of the source's other documents known.
    """
    statics = {(source, static.model): (row.model, static) for (row, source), static in built.items()}
    claims: list[tuple[Claim, Source]] = []
    of_rows: Built = {}
    names: dict[tuple[Row, Source], str] = {}
    for source, every in documents.items():
        for one in every:
            models = [model for of, model in statics if of == source and upstream.is_of(one.own, model)]
            if models:
                names[one.row, source], of_rows[one.row, source] = statics[source, models[-1]]
                claims += [(one.figures[metric], source) for metric in STATIC if metric in one.figures]
    judged, of_rows = widening.judge(claims, of_rows, installed, session, names)
    judged = misplaced.name_exchanged(judged, of_rows)
    wrong: dict[tuple[Source, str], list[Verdict]] = {}
    for verdict in judged:
        if verdict.outcome is Outcome.CONTRADICTED:
            wrong.setdefault((verdict.source, verdict.claim.row.file), []).append(verdict)
    return [_contradicted(source, file, cells) for (source, file), cells in wrong.items()]


def _contradicted(source: Source, file: str, cells: Sequence[Verdict]) -> Finding:
    said = "; ".join(
        f"{v.claim.metric} of {v.claim.row.model} in line {v.claim.row.line}, {v.claim.text} {v.claim.unit}".rstrip()
        + f": {v.cause}"
        for v in cells
    )
    models = ", ".join(dict.fromkeys(v.claim.row.model for v in cells))
    text = f"Upstream's own document has counts that are wrong: {said}."
    place = {"file": file, "line": cells[0].claim.row.line}
    return Finding("upstream_contradicted", str(source), models, text, place)
