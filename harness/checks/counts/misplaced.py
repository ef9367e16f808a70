"""Where a wrong or doubtful count may come from: another row, the row's other column, or another network.

Pure functions on verdicts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from harness.checks.counts.candidates import flops_conventions, params_conventions
from harness.checks.counts.conventions import Convention
from harness.checks.counts.evidence import priors
from harness.checks.counts.judge import WRONG
from harness.checks.counts.matching import Measured, agrees, figure
from harness.core.causes import Cause, Exchanged, MayBeCopied, OtherNetwork, SameFigureElsewhere
from harness.core.evidence import NoMatch
from harness.core.records import UNITS, Claim, Outcome, Row, Source, Static, Verdict

#: outcomes of figures that may be another network's
MISSES = (Outcome.CONTRADICTED, Outcome.DOUBTFUL)
#: choices of a convention that may differ from the plain one where a figure is looked for in other networks
TELLING_DEPARTURES = 3
#: A figure of fewer digits stands in two rows by chance too often to say so.
TELLING_DIGITS = 3


def name_copies(verdicts: Sequence[Verdict], documented: Iterable[Claim]) -> list[Verdict]:
    """Adds to contradicted counts the other rows of the table with the same figure, if it has enough digits.

    Also to counts that only another convention explains, where one of these rows has it under the plain meaning.
    """
    standing: dict[tuple[Any, ...], list[Row]] = {}
    plainly = {(v.claim.row, v.claim.metric) for v in verdicts if v.outcome is Outcome.REPRODUCED}

    def figure(claim: Claim) -> tuple[Any, ...]:
        return claim.row.file, claim.row.table, claim.metric, claim.text, claim.unit

    for claim in documented:
        standing.setdefault(figure(claim), []).append(claim.row)
    named = []
    for verdict in verdicts:
        claim = verdict.claim
        others = [row for row in standing.get(figure(claim), ()) if row.number != claim.row.number]
        if claim.digits >= TELLING_DIGITS and claim.metric in ("flops", "params"):
            if others and verdict.outcome in MISSES:
                verdict = _with_cause(verdict, SameFigureElsewhere(tuple(others)))
            true_of = [row for row in others if (row, claim.metric) in plainly]
            if true_of and verdict.outcome is Outcome.EXPLAINED:
                verdict = _with_cause(verdict, MayBeCopied(true_of[0]))
        named.append(verdict)
    return named


def _with_cause(verdict: Verdict, cause: Cause) -> Verdict:
    return dataclasses.replace(verdict, causes=(*verdict.causes, cause))


def name_exchanged(verdicts: Sequence[Verdict], statics: Mapping[tuple[Row, Source], Static]) -> list[Verdict]:
    """Marks contradicted FLOPs and parameters of a row that are exchanged."""
    misses: dict[tuple[Row, Source], dict[str, Claim]] = {}
    for verdict in verdicts:
        if _is_static_miss(verdict):
            misses.setdefault((verdict.claim.row, verdict.source), {})[verdict.claim.metric] = verdict.claim
    exchanged: dict[tuple[Claim, Source], Exchanged] = {}
    for (row, source), claims in misses.items():
        if len(claims) == 2:
            flops, params = claims["flops"], claims["params"]
            in_place = [_in_place_of(flops, params), _in_place_of(params, flops)]
            with_unit = [dataclasses.replace(flops, metric="params"), dataclasses.replace(params, metric="flops")]
            if is_told(found := belongs_to(in_place, [statics[row, source]])):
                texts = params.text, flops.text
            elif is_told(found := belongs_to(with_unit, [statics[row, source]])):
                texts = _in_unit_of(params, flops), _in_unit_of(flops, params)
            else:
                continue
            for claim, text in zip((flops, params), texts, strict=True):
                exchanged[claim, source] = Exchanged(text, _probability(found))
    return [
        dataclasses.replace(_with_cause(v, exchanged[v.claim, v.source]), outcome=Outcome.CONTRADICTED)
        if (v.claim, v.source) in exchanged
        else v
        for v in verdicts
    ]


def _in_unit_of(claim: Claim, other: Claim) -> str:
    """The figure as it is printed, moved into the other's unit."""
    return f"{Decimal(claim.text) * Decimal(UNITS[claim.unit]) / Decimal(UNITS[other.unit]):f}"


def _in_place_of(claim: Claim, other: Claim) -> Claim:
    """The same text in the other's column."""
    scale = UNITS[other.unit] / UNITS[claim.unit]
    return dataclasses.replace(
        claim, metric=other.metric, unit=other.unit, value=claim.value * scale, step=claim.step * scale
    )


def attribute_to_neighbours(
    verdicts: Sequence[Verdict], neighbours: Mapping[tuple[Row, Source], Sequence[Static]]
) -> list[Verdict]:
    """Names the network of the same source to which a row's contradicted figures belong, where one is found."""
    owners: dict[tuple[Claim, Source], OtherNetwork] = {}
    for (row, source), candidates in neighbours.items():
        wrong = [v.claim for v in verdicts if v.claim.row == row and v.source == source and _is_static_miss(v)]
        sets: list[list[Claim]] = [wrong] if wrong else []
        sets += [[claim] for claim in wrong] if len(wrong) > 1 else []
        for claims in sets:
            match = belongs_to(claims, candidates)
            if match is not None and is_told(match):
                static, conventions, chance = match
                for claim in claims:
                    owner = OtherNetwork(source.name, static.model, conventions[claim.metric], chance)
                    owners.setdefault((claim, source), owner)
    return [_owned(v, owners[v.claim, v.source]) if (v.claim, v.source) in owners else v for v in verdicts]


def _owned(verdict: Verdict, owner: OtherNetwork) -> Verdict:
    """The verdict on a figure that is another network's, which makes it likelier to be wrong."""
    named = _with_cause(verdict, owner)
    if verdict.outcome is not Outcome.DOUBTFUL or not isinstance(verdict.basis, NoMatch):
        return named
    before = verdict.basis.wrong
    wrong = before * _share() / owner.chance
    wrong /= wrong + 1 - before
    if wrong <= WRONG:
        return named
    return dataclasses.replace(
        verdict,
        outcome=Outcome.CONTRADICTED,
        causes=(owner,),
        basis=dataclasses.replace(verdict.basis, wrong=wrong),
    )


def _share() -> float:
    """How many of the wrong figures are another network's."""
    return float(priors.table()["stories"]["other_network"])


def is_told(match: tuple[Static, dict[str, str], float] | None) -> bool:
    """Whether figures belong to another place rather than are there by chance."""
    return _probability(match) > WRONG


def _probability(match: tuple[Static, dict[str, str], float] | None) -> float:
    return 0.0 if match is None else _share() / (_share() + match[2])


def _is_static_miss(verdict: Verdict) -> bool:
    return verdict.claim.metric in ("flops", "params") and verdict.outcome in MISSES


def belongs_to(claims: Sequence[Claim], candidates: Sequence[Static]) -> tuple[Static, dict[str, str], float] | None:
    """The network of the same source whose figures a row prints, with the conventions, and the chance of error.

    `claims` are the contradicted static claims of one row; candidates come likeliest first, and each one that
    is tried makes a match by chance likelier. None where no candidate explains all of them.
    """
    best: tuple[Static, dict[str, str], float] | None = None
    for tried, static in enumerate(candidates, 1):
        chance = float(tried)
        texts: dict[str, str] = {}
        for claim in claims:
            item = Measured(claim, static)
            conventions = _conventions(static, claim)
            match = next((convention for convention in conventions if agrees(convention, item)), None)
            if match is None:
                break
            chance *= _tries(conventions, item, match.departures) * claim.step / max(claim.value, claim.step)
            texts[claim.metric] = match.text
        else:
            if best is None or chance < best[2]:
                best = (static, texts, chance)
    return best


def _conventions(static: Static, claim: Claim) -> Sequence[Convention]:
    """The usual ways to count, the plainest first."""
    found: Sequence[Convention] = (
        flops_conventions([static], claim.multiply_adds) if claim.metric == "flops" else params_conventions([static])
    )
    return [one for one in found if one.fault is None and one.departures <= TELLING_DEPARTURES and not _has_ratio(one)]


def _has_ratio(convention: Convention) -> bool:
    return getattr(convention, "ratio", None) is not None


def _tries(conventions: Sequence[Convention], item: Measured, departures: int) -> int:
    """How many different figures the conventions up to so many departures print."""
    values = [figure(convention, item) for convention in conventions if convention.departures <= departures]
    return len({item.claim.printed(value) for value in values if value is not None})
