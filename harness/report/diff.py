"""What changed between two runs, for a pull request: python -m harness.compare BEFORE AFTER.

Exit status: 0, nothing became worse; 1, something did; 2, a report could not be read.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.core.errors import InputError
from harness.core.paths import is_url
from harness.core.records import UNJUDGED, Outcome
from harness.dataset.remote import parse_location
from harness.execution.predictions import Predictions
from harness.report import report_json
from harness.report.markdown import render
from harness.report.wording import SIGNS

Entry = Mapping[str, Any]  #: an entry of one of the lists of report.json
Direction = Literal["worse", "better", "changed"]

DIRECTIONS: tuple[Direction, ...] = ("worse", "better", "changed")
#: outcomes of cells and of pairs, from what is best to what is worst
RANKS = {
    "cells": [str(one) for one in (Outcome.REPRODUCED, Outcome.WITHIN_REPETITIONS, Outcome.EXPLAINED, Outcome.KNOWN_GAP,
                                   *UNJUDGED, Outcome.DOUBTFUL, Outcome.ERROR, Outcome.CONTRADICTED)],
    "pairs": ["same_function", "equivalent", "undecided", "different", "no_correspondence", "different_function"],
}  # fmt: skip


#: outcomes that count as worse for a new entry
_BAD = {"cells": ("contradicted", "error"), "pairs": ("different_function", "different")}
_UNDECIDED = ("not_comparable", "not_measured", "error", "no_correspondence", "undecided")


@dataclass(frozen=True)
class Kind:
    """How the entries of a list are recognised in another report, and which of their fields are compared."""

    identity: tuple[str, ...]
    may_differ: tuple[str, ...]  #: parts of the identity that may differ as long as the entry stays unambiguous
    compared: tuple[str, ...]  #: fields; a changed release is reported once, for its source


KINDS = {
    "sources": Kind(("name", "version"), ("version",), ("version", "python", "packages")),
    "cells": Kind(
        ("file", "source", "version", "model", "input_size", "metric"),
        ("file", "version", "input_size"),
        ("input_size", "documented", "unit", "measured", "outcome", "convention"),
    ),
    "runs": Kind(
        ("source", "version", "model", "input_size", "runtime", "precision"),
        ("version", "input_size"),
        ("input_size", "images", "top1_count", "top5_count", "decode_errors", "checkpoint"),
    ),
    "pairs": Kind(
        ("a", "b", "model", "input_size", "same_weights"),
        ("a", "b", "input_size"),
        ("images", "max_abs_diff", "top1_agreement", "outcome", "first_divergence"),
    ),
    "findings": Kind(("kind", "severity", "source", "model", "text"), ("source", "text"), ("text",)),
}


@dataclass(frozen=True)
class Report:
    """The content of a report.json and its path."""

    file: Path
    content: Mapping[str, Any]

    def entries(self, name: str) -> list[Entry]:
        return list(self.content.get(name) or [])


@dataclass(frozen=True)
class Flips:
    """The images on which two runs of one network differ."""

    images: int  #: scored by both
    best: tuple[str, ...]  #: names of the images whose best class differs
    five: int  #: images whose five best classes differ


@dataclass(frozen=True)
class Change:
    """An entry that differs; `before` or `after` is None where only one report has it."""

    direction: Direction
    before: Entry | None
    after: Entry | None
    fields: tuple[str, ...] = ()  #: that differ, of an entry in both
    flips: Flips | None = None  #: of a run
    no_flips: str | None = None  #: why the images of a run could not be compared


@dataclass(frozen=True)
class Comparison:
    """Everything that differs."""

    before: str  #: file
    after: str
    data: tuple[Entry | None, Entry | None] | None  #: the images, where they differ
    changes: Mapping[str, tuple[Change, ...]]  #: by list of report.json, worse entries first
    same_cells: int

    def count(self, direction: Direction) -> int:
        return sum(change.direction == direction for changes in self.changes.values() for change in changes)

    @property
    def exit_status(self) -> int:
        return 1 if self.count("worse") else 0


def read(path: Path) -> Report:
    """`path` is a report.json or a folder with one. Raises InputError where it cannot be read as one."""
    file = path / "report.json" if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file; expected a report.json, or the --out folder of a run") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read as a report: {error}; expected a report.json") from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != report_json.SCHEMA:
        raise InputError(
            f"{file}: its schema is {schema}, expected {report_json.SCHEMA}; make the report again with this version"
        )
    return Report(file, content)


def compare(before: Report, after: Report) -> Comparison:
    """What differs. A row is recognised even if its file, its release or its input size changed.

    Raises InputError where a report has no cells.
    """
    found: dict[str, list[Change]] = {}
    same = 0
    for name, kind in KINDS.items():
        found[name] = []
        for old, new in _matched(before.entries(name), after.entries(name), kind):
            change = _change(name, kind, old, new)
            if name == "runs" and old is not None and new is not None:
                change = _with_flips(change, before, after, old, new)
            if change is not None:
                found[name].append(change)
            else:
                same += name == "cells"
    if not before.entries("cells") or not after.entries("cells"):
        raise InputError(f"{before.file}, {after.file}: one of the two has no cells; compare runs that check a table")
    data = before.content.get("data"), after.content.get("data")
    identity = [one and (one["images"], one["digest"]) for one in data]
    return Comparison(
        str(before.file),
        str(after.file),
        data if identity[0] != identity[1] else None,
        {name: tuple(sorted(changes, key=_by_direction)) for name, changes in found.items()},
        same,
    )


def _by_direction(change: Change) -> int:
    return DIRECTIONS.index(change.direction)


def _matched(before: Sequence[Entry], after: Sequence[Entry], kind: Kind) -> list[tuple[Entry | None, Entry | None]]:
    """The entries of both reports in pairs, in the order of the later report; None where one has no counterpart."""
    left, right = list(before), list(after)
    found: list[tuple[Entry, Entry]] = []
    for ignored in ((), *((one,) for one in kind.may_differ), kind.may_differ):
        old, new = _grouped(left, kind.identity, ignored), _grouped(right, kind.identity, ignored)
        for key, earlier in old.items():
            later = new.get(key, [])
            if not ignored or len(earlier) == len(later) == 1:
                found += zip(earlier, later, strict=False)
        taken = {id(one) for two in found for one in two}
        left, right = ([one for one in side if id(one) not in taken] for side in (left, right))
    position = {id(one): number for number, one in enumerate(after)}
    found.sort(key=lambda two: position[id(two[1])])
    return [*found, *((one, None) for one in left), *((None, one) for one in right)]


def _grouped(entries: Iterable[Entry], identity: Sequence[str], ignored: Sequence[str]) -> dict[Hashable, list[Entry]]:
    found: dict[Hashable, list[Entry]] = {}
    for one in entries:
        values = {name: str(one.get(name)) for name in identity}
        # of a source with its release, only the source is compared
        values |= {name: values[name].partition("==")[0] if "==" in values[name] else "" for name in ignored}
        found.setdefault(tuple(values.values()), []).append(one)
    return found


def _change(name: str, kind: Kind, before: Entry | None, after: Entry | None) -> Change | None:
    if before is None or after is None:
        one = before or after or {}
        is_bad = one.get("severity") == "error" or one.get("outcome") in _BAD.get(name, ())
        # a removed row is not an improvement, a removed finding is
        gone: Direction = "better" if name == "findings" else "changed"
        return Change("changed" if not is_bad else "worse" if before is None else gone, before, after)
    fields = tuple(field for field in kind.compared if before.get(field) != after.get(field))
    if not fields:
        return None
    order = RANKS.get(name, [])
    ranks = [order.index(one["outcome"]) if one.get("outcome") in order else len(order) for one in (before, after)]
    direction: Direction = "worse" if ranks[1] > ranks[0] else "better" if ranks[1] < ranks[0] else "changed"
    if direction == "better" and after.get("outcome") in _UNDECIDED:
        direction = "changed"  # a cell that is no longer measured is not an improvement
    return Change(direction, before, after, fields)


def _with_flips(change: Change | None, before: Report, after: Report, old: Entry, new: Entry) -> Change | None:
    try:
        flips = _flips((before, old), (after, new))
    except Exception as error:  # file systems behind URLs raise exceptions of their own
        flips = f"the predictions cannot be read: {error}"
    if isinstance(flips, str):
        return change and dataclasses.replace(change, no_flips=flips)
    if change is None and not flips.best and not flips.five:
        return None
    return dataclasses.replace(change or Change("changed", old, new), flips=flips)


def _flips(*runs: tuple[Report, Entry]) -> Flips | str:
    """The images on which two runs differ, or why that cannot be determined."""
    tables = []
    for report, run in runs:
        where = run.get("predictions")
        if not where:
            return f"{report.file} does not say where its predictions are"
        folder = parse_location(where) if is_url(where) else report.file.parent / where
        if not folder.is_dir():
            return f"the predictions of {report.file} are no longer where they were"
        table = Predictions(folder).read()
        tables.append(table[table["error"].isna()].set_index("image")["classes"])
    names = tables[0].index.intersection(tables[1].index)
    old, new = ([list(classes) for classes in table.loc[names]] for table in tables)
    best = tuple(str(name) for name, a, b in zip(names, old, new, strict=True) if a[0] != b[0])
    return Flips(len(names), best, sum(set(a[:5]) != set(b[:5]) for a, b in zip(old, new, strict=True)))


def markdown(found: Comparison) -> str:
    """The comparison for a pull request, worse entries first."""
    return render("compare.md.j2", found=found, signs={str(outcome): sign for outcome, sign in SIGNS.items()},
                  packages=_packages)  # fmt: skip


def _packages(change: Change) -> list[tuple[str, str, str]]:
    """Name, old and new version of the packages that changed."""
    old, new = (one["packages"] if one else {} for one in (change.before, change.after))
    names = sorted({*old, *new}) if change.before and change.after else []
    return [(name, old.get(name, "–"), new.get(name, "–")) for name in names if old.get(name) != new.get(name)]
