"""Claims -> plan -> measurements -> verdicts: the one way through, for the command line and for pytest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness import (
    accuracy,
    apart,
    audit,
    counting,
    demonstration,
    environments,
    explanations,
    factors,
    numerics,
    paired,
    plausibility,
    preparation,
    published,
    repetition,
    rows,
    unmeasured,
    upstream,
    verdicts,
    weights,
    why,
    workers,
)
from harness.attribution import Attribution, Target
from harness.claims import Problem
from harness.environments import Installed
from harness.errors import InputError, MeasurementError
from harness.evaluation import Evaluation, evaluate
from harness.images import ImageSet, open_images
from harness.measure import Cluster, Measurer, Progress
from harness.page import check_page
from harness.places import place
from harness.plan import Options, Plan, plan
from harness.preprocessing import Comparison
from harness.records import Failure, Finding, Metric, PairResult, Row, Run, Source, Verdict
from harness.store import Predictions, Store
from harness.swapping import Bench


@dataclass(frozen=True)
class PairedRuns:
    """Two sources, each with its own weights, over the same images."""

    a: Run
    b: Run
    paired: paired.Paired


@dataclass(frozen=True)
class Results:
    """Everything a report shows."""

    options: Options
    plan: Plan
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    failures: tuple[Failure, ...]
    runs: tuple[Run, ...]
    pairs: tuple[PairResult, ...]  #: the same weights in two sources
    preprocessing: tuple[Comparison, ...]
    paired: tuple[PairedRuns, ...]  #: each source with its own weights, on the same images
    attributions: tuple[Attribution, ...]  #: why an accuracy differs
    installed: Mapping[Source, Installed]
    images: ImageSet | None
    demonstration: Run | None
    names: Mapping[tuple[Row, Source], str]  #: the source's own name of each documented model that was built

    @property
    def problems(self) -> tuple[Problem, ...]:
        return self.plan.table.problems

    @cached_property
    def entries(self) -> list[audit.Entry]:
        """What is to be mended in the documents."""
        return audit.entries(self.verdicts, self.findings)

    @property
    def exit_status(self) -> int:
        failures = len(self.failures) + len(self.problems)
        return verdicts.exit_status(self.verdicts, failures, self.pairs, self.findings)


def execute(options: Options, progress: Progress) -> Results:
    """Runs all that was asked for. Raises InputError before anything is measured; later trouble is in the results."""
    planned = plan(options)
    choice = _weights(options)
    local = options.out / "store"
    store = Store(options.store or local, local)
    images = open_images(options.data, options.labels, options.limit) if options.data else None
    cluster = _cluster(options, progress)
    measurer = Measurer(
        store, progress, options.device, options.batch_size, options.runtime, options.precision, cluster
    )
    planned, installed, instead = _prepare(planned, options, measurer)
    built = counting.build(planned, installed, measurer)
    claims = planned.claims()
    judged = counting.judge(planned, built, installed, measurer) if "static" in options.checks else []
    runs: dict[tuple[Row, Source], list[Run]] = {}
    if "accuracy" in options.checks and images is not None and choice != "none":
        runs = rows.evaluate_rows(planned, options, choice, images, built, installed, measurer)
    shown = None
    demonstration_finding = None
    if "accuracy" in options.checks and images is None:
        shown, demonstration_finding = _demonstrate(installed, measurer)
    documents, upstream_notes = published.documents_of(installed, options.upstream, measurer)
    beside = published.beside_the_table(planned, built, installed, documents, measurer)
    compared = _compare_sources(planned, options, built, installed, images, measurer)
    side_by_side = _paired(planned, runs, images)
    judged += unmeasured.accuracy_verdicts(
        claims,
        runs,
        images,
        options,
        choice,
        measurer.failures,
        lambda row: rows.population(planned.page(row), options, images),
    )
    attributions, found_out = _explain(
        planned, options, choice, runs, side_by_side, compared.pairs, images, installed, measurer
    )
    judged = explanations.with_causes(judged, attributions)
    judged += unmeasured.unmeasured(claims, judged, options, measurer.failures)
    judged += unmeasured.foreign(planned)
    judged = verdicts.apply_known_gaps(_in_order(judged, planned), planned.gaps)
    found = verdicts.findings(judged)
    found += upstream.findings(beside, [v.claim for v in judged if v.measured is not None])
    found += [*published.contradicted(documents, built), *upstream_notes]
    judged = upstream.beside_verdicts(judged, beside)
    for file, page in planned.pages.items():
        found += check_page(
            page, [(row, source, static) for (row, source), static in built.items() if row.file == file]
        )
    found += [demonstration_finding] if demonstration_finding else []
    notes = images.notes if images else ()
    found += instead
    found += [
        Finding("no_model_table", "note", "", "", f"The table {other.text!r} is not about models.", other.place)
        for other in planned.table.passed_over
    ]
    found += [
        Finding("assumed_unit", "note", "", "", f"{column.text}.", column.place) for column in planned.table.assumed
    ]
    found += [Finding("data", "warning", "", "", f"Among the images, {note}.") for note in notes]
    found += [
        Finding("labels", "error", str(run.source), run.documented_model, run.label_note)
        for row_runs in runs.values()
        for run in row_runs
        if run.label_note
    ]
    found += verdicts.pair_findings(compared.pairs)
    found += [*explanations.attribution_findings(attributions), *found_out]
    documented = list(planned.table.claims)
    found += [*compared.page, *plausibility.impossible(documented), *repetition.repeated(documented)]
    return Results(
        options,
        planned,
        tuple(judged),
        tuple(found),
        tuple(measurer.failures),
        tuple(run for row_runs in runs.values() for run in row_runs),
        compared.pairs,
        compared.preprocessing,
        tuple(side_by_side),
        tuple(attributions),
        installed,
        images,
        shown,
        {key: static.model for key, static in built.items()},
    )


def _cluster(options: Options, progress: Progress) -> Cluster | None:
    if options.engine != "ray":
        return None
    try:
        from harness import ray_engine
    except ImportError as error:
        raise InputError(f"--engine ray: {error}. Install it with: pip install 'parity-harness[ray]'") from error
    return ray_engine.Cluster(options.ray_address, options.ray_cpus, progress.stage, options.device)


def _weights(options: Options) -> str:
    """Where checkpoints come from: auto, none or a folder."""
    if options.weights is None:
        return "auto" if options.data else "none"
    if options.weights not in ("auto", "none"):
        if not Path(options.weights).is_dir():
            raise InputError(
                f"--weights {options.weights}: no such folder; expected auto, none or a folder of checkpoints"
            )
        if options.data is None:
            raise InputError("--weights: give --data as well, the images to evaluate them on")
    return options.weights


def _prepare(
    planned: Plan, options: Options, measurer: Measurer
) -> tuple[Plan, dict[Source, Installed], list[Finding]]:
    """The environment of every source; one that cannot be made leaves the others running.

    A release that the table names and that cannot be installed any more gives way to the one that the adapter was
    written for, which is said.
    """

    def one(source: Source) -> Installed | MeasurementError:
        measurer.progress.stage(f"{source}: preparing its environment")
        try:
            return environments.prepare(planned.known[source.name], source.version, measurer.runtime)
        except MeasurementError as error:
            return error

    def all_of(sources: Sequence[Source]) -> dict[Source, Installed | MeasurementError]:
        return dict(zip(sources, workers.side_by_side(one, sources), strict=True))

    ready = all_of(list(dict.fromkeys(target.source for target in planned.targets)))
    said = []
    for source, error in list(ready.items()):
        own = Source(source.name, planned.known[source.name].default_version)
        if isinstance(error, Installed) or own == source or str(source) in options.sources:
            continue
        del ready[source]
        planned = planned.with_release(source, own)
        text = f"{source}, which the table names, cannot be installed here; its rows are checked against {own}. {error}"
        said.append(Finding("another_release", "warning", str(own), "", text, {"documented": str(source)}))
    ready |= all_of([source for source in dict.fromkeys(t.source for t in planned.targets) if source not in ready])
    installed = {}
    for source, found in ready.items():
        if isinstance(found, Installed):
            installed[source] = found
        else:
            measurer.fail(source, None, "environment", str(found))
    return planned, installed, said


@dataclass(frozen=True)
class _Compared:
    """What the sources say of each other."""

    pairs: tuple[PairResult, ...] = ()
    preprocessing: tuple[Comparison, ...] = ()
    page: tuple[Finding, ...] = ()  #: each source's preprocessing against the page's recipe


def _compare_sources(
    planned: Plan,
    options: Options,
    built: counting.Built,
    installed: Mapping[Source, Installed],
    images: ImageSet | None,
    measurer: Measurer,
) -> _Compared:
    """The same weights and the same files in every two sources of a model, on the given images or on photographs."""
    checks = [check for check in ("numerics", "preprocessing") if check in options.checks]
    if not checks:
        return _Compared()
    wanted = planned.pairs()
    if not wanted:
        measurer.fail(
            None, None, "numerics", "no two of the requested sources document the same model; name more of them"
        )
    pairs = [pair for pair in wanted if pair.a in installed and pair.b in installed]
    try:
        shown = images or demonstration.photographs(environments.cache())
    except (MeasurementError, OSError) as error:
        measurer.fail(None, None, "numerics", f"no images to compare the sources on: {error}. Pass --data")
        return _Compared()
    found = numerics.compare(pairs, installed, shown, measurer) if "numerics" in checks else []
    prepared: list[Comparison] = []
    page: list[Finding] = []
    if "preprocessing" in checks:
        networks = {
            (t.source, t.row.model, t.row.input_size): planned.page(t.row)
            for t in planned.targets
            if t.source in installed
        }
        prepared, page = preparation.compare(networks, pairs, installed, shown, measurer)
        statics = {(str(source), row.model): static for (row, source), static in built.items()}
        prepared = preparation.describe(prepared, statics)
    return _Compared(tuple(verdicts.apply_known_pairs(found, planned.known_pairs)), tuple(prepared), tuple(page))


def _paired(planned: Plan, runs: Mapping[tuple[Row, Source], list[Run]], images: ImageSet | None) -> list[PairedRuns]:
    """Runs of one model in two sources over the same images, image by image."""
    if images is None:
        return []
    labels = {ref.name: ref.label for ref in images.images}
    found = []
    every = [run for row_runs in runs.values() for run in row_runs]
    for pair in planned.pairs():
        for a in (run for run in every if (run.source, run.documented_model) == (pair.a, pair.model)):
            for b in (run for run in every if (run.source, run.documented_model) == (pair.b, pair.model)):
                if a.input_size == b.input_size and a.images and b.images:
                    read = [Predictions(place(run.predictions)).read() for run in (a, b)]
                    found.append(PairedRuns(a, b, paired.compare(read[0], read[1], labels)))
    return found


def _explain(
    planned: Plan,
    options: Options,
    choice: str,
    runs: Mapping[tuple[Row, Source], list[Run]],
    side_by_side: Sequence[PairedRuns],
    pairs: Sequence[PairResult],
    images: ImageSet | None,
    installed: Mapping[Source, Installed],
    measurer: Measurer,
) -> tuple[list[Attribution], list[Finding]]:
    """Why each row's run misses its claims and why two runs differ; and where a source does not do what it says."""
    if not options.why or images is None:
        return [], []
    bench = Bench(installed, images, measurer)
    found: list[Attribution | None] = []
    described: list[Finding] = []
    for (row, source), row_runs in runs.items():
        run = accuracy.plain_run(row, row_runs)
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
    claims = [claim for claim in planned.table.claims if claim.row == row and claim.metric in ("top1", "top5")]
    if population is None or not claims or row.input_size not in (None, run.input_size):
        return None
    allowed = {claim.metric: accuracy.allowed_counts(claim, population) for claim in claims}
    own: dict[Metric, int] = {"top1": run.top1_count, "top5": run.top5_count}
    return Target(population, allowed, own if about and not run.decode_errors else None)


def _demonstrate(installed: Mapping[Source, Installed], measurer: Measurer) -> tuple[Run | None, Finding | None]:
    """Real weights on photographs, with whichever release of the demonstration's source is at hand."""
    table, page = demonstration.table()
    row = next(row for row in table.rows if row.model == demonstration.MODEL)
    ready = next((one for source, one in installed.items() if source.name == row.source), None)
    if ready is None:
        return None, None
    failures = len(measurer.failures)
    run = None
    try:
        photographs = demonstration.photographs(environments.cache())
        static = measurer.statics(ready, {row.model: {counting.COMMON_SIZE}}).get(row.model)
        if static is not None:
            checkpoint = weights.find(
                "auto",
                row.source,
                row.model,
                row.model,
                None,
                page.weights[row.model],
                environments.cache() / "weights",
            )
            evaluation = Evaluation(row.model, row.model, checkpoint, None, static.input_size)
            [run] = evaluate(measurer, ready, [evaluation], photographs)
        reason = "; ".join(failure.message for failure in measurer.failures[failures:])
    except (InputError, MeasurementError, OSError) as error:
        reason = str(error)
    del measurer.failures[failures:]
    if run is not None:
        return run, None
    return None, Finding(
        "demonstration", "warning", str(ready.source), row.model, f"The demonstration did not run: {reason}"
    )


def _in_order(judged: Iterable[Verdict], planned: Plan) -> list[Verdict]:
    """As the table has them: by row, then by column, then by release."""
    position = {claim: i for i, claim in enumerate(planned.table.claims)}

    def release(source: Source) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", source.version)]  # 0.6.5 comes before 0.6.13

    return sorted(judged, key=lambda verdict: (position[verdict.claim], release(verdict.source)))
