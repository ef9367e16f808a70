"""The plan of a run: which rows are checked, with which release of each source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.errors import InputError
from harness.core.records import Claim, Row, Source
from harness.core.text import first_few, plural
from harness.execution import registry
from harness.execution.registry import SourceSpec
from harness.plan import known_gaps
from harness.plan.conflicts import nearest
from harness.plan.inference import Inferred, with_sources
from harness.plan.options import Options
from harness.plan.page import Page, read_page
from harness.plan.pairs import Pair, pairs_of
from harness.reference import FOLDER as REFERENCE
from harness.tables.claims import Problem, Table, read_tables

#: how a source and a release are called that a document does not name
UNNAMED, UNKNOWN = "unnamed", "unknown"


@dataclass(frozen=True)
class NamesElsewhere:
    """Names of a table that the release to be checked lacks."""

    file: str
    line: int  #: 1-based, of the heading
    source: str
    names: tuple[str, ...]
    release: str  #: that has them
    checked: bool  #: whether an adapter checks releases of that package

    @property
    def text(self) -> str:
        names = plural(len(self.names), "name")
        is_or_are, it = ("is", "it") if len(self.names) == 1 else ("are", "them")
        what_to_do = (
            "not of the release that is checked; ask for that one with --sources."
            if self.checked
            else f"a package that no adapter checks; no release of a source that is known has {it}."
        )
        return f"{names} of the table ({first_few(self.names)}) {is_or_are} of {self.release}, {what_to_do}"


@dataclass(frozen=True)
class Plan:
    """What will be checked, known before anything is measured."""

    table: Table
    pages: Mapping[str, Page]  #: file of the table -> what its page says besides
    targets: tuple[Target, ...]
    foreign: tuple[Row, ...]  #: rows of sources that have no adapter
    gaps: tuple[known_gaps.KnownGap, ...]
    known_pairs: tuple[known_gaps.KnownPair, ...]
    known: Mapping[str, SourceSpec]
    inferred: tuple[Inferred, ...] = ()  #: sources of tables that name none
    lacking: tuple[tuple[Row, str], ...] = ()  #: rows whose name their release lacks, and whose name it is

    def claims(self) -> list[tuple[Claim, Source]]:
        wanted: dict[Row, list[Source]] = {}
        for target in self.targets:
            wanted.setdefault(target.row, []).append(target.source)
        return [(claim, source) for claim in self.table.claims for source in wanted.get(claim.row, ())]

    @property
    def without_source(self) -> list[Problem]:
        """The tables with rows of which nobody says whose they are, each with what to do."""
        rows = Counter((row.file, row.table) for row in self.foreign if not row.source)
        known = ", ".join(sorted(self.known))
        return [
            Problem(
                file,
                line,
                f"The table names no source, and none can be told from its links and names; say whose its "
                f"{plural(count, 'row')} {'is' if count == 1 else 'are'} with --sources ({known})",
            )
            for (file, line), count in rows.items()
        ]

    @property
    def of_other_releases(self) -> list[NamesElsewhere]:
        """Names that the release to be checked lacks, all of a table that are of one other release together."""
        groups: dict[tuple[str, int, str], list[Row]] = {}
        for row, elsewhere in self.lacking:
            groups.setdefault((row.file, row.table, elsewhere), []).append(row)
        return [
            NamesElsewhere(
                file,
                line,
                rows[0].source,
                tuple(dict.fromkeys(row.model for row in rows)),
                elsewhere,
                elsewhere.split(" ")[0] in self.known,
            )
            for (file, line, elsewhere), rows in groups.items()
        ]

    @property
    def sources(self) -> list[Source]:
        """Every source to be checked, in the order of the table."""
        return list(dict.fromkeys(target.source for target in self.targets))

    def page(self, row: Row) -> Page:
        return self.pages[row.file]

    def with_release(self, documented: Source, instead: Source) -> Plan:
        """The same with another release of a source instead of the one that the table names."""
        targets = (replace(t, source=instead) if t.source == documented else t for t in self.targets)
        return replace(self, targets=tuple(dict.fromkeys(targets)))

    def pairs(self) -> list[Pair]:
        """Every two of the sources to be checked that document the same model."""
        return pairs_of((target.row.model, target.row.input_size, target.source) for target in self.targets)


def plan(options: Options) -> Plan:
    """Reads the table and what was asked of it. Raises InputError, with the nearest valid name where one is wrong."""
    options.validate()
    known = registry.sources()
    if options.cuda_index is not None:
        known = registry.OnGpus(known, options.cuda_index)
    asked = [registry.parse_source(text, known) for text in options.sources]
    found = with_sources(read_tables(options.tables, but=options.out), known, asked)
    table = found.table
    targets, foreign = select_targets(table, options, known)
    next_to_tables = dict.fromkeys(Path(file).parent / "known_gaps.toml" for file in table.files)
    listed = [file for file in next_to_tables if file.is_file()] or [REFERENCE / "known_gaps.toml"]
    return Plan(
        table,
        {file: read_page(Path(file)) for file in table.files},
        targets,
        foreign,
        tuple(gap for file in listed for gap in known_gaps.read_known_gaps(file)),
        tuple(pair for file in listed for pair in known_gaps.read_known_pairs(file)),
        known,
        found.inferred if options.asks_sources else (),
        found.lacking if options.asks_sources else (),
    )


def select_targets(
    table: Table, options: Options, known: Mapping[str, SourceSpec]
) -> tuple[tuple[Target, ...], tuple[Row, ...]]:
    """The rows to check, each with a release of its source, and the rows of sources that have no adapter.

    A row without a source is checked against every source that was asked for; where pages are judged by themselves
    alone, every row is checked as it is. Raises InputError where the table has nothing of a source or a model that was
    asked for.
    """
    asked = [registry.parse_source(text, known) for text in options.sources]
    _check_names(table, options, [name for name, _ in asked])
    rows = [row for row in table.rows if not options.models or {row.model, row.printed} & {*options.models}]
    if not options.asks_sources:
        names = {name for name, _ in asked}
        mine = [row for row in rows if not names or row.source in (*names, "")]
        return tuple(Target(row, Source(row.source or UNNAMED, row.version or UNKNOWN)) for row in mine), ()
    targets = [target for row in rows for target in _targets_of(row, asked, known)]
    if options.models and asked and not targets:
        raise InputError(
            f"--models, --sources: {_named(table)} documents none of {', '.join(options.models)} from "
            f"{', '.join(name for name, _ in asked)}"
        )
    foreign = () if asked else tuple(row for row in rows if row.source not in known)
    return tuple(dict.fromkeys(targets)), foreign


def _targets_of(row: Row, asked: Sequence[tuple[str, str | None]], known: Mapping[str, SourceSpec]) -> Iterator[Target]:
    wanted = [(name, version) for name, version in asked if row.source in (name, "")] if asked else [(row.source, None)]
    for name, version in wanted:
        if name in known:
            yield Target(row, Source(name, version or row.version or known[name].default_version))


def _check_names(table: Table, options: Options, sources: Sequence[str]) -> None:
    in_table = sorted({row.source for row in table.rows if row.source})
    has_rows_of_any_source = any(not row.source for row in table.rows)
    for name in sources:
        if name not in in_table and not has_rows_of_any_source:
            raise InputError(f"--sources: {_named(table)} documents nothing from {name}; it has {', '.join(in_table)}")
    in_models = sorted({name for row in table.rows for name in (row.model, row.printed) if name})
    for model in options.models:
        if model not in in_models:
            raise InputError(f"--models: {_named(table)} has no model {model!r}; {nearest(model, in_models)}")


def _named(table: Table) -> str:
    files = table.files
    return ", ".join(files) if len(files) < 4 else f"{files[0]} and {len(files) - 1} more"


@dataclass(frozen=True)
class Target:
    """A row as it is to be checked: with which release of its source."""

    row: Row
    source: Source
