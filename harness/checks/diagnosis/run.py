"""Runs every diagnosis: why runs differ from the document, and why two runs of a model differ from each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.checks.accuracy import judge, other_images
from harness.checks.diagnosis import against_document, against_source, wording
from harness.checks.diagnosis.attribution import Attribution, Target
from harness.checks.diagnosis.variant_runner import VariantRunner
from harness.checks.equivalence.run import PairedRuns
from harness.core.findings import Finding
from harness.core.records import Metric, PairResult, Row, Run, Source
from harness.dataset.image_set import ImageSet
from harness.execution import checkpoints as weights
from harness.execution.environments import Installed
from harness.execution.session import Session
from harness.plan.plan import Plan


def explain(
    planned: Plan,
    choice: str,
    runs: Mapping[tuple[Row, Source], list[Run]],
    side_by_side: Sequence[PairedRuns],
    pairs: Sequence[PairResult],
    images: ImageSet,
    installed: Mapping[Source, Installed],
    session: Session,
) -> tuple[list[Attribution], list[Finding]]:
    """Why each row's run misses its claims and why two runs differ; and where a source does not do what it says."""
    bench = VariantRunner(installed, images, session)
    found: list[Attribution | None] = []
    described: list[Finding] = []
    for (row, source), row_runs in runs.items():
        run = judge.plain_run(row.input_size, row_runs)
        known = bench.identify(run, against_document.probes(images))
        if known is None:
            continue
        described += wording.misdescribed(str(source), row.model, known)
        if not run.checkpoint.stand_in:
            target = _target(planned, row, run, images)
            checkpoints = weights.others(choice, source.name, run.model, row.model)
            found.append(against_document.explain(run, row, target, known, planned.page(row), checkpoints, bench))
    for two in side_by_side:
        same = [p.outcome for p in pairs if (p.a, p.b, p.model) == (two.a.source, two.b.source, two.a.documented_model)]
        one_function = {"same_function": True, "different_function": False}.get(same[0]) if same else None
        found.append(against_source.explain_difference(two.a, two.b, bench, one_function))
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
        and other_images.reason(claim, page) is None
        and (claim.counted_at or row.input_size) in (None, run.input_size)
    ]
    if population is None or not claims:
        return None
    allowed = {claim.metric: judge.allowed_counts(claim, population) for claim in claims}
    own: dict[Metric, int] = {"top1": run.top1_count, "top5": run.top5_count}
    return Target(population, allowed, own if about and not run.decode_errors else None)
