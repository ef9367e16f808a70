"""FLOPs and parameters judged column by column, since the rows of a table are counted in the same way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.checks.counts.column_convention import COMMON_ROWS, COMMON_SHARE, CommonConvention
from harness.checks.counts.judge import judge
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
    first = {column: judge(items) for column, items in measured.items()}
    verdicts = []
    for column, group in groups.items():
        source = column[0]
        judgements = first[column]
        if any(judged.outcome is Outcome.CONTRADICTED for judged in judgements):
            others = [
                judged for other in first if other != column and _counts_alike(other, column) for judged in first[other]
            ]
            judgements = judge(measured[column], _repeated_conventions(others), _common_convention(others))
        for claim, judged in zip(group, judgements, strict=True):
            verdicts.append(
                Verdict(
                    claim,
                    source,
                    judged.outcome,
                    judged.plain,
                    judged.convention,
                    judged.causes,
                    judged.basis,
                )
            )
    return verdicts


def _counts_alike(column: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether two columns are about the same metric of the same source, in any table."""
    return (column[0], *column[3:]) == (other[0], *other[3:])


def _repeated_conventions(judged: Iterable[Judgement]) -> set[str]:
    """The conventions that explain several figures."""
    texts = [figure.convention for figure in judged if figure.outcome is Outcome.EXPLAINED and figure.convention]
    return {text for text in texts if texts.count(text) >= COMMON_ROWS}


def _common_convention(judged: Iterable[Judgement]) -> CommonConvention | None:
    """The convention by which nearly all figures are counted; None where there is none."""
    held = [figure.convention for figure in judged if figure.outcome in (Outcome.REPRODUCED, Outcome.EXPLAINED)]
    [(text, rows)] = Counter(held).most_common(1) or [(None, 0)]
    is_common = rows >= max(COMMON_ROWS, COMMON_SHARE * len(held))
    return CommonConvention(text, rows) if text is not None and is_common else None
