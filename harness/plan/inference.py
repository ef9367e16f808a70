"""Whose figures a table has that does not say so, of which release, and what its rows are called there.

Told by the rows' links, by those of the page, and by the names, in this order. What is not certain is left open: a page
whose models several sources offer is nobody's until somebody says whose it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.core.model_names import CONFIGURATION, folded
from harness.core.records import Row
from harness.core.text import first_few, plural
from harness.execution.registry import SourceSpec
from harness.plan.origins import Origin, origin_of
from harness.tables.claims import Table

#: Share of a table's names that have to be a source's where its names alone tell it. Of 60 published pages none was
#: given to another source with this share, not even where its own source was hidden (tests/plan/test_inference.py).
MOST = 0.9
#: the same where the page links to the source as well
HALF = 0.5


@dataclass(frozen=True)
class Inferred:
    """A source that rows of a table were found to be of."""

    file: str
    line: int  #: 1-based, of the heading
    source: str
    version: str | None
    rows: int
    why: str

    @property
    def text(self) -> str:
        release = f" {self.version}" if self.version else ""
        rows = f"{plural(self.rows, 'row')} {'is' if self.rows == 1 else 'are'}"
        return f"The table names no source; {rows} taken for {self.source}{release}'s: {self.why}"


@dataclass(frozen=True)
class Origins:
    """Rows with their sources, and what was found out about them."""

    table: Table
    inferred: tuple[Inferred, ...] = ()
    lacking: tuple[tuple[Row, str], ...] = ()  #: rows whose name their release lacks, and where it is a name


def with_sources(table: Table, known: Mapping[str, SourceSpec], asked: Sequence[tuple[str, str | None]]) -> Origins:
    """The table with every row's source and release as far as they can be told, and rows named as their links do.

    Rows without a source are those of the source that was asked for, if that is only one.
    """
    origins = {name: origin_of(known[name]) for name in known}
    tables: dict[tuple[str, int], list[Row]] = {}
    for row in table.rows:
        tables.setdefault((row.file, row.table), []).append(row)
    links: dict[str, list[str]] = {}
    for file, address in table.links:
        links.setdefault(file, []).append(address)
    new: dict[Row, Row] = {}
    inferred: list[Inferred] = []
    for (file, line), rows in tables.items():
        open_rows = [row for row in rows if not row.source]
        found = {} if asked else _sources(open_rows, links.get(file, ()), origins)
        own = [replace(row, source=found[row][0] if row in found else _linked(row, origins)) for row in rows]
        released = _released([_named(row, origins, asked) for row in own], origins)
        new.update(zip(rows, released, strict=True))
        if not asked:
            new.update({row: _of_package(new[row], origins) for row in open_rows})
        inferred += _told(file, line, [(new[row], found.get(row)) for row in open_rows])
    renamed = replace(
        table,
        rows=tuple(new[row] for row in table.rows),
        claims=tuple(replace(claim, row=new[claim.row]) for claim in table.claims),
        asides=tuple(replace(claim, row=new[claim.row]) for claim in table.asides),
    )
    lacking = ((row, _lacks(row, origins, known, asked)) for row in renamed.rows)
    return Origins(renamed, tuple(inferred), tuple((row, text) for row, text in lacking if text))


def _of_package(row: Row, origins: Mapping[str, Origin]) -> Row:
    """A row whose name only another package has, which a source became, as that package's."""
    asked = [origins[row.source]] if row.source else list(origins.values())
    packages = {
        package for origin in asked if not origin.offers(row.model) for package in origin.packages_with(row.model)
    }
    if len(packages) != 1:
        return row
    package, _, version = packages.pop().partition(" ")
    return replace(row, source=package, version=version)


def _told(file: str, line: int, rows: Sequence[tuple[Row, tuple[str, str] | None]]) -> Iterator[Inferred]:
    """What was found out about the rows of a table that named no source."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row, found in rows:
        if found and found[0] == row.source:
            groups.setdefault(found, []).append(row)
        elif row.source:
            why = f"{row.source} has their names, no known release of {found[0] if found else 'another source'} does"
            groups.setdefault((row.source, why), []).append(row)
    for (source, why), mine in groups.items():
        versions = {row.version for row in mine}
        yield Inferred(file, line, source, versions.pop() if len(versions) == 1 else None, len(mine), why)


def _linked(row: Row, origins: Mapping[str, Origin]) -> str:
    """The source that a row names, or the known one whose address it gives to a source by another name."""
    if row.source in origins or row.link is None:
        return row.source
    linked = [name for name, one in origins.items() if one.is_linked(row.link)]
    return linked[0] if len(linked) == 1 else row.source


def _sources(rows: Sequence[Row], page: Sequence[str], origins: Mapping[str, Origin]) -> dict[Row, tuple[str, str]]:
    """The source of each row and how it is known; rows of which it is not known are left out."""
    if not rows:
        return {}
    linked = {row: {name for name, one in origins.items() if any(map(one.is_linked, row.links))} for row in rows}
    certain = {row: next(iter(names)) for row, names in linked.items() if len(names) == 1}
    if len(set(certain.values())) == 1 and not any(len(names) > 1 for names in linked.values()):
        source = next(iter(certain.values()))
        links = "one of them links" if len(certain) == 1 else f"{len(certain)} of them link"
        return dict.fromkeys(rows, (source, f"{links} to {source}"))
    if certain:
        return {row: (source, f"they link to {source}") for row, source in certain.items()}
    on_page = [name for name, one in origins.items() if any(map(one.is_linked, page))]
    names = list(dict.fromkeys(row.model for row in rows))
    if len(on_page) == 1 and _share(names, origins[on_page[0]]) >= HALF:
        return dict.fromkeys(rows, (on_page[0], f"the page links to {on_page[0]}, which offers most of its models"))
    return dict.fromkeys(rows, found) if (found := _by_names(names, origins)) else {}


def _share(names: Sequence[str], origin: Origin) -> float:
    """Share of the names that a source offers, however they are spelled; all where its names are not known."""
    if origin.names is None:
        return 1.0
    known = [origin.offers(name) or folded(name) in origin.folded_names for name in names]
    return sum(known) / len(names)


def _by_names(names: Sequence[str], origins: Mapping[str, Origin]) -> tuple[str, str] | None:
    """The one source that spells the names so, and that offers some of them alone, whatever the spelling."""
    for source, origin in origins.items():
        own = [name for name in names if origin.offers(name)]
        formed = [name for name in names if origin.form_of(name)]
        others = [one for other, one in origins.items() if other != source and one.names is not None]
        alone = [name for name in own if not any(folded(name) in other.folded_names for other in others)]
        successors = [package for name in names if name not in own for package in origin.packages_with(name)[:1]]
        if len(own) + len(successors) >= MOST * len(names) and alone:
            only = f", and no other known source has {first_few(alone, 2)}"
            of_names = f"{len(own)} of {plural(len(names), 'name')} {'is' if len(own) == 1 else 'are'}"
            further = f", {len(successors)} are of {first_few(list(dict.fromkeys(successors)))}" if successors else ""
            return source, f"{of_names} {source}'s{further}{only}"
        if len(formed) >= MOST * len(names) and own:
            since = next(naming.since for name in formed if (naming := origin.form_of(name)))
            return source, f"names such as {formed[0]} have the form of {source} {since} and later"
    return None


def _named(row: Row, origins: Mapping[str, Origin], asked: Sequence[tuple[str, str | None]]) -> Row:
    """A row by the name that its link to a configuration or to a checkpoint says, where that is the source's own."""
    origin = origins.get(row.source or (asked[0][0] if len(asked) == 1 else ""))
    if origin is None or not row.links or (origin.names is None and not origin.configurations):
        return row
    configuration = origin.configuration_in(row.links)
    if configuration and not (origin.offers(row.model) or _is_of(configuration, row.model, origin)):
        return replace(row, model=configuration, printed=row.model)
    if configuration or origin.names is None or origin.offers(row.model):
        return row
    meant = {name for name in origin.checkpoints_in(row.links) if origin.offers(name)}
    return replace(row, model=meant.pop(), printed=row.model) if len(meant) == 1 else row


def _is_of(configuration: str, model: str, origin: Origin) -> bool:
    """Whether a configuration that the source does not have any more is of that model on ImageNet."""
    parts = CONFIGURATION.match(configuration)
    if parts is None or origin.offers(configuration):
        return False
    on_imagenet = re.fullmatch(r"(?:.*_)?(?:in1k|imagenet)?", parts[2] or "", re.IGNORECASE)
    return folded(parts[1]) == folded(model) and on_imagenet is not None


def _released(rows: Sequence[Row], origins: Mapping[str, Origin]) -> list[Row]:
    """The rows with the release that their links or their names say, where nothing else does."""
    releases: dict[str, str | None] = {}
    for source in {row.source for row in rows if row.source in origins and not row.version}:
        origin = origins[source]
        mine = [row for row in rows if row.source == source]
        linked = {version for row in mine for link in row.links if (version := origin.release_of(link))}
        releases[source] = linked.pop() if len(linked) == 1 else _release_by_names(mine, origin)
    return [
        row if row.version or not releases.get(row.source) else replace(row, version=releases[row.source])
        for row in rows
    ]


def _release_by_names(rows: Sequence[Row], origin: Origin) -> str | None:
    """The release that offers most of the names, where the first that is known lacks some that it has."""
    forms = Counter(naming.release for row in rows if (naming := origin.form_of(row.model)))
    if forms and forms.most_common(1)[0][1] >= HALF * len(rows):
        return forms.most_common(1)[0][0]
    counts = Counter(release for row in rows for release in origin.releases_with(row.model))
    first = next(iter(origin.names or ()), None)
    best = max(counts, key=lambda release: (counts[release], release == first), default=None)
    return best if best is not None and best != first else None


def _lacks(
    row: Row,
    origins: Mapping[str, Origin],
    known: Mapping[str, SourceSpec],
    asked: Sequence[tuple[str, str | None]],
) -> str | None:
    """Where a name is one that the release to be checked lacks, "timm 0.9 and later"; None if that is not known."""
    source = row.source or (asked[0][0] if len(asked) == 1 else "")
    if source not in origins:
        return None
    origin = origins[source]
    version = dict(asked).get(source) or row.version or known[source].default_version
    form = origin.form_of(row.model)
    if form and _numbers(version) < _numbers(form.since):
        return f"{source} {form.since} and later"
    releases = origin.releases_with(row.model)
    if version in (origin.names or {}) and version not in releases:
        return f"{source} {releases[0]}" if releases else next(iter(origin.packages_with(row.model)), None)
    return None


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]
