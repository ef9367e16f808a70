"""FLOPs and parameters judged column by column, since the rows of a table are counted alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.checks.counts import judge
from harness.checks.counts.matching import Judgement, Measured
from harness.core.records import Claim, Outcome, Row, Source, Static, Verdict


def judge_static(claims: Sequence[tuple[Claim, Source]], statics: Mapping[tuple[Row, Source], Static]) -> list[Verdict]:
    """Verdicts on FLOPs and parameters of the claims whose network was built."""
    groups: dict[tuple[Any, ...], list[Claim]] = {}  # of one source in one column of one table
    for claim, source in claims:
        if (claim.row, source) in statics:
            column = (source, claim.row.file, claim.row.table, claim.metric, claim.multiply_adds)
            groups.setdefault(column, []).append(claim)
    measured = {
        column: [Measured(claim, statics[claim.row, column[0]]) for claim in group] for column, group in groups.items()
    }
    first = {column: judge.judge(items) for column, items in measured.items()}
    verdicts = []
    for column, group in groups.items():
        source = column[0]
        judgements = first[column]
        if any(judged.outcome is Outcome.CONTRADICTED for judged in judgements):
            others = [
                judged for other in first if other != column and _counts_alike(other, column) for judged in first[other]
            ]
            judgements = judge.judge(measured[column], _customs(others), _custom(others))
        for claim, judged in zip(group, judgements, strict=True):
            verdicts.append(
                Verdict(
                    claim,
                    source,
                    judged.outcome,
                    judged.plain,
                    judged.convention,
                    judged.cause,
                    judged.evidence,
                )
            )
    return verdicts


def _counts_alike(column: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether two columns are about the same metric of the same source, whatever the table."""
    return (column[0], *column[3:]) == (other[0], *other[3:])


def _customs(judged: Iterable[Judgement]) -> set[str]:
    """The conventions by which several figures are explained."""
    texts = [one.convention for one in judged if one.outcome is Outcome.EXPLAINED and one.convention]
    return {text for text in texts if texts.count(text) >= judge.COMMON_ROWS}


def _custom(judged: Iterable[Judgement]) -> tuple[str, int] | None:
    """The convention by which nearly all figures are counted, and how many; None where there is no such."""
    held = [one.convention for one in judged if one.outcome in (Outcome.REPRODUCED, Outcome.EXPLAINED)]
    [(text, rows)] = Counter(held).most_common(1) or [(None, 0)]
    common = rows >= max(judge.COMMON_ROWS, judge.COMMON_SHARE * len(held))
    return (text, rows) if text is not None and common else None
