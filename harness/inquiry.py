"""Why is every run, and every two runs of a model, other than what is documented or than each other?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness import accuracy, apart, factors, weights, why
from harness.attribution import Attribution, Target
from harness.comparisons import PairedRuns
from harness.environments import Installed
from harness.images import ImageSet
from harness.measure import Measurer
from harness.plan import Plan
from harness.records import Finding, Metric, PairResult, Row, Run, Source
from harness.swapping import Bench


def explain(
    planned: Plan,
    choice: str,
    runs: Mapping[tuple[Row, Source], list[Run]],
    side_by_side: Sequence[PairedRuns],
    pairs: Sequence[PairResult],
    images: ImageSet,
    installed: Mapping[Source, Installed],
    measurer: Measurer,
) -> tuple[list[Attribution], list[Finding]]:
    """Why each row's run misses its claims and why two runs differ; and where a source does not do what it says."""
    bench = Bench(installed, images, measurer)
    found: list[Attribution | None] = []
    described: list[Finding] = []
    for (row, source), row_runs in runs.items():
        run = accuracy.plain_run(row.input_size, row_runs)
        known = bench.identify(run, why.probes(images))
        if known is None:
            continue
        described += factors.misdescribed(str(source), row.model, known)
        if not run.checkpoint.stand_in:
            target = _target(planned, row, run, images)
            checkpoints = weights.others(choice, source.name, run.model, row.model)
            found.append(why.explain(run, row, target, known, planned.page(row), checkpoints, bench))
    for two in side_by_side:
        same = [p.outcome for p in pairs if (p.a, p.b, p.model) == (two.a.source, two.b.source, two.a.documented_model)]
        one_function = {"same_function": True, "different_function": False}.get(same[0]) if same else None
        found.append(apart.explain(two.a, two.b, bench, one_function))
    return [one for one in found if one], described


def _target(planned: Plan, row: Row, run: Run, images: ImageSet) -> Target | None:
    """What is documented of a row as counts of images; None where it is about other images."""
    page = planned.page(row)
    about = page.is_about(images)
    population = run.images if about else images.drawn_from if page.data is None else None
    claims = [
        claim
        for claim in planned.table.claims
        if claim.row == row
        and claim.metric in ("top1", "top5")
        and (claim.counted_at or row.input_size) in (None, run.input_size)
    ]
    if population is None or not claims:
        return None
    allowed = {claim.metric: accuracy.allowed_counts(claim, population) for claim in claims}
    own: dict[Metric, int] = {"top1": run.top1_count, "top5": run.top5_count}
    return Target(population, allowed, own if about and not run.decode_errors else None)
