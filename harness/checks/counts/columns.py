"""FLOPs and parameters judged column by column, since the rows of a table are counted in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.checks.counts.judge import judge
from harness.checks.counts.matching import Measured
from harness.core.records import Claim, Row, Source, Static, Verdict

#: what the columns that share a convention have in common: source, metric, whether the heading says MACs
_Kind = tuple[Source, str, bool]


def judge_static(claims: Sequence[tuple[Claim, Source]], statics: Mapping[tuple[Row, Source], Static]) -> list[Verdict]:
    """Verdicts on FLOPs and parameters of the claims whose network was built."""
    kinds: dict[_Kind, dict[tuple[str, int], list[Claim]]] = {}
    for claim, source in claims:
        if (claim.row, source) in statics:
            tables = kinds.setdefault((source, claim.metric, claim.multiply_adds), {})
            tables.setdefault((claim.row.file, claim.row.table), []).append(claim)
    found: dict[tuple[Claim, Source], Verdict] = {}
    for (source, _, _), tables in kinds.items():
        groups = list(tables.values())
        judged = judge([[Measured(claim, statics[claim.row, source]) for claim in group] for group in groups])
        for group, judgements in zip(groups, judged, strict=True):
            for claim, one in zip(group, judgements, strict=True):
                found[claim, source] = Verdict(
                    claim, source, one.outcome, one.plain, one.convention, one.causes, one.basis
                )
    return [found[claim, source] for claim, source in dict.fromkeys(claims) if (claim, source) in found]
