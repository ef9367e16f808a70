"""What the verdicts hang on: every prior of reference/priors/counts.toml three times as large, and a third.

The tables are the same for all, so that each difference is one of the priors.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

from benchmarks.judged_tables import Tally, measured, statics, tables
from benchmarks.printed_tables import Column, Network, Wanted
from harness.checks.counts.evidence import likelihood, misprints, posterior, priors
from harness.checks.counts.judge import judge
from harness.core.records import Outcome

#: what was learnt from published tables, and is not varied
LEARNT = {("flops", "factor", "1"), ("flops", "factor", "2"), ("params", "counted", "plain"), ("printing", "rounded")}
#: how many times as large
TIMES = (3.0, 1 / 3)
#: kinds of columns, and how many of each for one unit of work
KINDS = (("flops", 1, 3, 6), ("flops", 3, 3, 4), ("flops", 10, 4, 1), ("params", 1, 3, 6), ("params", 3, 4, 4))

Place = tuple[str, ...]


def places(shares: Mapping[str, Any], above: Place = ()) -> Iterator[Place]:
    """Every prior, by the keys that lead to it."""
    for name, value in shares.items():
        if isinstance(value, Mapping):
            yield from places(value, (*above, name))
        else:
            yield (*above, name)


@contextmanager
def changed(place: Place, times: float) -> Iterator[None]:
    """The priors with one of them so many times as large; the others of its kind stay in their proportion."""
    shares: dict[str, Any] = copy.deepcopy(dict(priors.table()))
    inner = shares
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] *= times
    _forget()
    with mock.patch.object(priors, "table", return_value=shares):
        yield
    _forget()


def _forget() -> None:
    for kept in (priors.printings, priors._all_ratios, posterior._transitions, misprints._meant_by):
        kept.cache_clear()
    likelihood.forget()


def outcomes(printed: Sequence[Column], of: Mapping[str, Network]) -> tuple[Tally, list[Outcome]]:
    known, total, found = statics(of), Tally(), []
    for column in printed:
        judged = judge([measured(column, known)])[0]
        total.add(column, judged)
        found += [one.outcome for one in judged]
    return total, found


def show(units: int, of: Mapping[str, Network], only: str = "") -> None:
    """`only` names some priors, by a regular expression."""
    printed: list[Column] = []
    for metric, rows, digits, count in KINDS:
        found = tables(Wanted(metric, rows, digits, 1 / rows), of)
        printed += [next(found) for _ in range(count * units)]
    usual, before = outcomes(printed, of)
    print("| prior | times | right cells called wrong | doubtful | wrong cells found | right figure named | changed |")
    print("| :-- | --: | --: | --: | --: | --: | --: |")
    _line("as they are", "", usual, 0)
    for place in places(priors.table()):
        if place not in LEARNT and re.search(only, ".".join(place)):
            for times in TIMES:
                with changed(place, times):
                    tally, after = outcomes(printed, of)
                _line(".".join(place), f"{times:.2g}", tally, sum(a != b for a, b in zip(before, after, strict=True)))


def _line(name: str, times: str, tally: Tally, different: int) -> None:
    counts = tally.counts
    found = counts["wrong red"] + counts["wrong doubtful"]
    print(
        f"| {name} | {times} | {counts['right red']} of {counts['right']} | {counts['right doubtful']} "
        f"| {found} of {counts['wrong']} | {counts['named']} of {found} | {different} |",
        flush=True,
    )
