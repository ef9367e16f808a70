"""Every row's network, counted, and what its figures say: the static checks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from harness.checks.counts import columns, misplaced, statics, widening
from harness.checks.counts.conventions import COMMON_SIZE
from harness.checks.counts.widening import Built
from harness.core import model_names
from harness.core.causes import LOCATED
from harness.core.records import Claim, Row, Source, Static, Verdict
from harness.execution.environments import Installed
from harness.execution.session import Session
from harness.plan.plan import Plan
from harness.worker.tasks import Depth

#: other resolutions of published ImageNet networks, tried where nothing else gives a figure
OTHER_SIZES = (128, 160, 192, 240, 256, 260, 280, 288, 299, 300, 320, 331, 352, 380, 384, 416, 448, 456, 512, 528, 600)
#: share by which the FLOPs of a network may differ from proportion to the area: padding, strides, attention
NOT_BY_AREA = 0.04
#: networks of the same source that a contradicted row is compared with, the most similar names
NEIGHBOURS = 4


def build(planned: Plan, installed: Mapping[Source, Installed], session: Session, counted: bool = True) -> Built:
    """Every row's network: its parameters, of rows with FLOPs also what counters need no values for.

    Where nothing is `counted`, parameters alone.
    """
    claims: dict[Row, list[Claim]] = {}
    for claim in planned.table.claims:
        claims.setdefault(claim.row, []).append(claim)
    wanted: dict[Depth, dict[Source, dict[str, set[int]]]] = {"all": {}, "outline": {}, "parameters": {}}
    traced = set()
    depths: dict[tuple[Source, str], Depth] = {}
    targets = [target for target in planned.targets if target.source in installed]
    for target in targets:
        row, key = target.row, (target.source, target.row.model)
        if planned.page(row).operators or planned.page(row).head:
            traced.add(key)
            depths[key] = "all"  # operations need values
        elif counted and any(claim.metric == "flops" for claim in claims.get(row, ())):
            depths.setdefault(key, "outline")
    for target in targets:
        row = target.row
        depth = depths.get((target.source, row.model), "parameters")
        of_source = wanted[depth].setdefault(target.source, {})
        of_source.setdefault(row.model, set()).update(widening.sizes_of(row, claims.get(row, ())))
    found: dict[tuple[Source, str], Static] = {}
    for depth, sizes in wanted.items():
        if sizes:
            by_source = statics.count(session, installed, sizes, traced, depth)
            found |= {(source, model): one for source, models in by_source.items() for model, one in models.items()}
    keys = {target: (target.source, target.row.model) for target in targets}
    return {(t.row, t.source): found[key] for t, key in keys.items() if key in found}


def judge(
    planned: Plan, built: Built, installed: Mapping[Source, Installed], session: Session
) -> tuple[list[Verdict], Built]:
    """Verdicts on FLOPs and parameters, and the networks as counted for them.

    For contradicted ones, also what else in the source has the figure.
    """
    static = [(claim, source) for claim, source in planned.claims() if claim.metric in ("flops", "params")]
    judged, built = widening.judge(static, built, installed, session)
    judged = _at_other_sizes(judged, built, installed, session)
    judged = misplaced.name_exchanged(judged, built)
    judged = misplaced.attribute_to_neighbours(judged, _in_the_table(judged, built))
    judged = misplaced.name_copies(judged, planned.table.claims)
    return _among_neighbours(judged, built, installed, session), built


def _open(judged: Sequence[Verdict]) -> dict[Source, list[Row]]:
    """The rows of each source with figures that nothing explains yet."""
    rows: dict[Source, dict[Row, None]] = {}
    for verdict in judged:
        located = any(isinstance(cause, LOCATED) for cause in verdict.causes)
        if verdict.outcome in misplaced.MISSES and not located:
            rows.setdefault(verdict.source, {})[verdict.claim.row] = None
    return {source: list(found) for source, found in rows.items()}


def _at_other_sizes(
    judged: list[Verdict], built: Built, installed: Mapping[Source, Installed], session: Session
) -> list[Verdict]:
    """Contradicted and doubtful FLOPs once more, with the network counted at other resolutions."""
    misses = [v for v in judged if v.claim.metric == "flops" and v.outcome in misplaced.MISSES]
    wanted: dict[Source, dict[str, set[int]]] = {}
    for miss in misses:
        static = built[miss.claim.row, miss.source]
        if sizes := _likely_sizes(miss.claim, static):
            wanted.setdefault(miss.source, {}).setdefault(static.model, set()).update(sizes)
    outlines = statics.count(session, installed, wanted, depth="outline", optional=True)
    wider = {}
    for miss in misses:
        static = built[miss.claim.row, miss.source]
        outline = outlines.get(miss.source, {}).get(static.model)
        if outline is not None:
            wider[miss.claim.row, miss.source] = dataclasses.replace(
                static, multiply_adds={**outline.multiply_adds, **static.multiply_adds}
            )
    if not wider:
        return judged
    # together with the other rows, which show how the column is counted
    again = columns.judge_static([(v.claim, v.source) for v in judged if v.claim.metric == "flops"], {**built, **wider})
    missed = {(miss.claim, miss.source) for miss in misses if (miss.claim.row, miss.source) in wider}
    found = {(v.claim, v.source): v for v in again if (v.claim, v.source) in missed}
    return [found.get((v.claim, v.source), v) for v in judged]


def _likely_sizes(claim: Claim, static: Static) -> set[int]:
    """Resolutions at which the network may have the documented FLOPs, which grow about as the area does."""
    counted = static.multiply_adds.get(static.input_size, {}).values()
    per_pixel = [factor * count / static.input_size**2 for count in counted for factor in (1, 2)]
    return {
        size for size in OTHER_SIZES if any(abs(claim.value / size**2 / each - 1) < NOT_BY_AREA for each in per_pixel)
    }


def _in_the_table(judged: Sequence[Verdict], built: Built) -> dict[tuple[Row, Source], list[Static]]:
    """For each open row the networks of the other rows of its source."""
    candidates: dict[tuple[Row, Source], list[Static]] = {}
    for source, rows in _open(judged).items():
        in_table = {static.model: static for (_, of), static in built.items() if of == source}
        for row in rows:
            own = built[row, source].model
            candidates[row, source] = [static for model, static in in_table.items() if model != own]
    return candidates


def _among_neighbours(
    judged: list[Verdict], built: Built, installed: Mapping[Source, Installed], session: Session
) -> list[Verdict]:
    """Open rows compared with the networks of the source whose names are the most similar."""
    near: dict[tuple[Row, Source], list[str]] = {}
    wanted: dict[Source, dict[str, set[int]]] = {}
    for source, rows in _open(judged).items():
        offered = session.offered(installed[source])
        for row in rows:
            near[row, source] = model_names.nearest(built[row, source].model, offered, NEIGHBOURS)
            for model in near[row, source]:
                sizes = wanted.setdefault(source, {}).setdefault(model, {COMMON_SIZE})
                sizes.update({row.input_size} if row.input_size else ())
    outlines = statics.count(session, installed, wanted, depth="outline", optional=True)
    candidates = {
        (row, source): [outlines[source][model] for model in models if model in outlines[source]]
        for (row, source), models in near.items()
        if source in outlines
    }
    return misplaced.attribute_to_neighbours(judged, candidates)
