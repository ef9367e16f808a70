"""FLOPs and parameter counts: which convention, if any, reproduces the documented figures of a source.

With many conventions and few printed digits something always matches, so an explanation is accepted only if a
wrong figure is unlikely to match by chance; and since a table counts one way for a source, its rows are
judged together.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import replace

from harness.checks.counts.column_convention import COMMON_ROWS, ColumnConvention, CommonConvention
from harness.checks.counts.contradicted import contradicted
from harness.checks.counts.conventions import Convention, FlopsConvention, ParamsConvention, ratio_text
from harness.checks.counts.matching import Judgement, Measured, agrees, figure
from harness.core.causes import CountedAs, LeftOut, Stated
from harness.core.evidence import ConstantRatio, ConventionMatch, OtherRows, PlainMatch
from harness.core.records import Outcome, Static

#: A counter that finds less than this share of the convolutions' and matrix products' multiply-adds does not know
#: some of the network's layers.
LEAST_SEEN = 2 / 3
#: number of layer types up to which all combinations are tried, which is fast
_LAYER_TYPES = 12


def judge(
    group: Sequence[Measured],
    known_conventions: Collection[str] = (),
    convention_of_other_tables: CommonConvention | None = None,
) -> list[Judgement]:
    """Judges the claims of one source about one metric together, because a table counts one way for a source.

    `known_conventions` are the texts of conventions by which other tables of the source are known to be counted, so
    that they need no search. `convention_of_other_tables` is the one by which nearly all figures there are counted.
    Where the rows of this table do not agree on another, it is the meaning of the column, so that a figure of few
    digits matches under it as it would under the plain meaning.
    """
    if not group:
        return []
    column = ColumnConvention(group)
    column.search(known_conventions)
    column.other_factor()
    column.other_tables(convention_of_other_tables)
    return [_describe(column, row) for row in range(len(group))]


def _describe(column: ColumnConvention, row: int) -> Judgement:
    item = column.group[row]
    if all(convention.value(item.static, item.size) is None for convention in column.conventions):
        return _uncounted(item)
    if row in column.open_rows:
        likeliest = column.likeliest(row)
        rows_alike = column.rows_counted_by(likeliest) or column.rows_elsewhere
        return contradicted(item, column.conventions, likeliest, rows_alike)
    if row in column.explained:
        own, judged = column.explained[row].convention, _explained(column, row)
    else:
        own, judged = column.plain, _plain(column, item)
    return _with_other_rows(judged, column, item, own)


def _plain(column: ColumnConvention, item: Measured) -> Judgement:
    value = column.plain.value(item.static, item.size)
    return Judgement(Outcome.REPRODUCED, value, column.plain.text, basis=PlainMatch(item.claim.digits))


def _explained(column: ColumnConvention, row: int) -> Judgement:
    item, match = column.group[row], column.explained[row]
    convention = match.convention
    value = figure(convention, item) or 0.0
    left_out = _left_out(column.plain, convention, item)
    basis = ConventionMatch(
        item.claim.printed(value),
        item.claim.digits,
        match.tried,
        len(column.explained_alike(row)),
        match.chance,
        column.explained_as_well_by(row),
        left_out=left_out,
    )
    row_size = None
    if isinstance(convention, FlopsConvention):
        basis = replace(basis, share_seen=_share_seen(convention, item))
        if convention.ratio is not None:
            counted = item.claim.printed(value / float(convention.ratio))
            basis = replace(basis, constant_ratio=ConstantRatio(ratio_text(convention.ratio), counted))
        row_size = item.size if convention.size not in (None, item.size) else None
    plain_value = column.plain.value(item.static, item.size)
    cause = CountedAs(convention.text, row_size, left_out)
    return Judgement(Outcome.EXPLAINED, plain_value, convention.text, (cause,), basis)


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


def _with_other_rows(judged: Judgement, column: ColumnConvention, item: Measured, own: Convention) -> Judgement:
    """Adds what the figure would be by the convention of the other rows, where only this one is counted differently."""
    usual = column.usual
    if column.rows_counted_by(own) >= COMMON_ROWS or not column.rows_as_usual or agrees(usual, item):
        return judged
    value = figure(usual, item)
    without_a_name = isinstance(usual, FlopsConvention) and usual.ratio is not None
    if value is None or without_a_name or not isinstance(judged.basis, PlainMatch | ConventionMatch):
        return judged
    other_rows = OtherRows(item.claim.printed(value), usual.text, column.rows_as_usual)
    return replace(judged, basis=replace(judged.basis, other_rows=other_rows))


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
