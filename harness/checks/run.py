"""Claims -> plan -> measurements -> verdicts: the one way through, for the command line and for pytest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.checks import not_measured, prepare
from harness.checks.accuracy import demonstration, other_images
from harness.checks.accuracy import run as accuracy
from harness.checks.accuracy import verdicts as accuracy_verdicts
from harness.checks.counts import findings as count_findings
from harness.checks.counts import run as counts
from harness.checks.diagnosis import run as diagnosis
from harness.checks.diagnosis import wording
from harness.checks.diagnosis.attribution import Attribution
from harness.checks.documents import run as documents
from harness.checks.documents.run import UpstreamResults
from harness.checks.documents.upstream import with_upstream
from harness.checks.equivalence import findings as equivalence_findings
from harness.checks.equivalence import run as equivalence
from harness.checks.equivalence.run import EquivalenceResults, PairedRuns
from harness.checks.expectations import with_expectations
from harness.checks.results import Results
from harness.core.errors import InputError
from harness.core.findings import Finding
from harness.core.records import Failure, Row, Run, Source, Static, Verdict
from harness.dataset.image_set import ImageSet
from harness.execution.devices.names import parse as parse_device
from harness.execution.devices.shards import Shard
from harness.execution.environments import Installed
from harness.execution.session import Cluster, Progress, Session
from harness.execution.store import Store
from harness.plan import known_gaps
from harness.plan.options import Options
from harness.plan.plan import Plan
from harness.plan.preview import Preview


@dataclass(frozen=True)
class Measurements:
    """Everything that was measured in one run, and what the judgement needs to know of it."""

    options: Options
    plan: Plan
    weights_source: str  #: where checkpoints come from: auto, none or a folder
    images: ImageSet | None
    installed: Mapping[Source, Installed]
    statics: Mapping[tuple[Row, Source], Static]
    counts: tuple[Verdict, ...]  #: on FLOPs and parameters, whose judgement asks for further networks
    runs: Mapping[tuple[Row, Source], list[Run]]
    demonstration: Run | None
    upstream: UpstreamResults
    equivalence: EquivalenceResults
    paired: tuple[PairedRuns, ...]
    attributions: tuple[Attribution, ...]
    notes: MeasurementNotes
    pages: tuple[Finding, ...]  #: what the documents contradict by themselves
    failures: tuple[Failure, ...]
    evaluation_failures: tuple[Failure, ...]  #: those of `failures` before accuracies were diagnosed


@dataclass(frozen=True)
class MeasurementNotes:
    """Findings that measuring itself led to."""

    other_releases: tuple[Finding, ...]  #: of sources whose documented release cannot be installed
    demonstration: tuple[Finding, ...]
    self_descriptions: tuple[Finding, ...]  #: sources that prepare images otherwise than they say
    on_cpu: tuple[Finding, ...]  #: sources that cannot use the device that was asked for


def execute(seen: Preview, progress: Progress) -> Results:
    """Runs all that was asked for. Raises InputError before anything is measured; later trouble is in the results."""
    if seen.options.share is not None and not seen.options.share.merges:
        raise InputError(f"--shard {seen.options.shard} gives no results; `parity run` evaluates it, then merges them")
    measurements = measure(seen, progress)
    verdicts = judge(measurements)
    found = findings(measurements, verdicts)
    return _results(measurements, with_expectations(verdicts, found), found)


@dataclass(frozen=True)
class Share:
    """What one shard of an evaluation has done."""

    shard: Shard
    images: int  #: of the set that are the shard's
    of: int  #: images of the whole set
    networks: int
    store: str  #: where the predictions are
    failures: tuple[Failure, ...]


def evaluate_share(seen: Preview, progress: Progress) -> Share:
    """Evaluates the images of one shard and stores what is predicted; judges nothing and writes no report."""
    options, images, shard = seen.options, seen.images, seen.options.share
    assert images is not None
    assert shard is not None
    session = _session(options, progress)
    planned, installed, _ = _prepared(seen, session)
    built = counts.build(planned, installed, session, counted=False)
    accuracy.evaluate_rows(planned, options, seen.weights, images, built, installed, session)
    own = sum(shard.has(position, options.batch_size) for position in range(len(images.images)))
    networks = sum(part.networks for part in seen.parts)
    return Share(shard, own, len(images.images), networks, str(session.store.root), tuple(session.failures))


def measure(seen: Preview, progress: Progress) -> Measurements:
    """Judges the pages by themselves, then prepares the environments and asks the sources, check by check."""
    options, images, weights_source = seen.options, seen.images, seen.weights
    session = _session(options, progress)
    asked = "static" in options.checks

    def settled(finding: Finding) -> None:
        if not (asked and finding.kind == "flops_per_parameter"):  # the networks will tell
            progress.settled(finding)

    pages = documents.judge_pages(seen.planned, images, settled)
    planned, installed, other_releases = _prepared(seen, session)
    built = counts.build(planned, installed, session, asked)
    count_verdicts, built = counts.judge(planned, built, installed, session) if asked else ([], built)
    for verdict in known_gaps.apply_known_gaps(count_verdicts, planned.gaps):
        progress.settled(verdict)
    runs: dict[tuple[Row, Source], list[Run]] = {}
    if "accuracy" in options.checks and images is not None and weights_source != "none":
        runs = accuracy.evaluate_rows(planned, options, weights_source, images, built, installed, session)
    shown = not_shown = None
    if "accuracy" in options.checks and images is None:
        shown, not_shown = demonstration.run(installed, session)
    upstream_results = documents.measure(planned, built, installed, options.upstream, session)
    compared = equivalence.compare_sources(planned, options, built, installed, images, session)
    paired = equivalence.paired_runs(planned, runs, images)
    evaluation_failures = tuple(session.failures)
    attributions: list[Attribution] = []
    self_descriptions: list[Finding] = []
    if options.why and images is not None:
        attributions, self_descriptions = diagnosis.explain(
            planned, weights_source, runs, paired, compared.pairs, images, installed, session
        )
    return Measurements(
        options=options,
        plan=planned,
        weights_source=weights_source,
        images=images,
        installed=installed,
        statics=built,
        counts=tuple(count_verdicts),
        runs=runs,
        demonstration=shown,
        upstream=upstream_results,
        equivalence=compared,
        paired=tuple(paired),
        attributions=tuple(attributions),
        notes=MeasurementNotes(
            tuple(other_releases),
            (not_shown,) if not_shown else (),
            tuple(self_descriptions),
            tuple(session.placement.on_cpu),
        ),
        pages=pages,
        failures=tuple(session.failures),
        evaluation_failures=evaluation_failures,
    )


def judge(measured: Measurements) -> list[Verdict]:
    """A verdict on every cell, in the order of the table."""
    planned, options = measured.plan, measured.options
    judged = list(measured.counts)
    judged += accuracy_verdicts.accuracy_verdicts(
        planned.claims(),
        measured.runs,
        measured.images,
        options,
        measured.weights_source,
        measured.evaluation_failures,
        lambda row: accuracy.population(planned.page(row), options, measured.images),
        lambda claim: other_images.reason(claim, planned.page(claim.row)),
    )
    judged = wording.with_causes(judged, measured.attributions)
    judged += not_measured.unmeasured(planned.claims(), judged, options, measured.failures)
    judged += not_measured.foreign(planned)
    judged = known_gaps.apply_known_gaps(_in_order(judged, planned), planned.gaps)
    return with_upstream(judged, measured.upstream.comparisons)


def findings(measured: Measurements, verdicts: Sequence[Verdict]) -> list[Finding]:
    """What is worth reporting next to the cells."""
    built = dict(measured.statics)
    of_documents = documents.findings(measured.plan, measured.upstream, built, verdicts)
    return [
        *count_findings.findings(verdicts),
        *of_documents.upstream,
        *of_documents.page,
        *measured.notes.demonstration,
        *measured.notes.other_releases,
        *measured.notes.on_cpu,
        *of_documents.reading,
        *_about_images(measured.images, measured.runs),
        *accuracy.unofficial_checkpoints(measured.runs, built),
        *equivalence_findings.pair_findings(measured.equivalence.pairs),
        *wording.attribution_findings(measured.attributions),
        *measured.notes.self_descriptions,
        *measured.equivalence.page,
        *measured.pages,
    ]


def _results(measured: Measurements, verdicts: Sequence[Verdict], found: Sequence[Finding]) -> Results:
    return Results(
        options=measured.options,
        plan=measured.plan,
        verdicts=tuple(verdicts),
        findings=tuple(found),
        failures=measured.failures,
        runs=tuple(run for row_runs in measured.runs.values() for run in row_runs),
        pairs=measured.equivalence.pairs,
        preprocessing=measured.equivalence.preprocessing,
        paired=measured.paired,
        attributions=measured.attributions,
        installed=measured.installed,
        images=measured.images,
        demonstration=measured.demonstration,
        statics=measured.statics,
    )


def _prepared(seen: Preview, session: Session) -> tuple[Plan, Mapping[Source, Installed], Sequence[Finding]]:
    """See prepare.prepare; nothing where no source is asked."""
    if not seen.options.asks_sources:
        return seen.planned, {}, []
    return prepare.prepare(seen.planned, seen.options.sources, session)


def _session(options: Options, progress: Progress) -> Session:
    local = options.out / "store"
    store = Store(options.store or local, local)
    cluster = _cluster(options, progress)
    return Session(
        store,
        progress,
        options.device,
        options.batch_size,
        options.runtime,
        options.precision,
        cluster,
        options.share,
    )


def _cluster(options: Options, progress: Progress) -> Cluster | None:
    if options.engine != "ray":
        return None
    try:
        from harness.execution.ray import engine
    except ImportError as error:
        raise InputError(f"--engine ray: {error}. Install it with: pip install 'parity-harness[ray]'") from error
    return engine.Cluster(options.ray_address, options.ray_cpus, progress.stage, parse_device(options.device).kind)


def _about_images(images: ImageSet | None, runs: Mapping[tuple[Row, Source], list[Run]]) -> list[Finding]:
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
