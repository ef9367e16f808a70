"""FLOPs and parameter counts: what is believed of each figure, as an outcome with its reasons.

Which convention a column was printed by, and which cells are wrong, is weighed in harness.checks.counts.evidence.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from harness.checks.counts import stories
from harness.checks.counts.candidates import flops_conventions, params_conventions
from harness.checks.counts.conventions import Convention, FlopsConvention, ParamsConvention, ratio_text
from harness.checks.counts.evidence.likelihood import hypotheses_of
from harness.checks.counts.evidence.posterior import Belief, believe
from harness.checks.counts.matching import Judgement, Measured, agrees, figure
from harness.core.causes import CountedAs, LeftOut, Stated
from harness.core.evidence import ConstantRatio, ConventionMatch, NoMatch, OtherRows, PlainMatch, PrintedValue
from harness.core.records import Outcome, Static

#: A cell is wrong if it is so with a greater probability than the second; if with one between them, it is doubtful.
DOUBTFUL, WRONG = 0.05, 0.9
#: A counter that finds less than this share of the convolutions' and matrix products' multiply-adds does not know
#: some of the network's layers.
LEAST_SEEN = 2 / 3
#: number of layer types up to which all combinations are tried, which is fast
_LAYER_TYPES = 12
#: conventions that come closest to a figure
_NEAREST = 3


def judge(columns: Sequence[Sequence[Measured]]) -> list[list[Judgement]]:
    """Judges the claims of one source about one metric in several tables, which share what is learnt.

    Each column is the cells of one table; all headings mean the same by a multiply-add.
    """
    statics = [item.static for column in columns for item in column]
    if not statics:
        return [[] for _ in columns]
    claim = next(item.claim for column in columns for item in column)
    conventions: Sequence[Convention] = (
        flops_conventions(statics, claim.multiply_adds) if claim.metric == "flops" else params_conventions(statics)
    )
    counted = [[item for item in column if _is_counted(item, conventions)] for column in columns]
    hypotheses = hypotheses_of(conventions, claim.multiply_adds)
    believed = iter(believe([column for column in counted if column], hypotheses))
    judged = []
    for column, countable in zip(columns, counted, strict=True):
        described = iter(_describe(countable, next(believed), conventions) if countable else [])
        judged.append([next(described) if item in countable else _uncounted(item) for item in column])
    return judged


def outcome_of(wrong: float, unknown: float) -> Outcome:
    """CONTRADICTED, DOUBTFUL, or EXPLAINED for everything that is right."""
    if wrong > WRONG:
        return Outcome.CONTRADICTED
    return Outcome.DOUBTFUL if wrong + unknown >= DOUBTFUL else Outcome.EXPLAINED


def _is_counted(item: Measured, conventions: Sequence[Convention]) -> bool:
    return any(convention.value(item.static, item.size) is not None for convention in conventions)


def _describe(
    group: Sequence[Measured], beliefs: Sequence[Belief], conventions: Sequence[Convention]
) -> list[Judgement]:
    return [_judgement(group, beliefs, row, conventions) for row in range(len(group))]


def _judgement(
    group: Sequence[Measured], beliefs: Sequence[Belief], row: int, conventions: Sequence[Convention]
) -> Judgement:
    item, belief, plain = group[row], beliefs[row], conventions[0]
    plain_value = plain.value(item.static, item.size)
    outcome = outcome_of(belief.wrong, belief.unknown)
    if outcome is not Outcome.EXPLAINED:
        basis = _no_match(group, belief, row, conventions)
        causes = stories.causes(group, beliefs, row, outcome)
        return Judgement(outcome, plain_value, belief.column.text, causes, basis)
    other_rows = _other_rows(group, belief, item)
    if agrees(plain, item):
        basis_plain = PlainMatch(item.claim.digits, other_rows, belief.wrong)
        return Judgement(Outcome.REPRODUCED, plain_value, plain.text, basis=basis_plain)
    return _explained(group, beliefs, row, conventions, other_rows)


def _explained(
    group: Sequence[Measured],
    beliefs: Sequence[Belief],
    row: int,
    conventions: Sequence[Convention],
    other_rows: OtherRows | None,
) -> Judgement:
    item, plain = group[row], conventions[0]
    convention = beliefs[row].right[0][0]
    value = figure(convention, item) or 0.0
    alike = [other for other, belief in zip(group, beliefs, strict=True) if _is_right_by(convention, other, belief)]
    left_out = _left_out(plain, convention, item)
    basis = ConventionMatch(
        item.claim.printed(value),
        item.claim.digits,
        len(conventions),
        max(1, len(alike)),
        beliefs[row].wrong,
        _as_well(conventions, convention, alike or [item]),
        left_out=left_out,
        other_rows=other_rows,
    )
    size = row_size = None
    if isinstance(convention, FlopsConvention):
        basis = replace(basis, share_seen=_share_seen(convention, item))
        if convention.ratio is not None:
            counted = item.claim.printed(value / float(convention.ratio))
            basis = replace(basis, constant_ratio=ConstantRatio(ratio_text(convention.ratio), counted))
        if convention.size != item.size:
            size, row_size = convention.size, item.said_size
    cause = CountedAs(convention.text, row_size if size else None, left_out, size)
    return Judgement(Outcome.EXPLAINED, plain.value(item.static, item.size), convention.text, (cause,), basis)


def _is_right_by(convention: Convention, item: Measured, belief: Belief) -> bool:
    return outcome_of(belief.wrong, belief.unknown) is Outcome.EXPLAINED and agrees(convention, item)


def _as_well(conventions: Sequence[Convention], own: Convention, alike: Sequence[Measured]) -> tuple[str, ...]:
    """Other conventions, right and about as plain, that give the same figures for all rows that this one gives."""
    sizes, most = {item.size for item in alike}, own.departures + 1
    about_as_plain = itertools.takewhile(lambda other: other.departures <= most, conventions)
    return tuple(
        other.text
        for other in about_as_plain
        if other.fault is None
        and getattr(other, "ratio", None) is None
        and getattr(other, "size", None) not in sizes
        and all(agrees(other, item) for item in alike)
        and other.text != own.text
    )


def _no_match(group: Sequence[Measured], belief: Belief, row: int, conventions: Sequence[Convention]) -> NoMatch:
    figures = [(text, belief.wrong * probability) for text, probability in belief.figures]
    expected, probability = figures[0] if figures else (None, 0.0)
    convention = next((story.convention for story in belief.stories if story.figure == expected), belief.column)
    alike = sum(agrees(convention, other) for number, other in enumerate(group) if number != row)
    return NoMatch(
        len(conventions),
        _nearest(group[row], conventions),
        expected,
        convention.text,
        alike,
        belief.wrong,
        belief.unknown,
        probability,
    )


def _nearest(item: Measured, conventions: Sequence[Convention]) -> tuple[PrintedValue, ...]:
    """The conventions that come closest to the documented figure, each printed value once."""
    distances: dict[str, tuple[float, str]] = {}
    for convention in conventions:
        value = figure(convention, item)
        if value is not None and convention.fault is None and getattr(convention, "ratio", None) is None:
            distances.setdefault(item.claim.printed(value), (abs(value - item.claim.value), convention.text))
    ranked = sorted(distances.items(), key=lambda entry: entry[1][0])[:_NEAREST]
    return tuple(PrintedValue(printed, text) for printed, (_, text) in ranked)


def _other_rows(group: Sequence[Measured], belief: Belief, item: Measured) -> OtherRows | None:
    """What the figure would be by the convention of the column, where it is counted otherwise than its column."""
    usual = belief.column
    if agrees(usual, item) or usual.fault or belief.column_probability < 1 - DOUBTFUL:
        return None
    counted = _counted(usual)
    if counted is not None and agrees(counted, item):
        return None  # it only has other digits
    value = figure(usual, item)
    rows = sum(agrees(usual, other) for other in group)
    if value is None or rows < 2:
        return None
    return OtherRows(item.claim.printed(value), usual.text, rows)


def _counted(convention: Convention) -> Convention | None:
    """A convention without what is only a way of printing; None where it has nothing of that."""
    if not isinstance(convention, FlopsConvention | ParamsConvention):
        return None
    return replace(convention, padding=0, cut=False, twice=False)


def _share_seen(convention: FlopsConvention, item: Measured) -> float | None:
    """The share of the multiply-adds that a counter finds; None where it knows the network's layers."""
    counts = item.static.multiply_adds[convention.size or item.size]
    seen, there = counts[convention.counter], counts.get(item.static.plain_counter)
    return seen / there if there and seen < LEAST_SEEN * there else None


def _left_out(plain: Convention, convention: Convention, item: Measured) -> LeftOut | None:
    """The parameters that a convention leaves out, where they are those of whole layer types."""
    plain_value, value = plain.value(item.static, item.size), figure(convention, item)
    if not isinstance(convention, ParamsConvention) or convention.binary or plain_value is None or value is None:
        return None
    difference = round(plain_value - value)
    layer_types = left_out_types(item.static, difference)
    return LeftOut(difference, tuple(layer_types)) if layer_types else None


def left_out_types(static: Static, difference: int) -> list[str]:
    """The layer types whose parameters add up to a difference; empty where no such set is found."""
    by_type = static.parameters.by_type
    if difference <= 0 or len(by_type) > _LAYER_TYPES:
        return []
    for count in range(1, len(by_type) + 1):
        for names in itertools.combinations(by_type, count):
            if sum(by_type[name] for name in names) == difference:
                return list(names)
    return []


def _uncounted(item: Measured) -> Judgement:
    why = "; ".join(f"{counter}: {error}" for counter, error in item.static.failed_counters.items())
    cause = f"no counter could count {item.static.model} at {item.size} pixels ({why or 'no reason given'})"
    return Judgement(Outcome.ERROR, None, None, (Stated(cause),))
