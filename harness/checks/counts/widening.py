"""Networks are counted further where that may settle a figure: first what is fast, then what is left open.

A network is counted by its parameters alone, by the counters that need no values, and by all; see Count.depth. What was
not asked yet is unknown, and nobody is told that it failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from harness.adapters.base import FUSED_FORM
from harness.checks.counts import columns, statics
from harness.checks.counts.candidates import flops_conventions, params_conventions
from harness.checks.counts.conventions import COMMON_SIZE, Convention
from harness.checks.counts.matching import Measured, agrees
from harness.checks.counts.misplaced import TELLING_DEPARTURES
from harness.core.evidence import ConventionMatch
from harness.core.records import Claim, Metric, Outcome, Row, Source, Static, Verdict
from harness.execution.environments import Installed
from harness.execution.session import Session
from harness.worker.tasks import Depth

Built = dict[tuple[Row, Source], Static]
#: the names by which networks are asked for
Names = Mapping[tuple[Row, Source], str]


def judge(
    claims: Sequence[tuple[Claim, Source]],
    built: Built,
    installed: Mapping[Source, Installed],
    session: Session,
    names: Names | None = None,
) -> tuple[list[Verdict], Built]:
    """Verdicts on counts, and the networks as they were counted for them.

    Open cells have their networks counted further. Where most of a column is open, or where a counter that was asked
    for one of its cells gives that figure, all of the column is: which counter it was printed by is told by all rows.
    `names` are those by which the networks were asked for, where that is not how their rows are called.
    """
    judged = columns.judge_static(claims, built)
    was_open: set[tuple[Claim, Source]] = set()
    tried: set[tuple[Row, Source, Depth]] = set()
    while True:
        was_open.update((v.claim, v.source) for v in judged if is_open(v))
        wanted = {(row, source): depth for row, source, depth in _wanted(judged, was_open, built)
                  if (row, source, depth) not in tried}  # fmt: skip
        if not wanted:
            return judged, built
        tried.update((row, source, depth) for (row, source), depth in wanted.items())
        built = {**built, **_counted(wanted, claims, built, installed, session, names or {})}
        judged = columns.judge_static(claims, built)


def is_open(verdict: Verdict) -> bool:
    """Whether nothing explains a figure yet, or nothing but a constant that nobody knows a reason for."""
    if verdict.outcome is Outcome.EXPLAINED:
        return isinstance(verdict.basis, ConventionMatch) and verdict.basis.constant_ratio is not None
    return verdict.outcome in (Outcome.CONTRADICTED, Outcome.DOUBTFUL, Outcome.ERROR)


def sizes_of(row: Row, claims: Sequence[Claim]) -> set[int]:
    """Pixels at which the FLOPs of a row may have been counted, besides the network's own."""
    told = {claim.counted_at for claim in claims if claim.counted_at}
    return {COMMON_SIZE, *({row.input_size} if row.input_size else ()), *told}


def further(static: Static, metric: Metric) -> Depth | None:
    """How deeply a network has to be counted to know more of a figure; None where everything is known."""
    if not static.multiply_adds:
        return "outline"
    lacks = FUSED_FORM in static.left_out if metric == "params" else static.left_out
    return "all" if lacks else None


def _wanted(
    judged: Sequence[Verdict], was_open: set[tuple[Claim, Source]], built: Built
) -> Iterator[tuple[Row, Source, Depth]]:
    groups: dict[tuple[Source, str, int, Metric], list[Verdict]] = {}
    for verdict in judged:
        row = verdict.claim.row
        groups.setdefault((verdict.source, row.file, row.table, verdict.claim.metric), []).append(verdict)
    for (*_, metric), column in groups.items():
        touched = [verdict for verdict in column if (verdict.claim, verdict.source) in was_open]
        if not touched:
            continue
        opened = [verdict for verdict in touched if is_open(verdict)]
        whole = 2 * len(opened) > len(column) or any(
            _is_by_what_others_lack(verdict, column, built) for verdict in touched
        )
        for verdict in column if whole else opened:
            depth = further(built[verdict.claim.row, verdict.source], metric)
            if depth is not None:
                yield verdict.claim.row, verdict.source, depth


def _is_by_what_others_lack(verdict: Verdict, column: Sequence[Verdict], built: Built) -> bool:
    """Whether a counter gives this figure that other cells of the column were not counted by."""
    static = built[verdict.claim.row, verdict.source]
    others = [built[other.claim.row, other.source] for other in column]
    lacking = [other for other in others if further(other, verdict.claim.metric) is not None]
    if not lacking:
        return False
    known = {name for other in lacking for name in _names(other)}
    return any(
        _told_by(convention) not in known and agrees(convention, Measured(verdict.claim, static))
        for convention in _conventions(verdict.claim, static)
    )


def _conventions(claim: Claim, static: Static) -> Sequence[Convention]:
    found: Sequence[Convention] = (
        flops_conventions([static], claim.multiply_adds) if claim.metric == "flops" else params_conventions([static])
    )
    return [
        one
        for one in found
        if one.fault is None and getattr(one, "ratio", None) is None and one.departures <= TELLING_DEPARTURES
    ]


def _told_by(convention: Convention) -> str:
    return str(getattr(convention, "counter", None) or getattr(convention, "counted", ""))


def _names(static: Static) -> set[str]:
    """What it was counted by: counters, and ways to count parameters."""
    counters = {name for counts in static.multiply_adds.values() for name in counts}
    return counters | {_told_by(one) for one in params_conventions([static])}


def _counted(
    wanted: Mapping[tuple[Row, Source], Depth],
    claims: Sequence[tuple[Claim, Source]],
    built: Built,
    installed: Mapping[Source, Installed],
    session: Session,
    names: Names,
) -> Built:
    of_row: dict[tuple[Row, Source], list[Claim]] = {}
    for claim, source in claims:
        of_row.setdefault((claim.row, source), []).append(claim)
    found: Built = {}
    for depth in dict.fromkeys(wanted.values()):
        sizes: dict[Source, dict[str, set[int]]] = {}
        rows = [(row, source) for (row, source), deep in wanted.items() if deep == depth and source in installed]
        for row, source in rows:
            name = names.get((row, source), row.model)
            sizes.setdefault(source, {}).setdefault(name, set()).update(sizes_of(row, of_row[row, source]))
        counted = statics.count(session, installed, sizes, depth=depth)
        for row, source in rows:
            if (static := counted[source].get(names.get((row, source), row.model))) is not None:
                found[row, source] = _merged(built[row, source], static)
    return found


def _merged(before: Static, after: Static) -> Static:
    """What was counted further; operations are traced once."""
    if not before.operators:
        return after
    return replace(after, operators=before.operators, last_operators=before.last_operators)
