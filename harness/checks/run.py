"""Claims -> plan -> measurements -> verdicts: the one way through, for the command line and for pytest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from harness.checks import not_measured, prepare
from harness.checks.accuracy import demonstration, judge
from harness.checks.accuracy import run as rows
from harness.checks.accuracy.run import unofficial_checkpoints
from harness.checks.counts import findings
from harness.checks.counts import run as counting
from harness.checks.diagnosis import run as inquiry
from harness.checks.diagnosis import wording
from harness.checks.diagnosis.attribution import Attribution
from harness.checks.documents import duplicates, upstream, upstream_documents
from harness.checks.documents.page_claims import page_findings
from harness.checks.documents.plausibility import impossible_figures
from harness.checks.documents.run import reading_notes
from harness.checks.equivalence import findings as equivalence_findings
from harness.checks.equivalence import run as comparisons
from harness.checks.results import Results
from harness.core.errors import InputError
from harness.core.records import Finding, Row, Run, Source, Verdict
from harness.dataset.image_set import ImageSet
from harness.execution.session import Cluster, Progress, Session
from harness.execution.store import Store
from harness.plan import known_gaps
from harness.plan.options import Options
from harness.plan.plan import Plan
from harness.plan.preview import Preview


def execute(seen: Preview, progress: Progress) -> Results:
    """Runs all that was asked for. Raises InputError before anything is measured; later trouble is in the results."""
    options, planned, images, choice = seen.options, seen.planned, seen.images, seen.weights
    local = options.out / "store"
    store = Store(options.store or local, local)
    cluster = _cluster(options, progress)
    session = Session(store, progress, options.device, options.batch_size, options.runtime, options.precision, cluster)
    planned, installed, instead = prepare.prepare(planned, options.sources, session)
    built = counting.build(planned, installed, session)
    judged = counting.judge(planned, built, installed, session) if "static" in options.checks else []
    runs: dict[tuple[Row, Source], list[Run]] = {}
    if "accuracy" in options.checks and images is not None and choice != "none":
        runs = rows.evaluate_rows(planned, options, choice, images, built, installed, session)
    shown = demonstrated = None
    if "accuracy" in options.checks and images is None:
        shown, demonstrated = demonstration.run(installed, session)
    documents, upstream_notes = upstream_documents.documents_of(installed, options.upstream, session)
    beside = upstream_documents.beside_the_table(planned, built, installed, documents, session)
    compared = comparisons.compare_sources(planned, options, built, installed, images, session)
    side_by_side = comparisons.paired_runs(planned, runs, images)
    judged += judge.accuracy_verdicts(
        planned.claims(),
        runs,
        images,
        options,
        choice,
        session.failures,
        lambda row: rows.population(planned.page(row), options, images),
    )
    attributions: list[Attribution] = []
    misdescribed: list[Finding] = []
    if options.why and images is not None:
        attributions, misdescribed = inquiry.explain(
            planned, choice, runs, side_by_side, compared.pairs, images, installed, session
        )
    judged = wording.with_causes(judged, attributions)
    judged += not_measured.unmeasured(planned.claims(), judged, options, session.failures)
    judged += not_measured.foreign(planned)
    judged = known_gaps.apply_known_gaps(_in_order(judged, planned), planned.gaps)
    found = [
        *findings.findings(judged),
        *upstream.findings(beside, [v.claim for v in judged if v.measured is not None]),
        *upstream_documents.contradicted(documents, built),
        *upstream_notes,
        *page_findings(planned, built),
        *([demonstrated] if demonstrated else []),
        *instead,
        *reading_notes(planned),
        *_images(images, runs),
        *unofficial_checkpoints(runs, built),
        *equivalence_findings.pair_findings(compared.pairs),
        *wording.attribution_findings(attributions),
        *misdescribed,
        *compared.page,
        *impossible_figures(planned, images),
        *duplicates.repeated(planned.table.claims),
    ]
    return Results(
        options,
        planned,
        tuple(upstream.beside_verdicts(judged, beside)),
        tuple(found),
        tuple(session.failures),
        tuple(run for row_runs in runs.values() for run in row_runs),
        compared.pairs,
        compared.preprocessing,
        tuple(side_by_side),
        tuple(attributions),
        installed,
        images,
        shown,
        built,
    )


def _cluster(options: Options, progress: Progress) -> Cluster | None:
    if options.engine != "ray":
        return None
    try:
        from harness.execution.ray import engine
    except ImportError as error:
        raise InputError(f"--engine ray: {error}. Install it with: pip install 'parity-harness[ray]'") from error
    return engine.Cluster(options.ray_address, options.ray_cpus, progress.stage, options.device)


def _images(images: ImageSet | None, runs: Mapping[tuple[Row, Source], list[Run]]) -> list[Finding]:
    notes = images.notes if images else ()
    return [
        *(Finding("data", "", "", f"Among the images, {note}.") for note in notes),
        *(
            Finding("labels", str(run.source), run.documented_model, run.label_note)
            for row_runs in runs.values()
            for run in row_runs
            if run.label_note
        ),
    ]


def _in_order(judged: Iterable[Verdict], planned: Plan) -> list[Verdict]:
    """As the table has them: by row, then by column, then by release."""
    position = {claim: i for i, claim in enumerate(planned.table.claims)}

    def release(source: Source) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", source.version)]  # 0.6.5 comes before 0.6.13

    return sorted(judged, key=lambda verdict: (position[verdict.claim], release(verdict.source)))
