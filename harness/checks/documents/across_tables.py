"""One model in several tables of a zoo with figures that differ: who is odd, and how likely it is a slip.

Tables that were made from one another agree in nearly all rows, so that a difference is a slip; tables about other
weights, or by another counter, differ in many, and a difference says nothing.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from harness.core.findings import Finding
from harness.core.model_names import folded
from harness.core.records import Claim, Metric
from harness.tables.percentages.image_sets import VAL, rates, slips

#: Probability from which a difference is said: below, the tables are probably about other weights.
LIKELIER_THAN_NOT = 0.5
#: tables of one run that are compared with each other
_MOST_TABLES = 400

_Place = tuple[str, int]


class _What(NamedTuple):
    """What a figure is of; figures of the same should be the same."""

    model: str
    metric: Metric
    source: str
    pixels: int | None
    images: str


class _Difference(NamedTuple):
    """Two figures that should be one."""

    a: Claim
    b: Claim
    probability: float  #: that one of them is a slip
    agreeing: int  #: rows in which the two tables agree


def differing(claims: Iterable[Claim]) -> list[Finding]:
    """Figures of one model that differ between tables which otherwise agree."""
    tables: dict[_Place, dict[_What, Claim]] = {}
    twice: set[tuple[_Place, _What]] = set()
    for claim in claims:
        place, about = (claim.row.file, claim.row.table), _what(claim)
        if tables.setdefault(place, {}).setdefault(about, claim) is not claim:
            twice.add((place, about))  # which of the two is meant is not known
    for place, about in twice:
        tables[place].pop(about, None)
    places = list(tables)[:_MOST_TABLES]
    found = [one for a, b in itertools.combinations(places, 2) for one in _between(tables[a], tables[b])]
    return list(_findings(found, tables))


def _what(claim: Claim) -> _What:
    images = "" if claim.unit != "%" else VAL if claim.measured_on is None else claim.measured_on.name
    pixels = None if claim.metric == "params" else claim.counted_at or claim.row.input_size
    return _What(folded(claim.row.model), claim.metric, claim.row.source, pixels, images)


def _between(first: Mapping[_What, Claim], second: Mapping[_What, Claim]) -> Iterator[_Difference]:
    """What differs between two tables by slips."""
    shared = first.keys() & second.keys()
    for metric in {about.metric for about in shared}:
        pairs = [(first[about], second[about]) for about in first if about in shared and about.metric == metric]
        apart = [pair for pair in pairs if not _same(*pair)]
        edited = sum(_one_edit(a.text, b.text) for a, b in apart)
        for a, b in apart:
            probability = _slip(_one_edit(a.text, b.text), len(pairs), len(apart), edited)
            if probability > LIKELIER_THAN_NOT:
                yield _Difference(a, b, probability, len(pairs) - len(apart))


def _slip(edit: bool, shared: int, apart: int, edited: int) -> float:
    """The probability that a difference is a slip of the pen, given how the other rows differ."""
    slip = 2 * slips()  # in either
    by_edit = rates()["one_edit"].estimate
    otherwise = (apart - 0.5) / shared
    other_edits = (edited - edit + 0.5) / apart
    here, there = (by_edit, other_edits) if edit else (1 - by_edit, 1 - other_edits)
    return slip * here / (slip * here + otherwise * there)


def _same(a: Claim, b: Claim) -> bool:
    """Whether two printed figures can be of one number."""
    return abs(a.value - b.value) <= max(a.step, b.step) / 2 * (1 + 1e-9) + min(a.step, b.step) / 2


def _one_edit(a: str, b: str) -> bool:
    """Whether a digit was changed, left out or added, two neighbours exchanged, or the point moved."""
    first, second = (text.replace(".", "").strip("0") for text in (a, b))
    if first == second:
        return True
    if len(first) == len(second):
        differ = [i for i, (one, other) in enumerate(zip(first, second, strict=True)) if one != other]
        swapped = len(differ) == 2 and differ[1] == differ[0] + 1 and _turned(first, second, differ[0])
        return len(differ) == 1 or swapped
    longer, shorter = sorted((first, second), key=len, reverse=True)
    return len(longer) == len(shorter) + 1 and any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))


def _turned(first: str, second: str, at: int) -> bool:
    return first[at : at + 2] == second[at : at + 2][::-1]


def _findings(found: Sequence[_Difference], tables: Mapping[_Place, Mapping[_What, Claim]]) -> Iterator[Finding]:
    """One finding for each figure that differs: about the one that stands alone, where there are three and more."""
    by_figure: dict[_What, list[_Difference]] = {}
    for one in found:
        by_figure.setdefault(_what(one.a), []).append(one)
    for about, differences in by_figure.items():
        every = [table[about] for table in tables.values() if about in table]
        agreeing = Counter({claim: sum(_same(claim, other) for other in every) - 1 for claim in every})
        likeliest = max(differences, key=lambda one: one.probability)
        odd, other = sorted((likeliest.a, likeliest.b), key=lambda claim: agreeing[claim])
        who = (
            f"{agreeing[other] + 1} tables have the second, so that the first is odd"
            if agreeing[other] > agreeing[odd]
            else "which of the two is right, the tables do not tell"
        )
        text = (
            f"The documented {about.metric} of {odd.row.model} is {odd.text} {odd.unit}".rstrip()
            + f" in {odd.row.place} and {other.text} {other.unit}".rstrip()
            + f" in {other.row.place}; in {likeliest.agreeing} other rows the two tables agree. A slip is likely "
            f"({likeliest.probability:.0%}); {who}."
        )
        evidence = {
            "figures": [{"file": claim.row.file, "line": claim.row.line, "documented": claim.text} for claim in every],
            "probability": round(likeliest.probability, 4),
        }
        yield Finding.about_row("differs_between_tables", odd.row, text, evidence)
