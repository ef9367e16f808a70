"""What a run comes to: totals of every zoo, file and table, and of every kind of finding. Pure functions."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harness.checks.issues import Issue
from harness.core.findings import SEVERITIES, Finding
from harness.core.paths import shown_file, shown_line
from harness.core.records import Failure, Outcome, Verdict
from harness.core.text import plural
from harness.tables.claims import Table

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Summary:
    """What a table, a file, a folder of files or all of them come to."""

    file: str  #: path of the file, folder, or how many there are
    rows: int
    cells: int
    outcomes: Counter[Outcome]
    severities: Counter[str]
    unread: int  #: places that could not be read
    line: int = 0  #: 1-based, of the heading of a table; 0 of what is larger

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong with it that anybody has to look at."""
        return not (self.severities["error"] or self.severities["warning"] or self.unread)


@dataclass(frozen=True)
class Kind:
    """How often one kind of finding was made."""

    name: str  #: in harness.core.findings.kinds.KINDS
    severity: str
    zoos: Counter[str]  #: how often in each zoo; "" where it is about none
    first: str  #: where the first one is, for a reader; "" where it is nowhere in a document

    @property
    def count(self) -> int:
        return self.zoos.total()


def zoos_of(files: Sequence[str]) -> dict[str, str]:
    """The zoo of each file: the folder in which it is, of those in the folder that holds all the files."""
    if not files:
        return {}
    folders = {file: os.path.dirname(os.path.abspath(file)) for file in files}  # noqa: PTH100, PTH120 - as shown_file
    common = os.path.commonpath(list(folders.values()))
    below = {file: Path(folder).relative_to(common).parts[:1] for file, folder in folders.items()}
    return {file: shown_file(Path(common, *first)) for file, first in below.items()}


def by_file(table: Table, verdicts: Sequence[Verdict], found: Sequence[Issue]) -> list[Summary]:
    """One for each file, in their order."""
    return _summed({file: (file, 0) for file in table.files}, lambda file, _: file, table, verdicts, found)


def by_zoo(table: Table, verdicts: Sequence[Verdict], found: Sequence[Issue]) -> list[Summary]:
    """One for each zoo that has anything to sum up, in the order of its first file."""
    zoos = zoos_of(table.files)
    found_in = _summed({zoo: (zoo, 0) for zoo in zoos.values()}, lambda file, _: zoos[file], table, verdicts, found)
    return [one for one in found_in if one.rows or not one.is_clean]


def by_table(table: Table, verdicts: Sequence[Verdict], found: Sequence[Issue]) -> list[Summary]:
    """One for each table; what could not be read is of no table."""
    places = dict.fromkeys((row.file, row.table) for row in table.rows)
    return _summed({place: place for place in places}, lambda *place: place, table, verdicts, found)


def total(parts: Sequence[Summary]) -> Summary:
    """All files together."""
    return Summary(
        plural(len(parts), "file"),
        sum(one.rows for one in parts),
        sum(one.cells for one in parts),
        sum((one.outcomes for one in parts), Counter()),
        sum((one.severities for one in parts), Counter()),
        sum(one.unread for one in parts),
    )


def _summed(
    names: Mapping[K, tuple[str, int]],
    key: Callable[[str, int], K],
    table: Table,
    verdicts: Sequence[Verdict],
    found: Sequence[Issue],
) -> list[Summary]:
    """The totals of what has the same key, which is made of a file and of the line of a table's heading."""
    headings = {(row.file, row.line): row.table for row in table.rows}
    rows: dict[K, set[int]] = {name: set() for name in names}
    outcomes: dict[K, Counter[Outcome]] = {name: Counter() for name in names}
    severities: dict[K, Counter[str]] = {name: Counter() for name in names}
    unread: Counter[K] = Counter()
    for row in table.rows:
        rows[key(row.file, row.table)].add(row.number)
    for verdict in verdicts:
        outcomes[key(verdict.claim.row.file, verdict.claim.row.table)][verdict.outcome] += 1
    for entry in found:
        place = key(entry.file, headings.get((entry.file, entry.line), 0))
        if place in severities:
            severities[place][entry.severity] += 1
    for problem in table.problems:
        unread[key(problem.file, 0)] += 1
    return [
        Summary(file, len(rows[name]), outcomes[name].total(), outcomes[name], severities[name], unread[name], line)
        for name, (file, line) in names.items()
    ]


def kinds(table: Table, found: Sequence[Issue], findings: Iterable[Finding], failures: Sequence[Failure]) -> list[Kind]:
    """Every kind of finding that was made, the most severe first, then the most frequent.

    Contradicted and doubtful cells are kinds, too; a finding about several cells is one.
    """
    zoos = zoos_of(table.files)
    shown = {shown_file(file): zoo for file, zoo in zoos.items()}
    counts: dict[tuple[str, str], Counter[str]] = {}
    first: dict[tuple[str, str], str] = {}
    for kind, severity, file, line in _made(found, findings, table, failures):
        counts.setdefault((kind, severity), Counter())[zoos.get(file) or shown.get(file, "")] += 1
        first.setdefault((kind, severity), shown_line(file, line) if file else "")
    made = [Kind(kind, severity, zoo, first[kind, severity]) for (kind, severity), zoo in counts.items()]
    return sorted(made, key=lambda one: (SEVERITIES.index(one.severity), -one.count, one.name))


def _made(
    found: Iterable[Issue], findings: Iterable[Finding], table: Table, failures: Iterable[Failure]
) -> Iterator[tuple[str, str, str, int]]:
    """Kind, severity, file and line of every one."""
    for entry in found:
        if entry.kind.startswith(("contradicted_", "doubtful_")):
            yield entry.kind, entry.severity, entry.file, entry.line
    for finding in findings:
        row = finding.row or next((one.claim.row for one in finding.suspects), None)
        file, line = (
            (row.file, row.line) if row else (finding.evidence.get("file", ""), finding.evidence.get("line", 0))
        )
        yield finding.kind, finding.severity, str(file), int(line)
    for _ in failures:
        yield "failure", "error", "", 0
    for problem in table.problems:
        yield "unreadable", "error", problem.file, problem.line
