"""Claims -> plan -> measurements -> verdicts: the one way through, for the command line and for pytest."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from harness import demonstration, environments, names, verdicts, weights
from harness.claims import Problem, Table, read_table
from harness.environments import Installed, SourceSpec
from harness.errors import InputError, MeasurementError
from harness.images import ImageSet, open_images
from harness.measure import Evaluation, Measurer, Progress
from harness.page import Page, check_page, read_page
from harness.records import Claim, Failure, Finding, Outcome, Row, Run, Source, Static, Verdict
from harness.store import Store
from harness.verdicts import Target

REFERENCE = Path(__file__).parent.parent / "reference"
CHECKS = ("static", "accuracy")
DEVICES = ("cpu", "cuda")
#: networks of the same source that a contradicted row is compared with: the likeliest first, then some more
NEIGHBOURS = (3, 8)
#: the resolution at which most tables count, whatever the row says
COMMON_SIZE = 224


@dataclass(frozen=True)
class Options:
    """What was asked for; see `python -m harness.run --help`."""

    table: Path = REFERENCE / "cspnet.md"
    sources: tuple[str, ...] = ()  #: empty is every source of the table that is known
    models: tuple[str, ...] = ()  #: empty is every model of the table
    data: Path | None = None
    labels: Path | None = None
    weights: str | None = None  #: "auto", "none" or a folder; None is auto with data and none without
    checks: tuple[str, ...] = CHECKS
    limit: int | None = None
    batch_size: int = 32
    device: str = "cpu"
    out: Path = Path("parity-report")


@dataclass(frozen=True)
class Plan:
    """What will be checked: read from the table before anything is measured."""

    table: Table
    page: Page
    targets: tuple[Target, ...]
    foreign: tuple[Row, ...]  #: rows of sources that have no adapter
    gaps: tuple[verdicts.KnownGap, ...]
    known: Mapping[str, SourceSpec]

    def claims(self) -> list[tuple[Claim, Source]]:
        wanted: dict[Row, list[Source]] = {}
        for target in self.targets:
            wanted.setdefault(target.row, []).append(target.source)
        return [(claim, source) for claim in self.table.claims for source in wanted.get(claim.row, ())]


@dataclass(frozen=True)
class Results:
    """Everything a report shows."""

    options: Options
    plan: Plan
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    failures: tuple[Failure, ...]
    runs: tuple[Run, ...]
    installed: Mapping[Source, Installed]
    images: ImageSet | None
    demonstration: Run | None

    @property
    def problems(self) -> tuple[Problem, ...]:
        return self.plan.table.problems

    @property
    def exit_status(self) -> int:
        return verdicts.exit_status(self.verdicts, len(self.failures) + len(self.problems))


def plan(options: Options) -> Plan:
    """Reads the table and what was asked of it. Raises InputError, with the nearest valid name where one is wrong."""
    known = environments.sources()
    for check in options.checks:
        if check not in CHECKS:
            raise InputError(f"--checks: unknown check {check!r}; {_nearest(check, CHECKS)}")
    if options.device not in DEVICES:
        raise InputError(f"--device: unknown device {options.device!r}; {_nearest(options.device, DEVICES)}")
    if options.batch_size < 1:
        raise InputError(f"--batch-size {options.batch_size}: expected at least 1")
    asked = [environments.parse_source(text, known) for text in options.sources]
    table = read_table(options.table)
    in_table = sorted({row.source for row in table.rows})
    for name, _ in asked:
        if name not in in_table:
            raise InputError(f"--sources: {options.table} documents nothing from {name}; it has {', '.join(in_table)}")
    in_models = sorted({row.model for row in table.rows})
    for model in options.models:
        if model not in in_models:
            raise InputError(f"--models: {options.table} has no model {model!r}; {_nearest(model, in_models)}")
    rows = [row for row in table.rows if not options.models or row.model in options.models]
    targets = []
    for row in rows:
        versions = [version for name, version in asked if name == row.source] if asked else [None]
        if row.source in known:
            default = row.version or known[row.source].default_version
            targets += [Target(row, Source(row.source, version or default)) for version in versions]
    foreign = tuple(row for row in rows if row.source not in known and not asked)
    if options.models and asked and not targets:
        raise InputError(
            f"--models, --sources: {options.table} documents none of {', '.join(options.models)} from "
            f"{', '.join(name for name, _ in asked)}"
        )
    beside = options.table.parent / "known_gaps.toml"
    gaps = verdicts.read_known_gaps(beside if beside.is_file() else REFERENCE / "known_gaps.toml")
    return Plan(table, read_page(options.table), tuple(dict.fromkeys(targets)), foreign, tuple(gaps), known)


def _nearest(name: str, valid: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, valid, n=1)
    return f"did you mean {near[0]}?" if near else f"expected one of {', '.join(valid)}"


def execute(options: Options, progress: Progress) -> Results:
    """Runs all that was asked for. Raises InputError before anything is measured; later trouble is in the results."""
    planned = plan(options)
    choice = _weights(options)
    store = Store(options.out / "store")
    images = open_images(options.data, options.labels, options.limit) if options.data else None
    measurer = Measurer(store, progress, options.device, options.batch_size)
    installed = _prepare(planned, measurer)
    built = _build(planned, installed, measurer)
    claims = planned.claims()
    judged = []
    if "static" in options.checks:
        judged = verdicts.judge_static([c for c in claims if c[0].metric in ("flops", "params")], built)
        judged = _ask_the_neighbours(judged, built, installed, measurer)
    runs: dict[tuple[Row, Source], list[Run]] = {}
    if "accuracy" in options.checks and images is not None and choice != "none":
        runs = _evaluate(planned, choice, images, built, installed, measurer)
    shown = None
    demonstration_finding = None
    if "accuracy" in options.checks and images is None:
        shown, demonstration_finding = _demonstrate(installed, measurer)
    judged += _accuracy_verdicts(claims, runs, images, options, choice, measurer.failures)
    judged += _unmeasured(claims, judged, options, measurer.failures)
    judged += _foreign(planned)
    judged = verdicts.apply_known_gaps(_in_order(judged, planned), planned.gaps)
    found = verdicts.findings(judged)
    found += check_page(planned.page, [(row, source, static) for (row, source), static in built.items()])
    found += [demonstration_finding] if demonstration_finding else []
    found += [
        Finding("labels", "error", str(run.source), run.documented_model, run.label_note)
        for row_runs in runs.values()
        for run in row_runs
        if run.label_note
    ]
    return Results(
        options,
        planned,
        tuple(judged),
        tuple(found),
        tuple(measurer.failures),
        tuple(run for row_runs in runs.values() for run in row_runs),
        installed,
        images,
        shown,
    )


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


def _prepare(planned: Plan, measurer: Measurer) -> dict[Source, Installed]:
    """The environment of every source; one that cannot be made leaves the others running."""
    wanted = list(dict.fromkeys(target.source for target in planned.targets))

    def one(source: Source) -> Installed | None:
        measurer.progress.stage(f"{source}: preparing its environment")
        try:
            return environments.prepare(planned.known[source.name], source.version)
        except MeasurementError as error:
            measurer.fail(source, None, "environment", str(error))
            return None

    with ThreadPoolExecutor(max_workers=4) as pool:
        return {source: ready for source, ready in zip(wanted, pool.map(one, wanted), strict=True) if ready}


_Built = dict[tuple[Row, Source], Static]


def _build(planned: Plan, installed: Mapping[Source, Installed], measurer: Measurer) -> _Built:
    """Every row's network, counted."""

    def one(source: Source) -> dict[Row, Static]:
        rows = [target.row for target in planned.targets if target.source == source]
        wanted: dict[str, set[int]] = {}
        for row in rows:
            wanted.setdefault(row.model, {COMMON_SIZE}).update({row.input_size} if row.input_size else ())
        statics = measurer.statics(installed[source], wanted, side_by_side=len(installed))
        return {row: statics[row.model] for row in rows if row.model in statics}

    with ThreadPoolExecutor(max_workers=4) as pool:
        found = dict(zip(installed, pool.map(one, installed), strict=True))
    return {(row, source): static for source, rows in found.items() for row, static in rows.items()}


def _ask_the_neighbours(
    judged: list[Verdict],
    built: _Built,
    installed: Mapping[Source, Installed],
    measurer: Measurer,
) -> list[Verdict]:
    """Builds other networks of the source for each row with contradicted counts, and compares."""
    rows = dict.fromkeys((v.claim.row, v.source) for v in judged if v.outcome is Outcome.CONTRADICTED)
    for row, source in rows:
        near = names.nearest(built[row, source].model, measurer.offered(installed[source]), NEIGHBOURS[-1])
        sizes = {COMMON_SIZE} | ({row.input_size} if row.input_size else set())
        for count in NEIGHBOURS:
            failures = len(measurer.failures)
            statics = measurer.statics(installed[source], dict.fromkeys(near[:count], sizes), trace=False)
            del measurer.failures[failures:]  # nobody asked for the neighbours
            candidates = [statics[model] for model in near if model in statics]
            attributed = verdicts.attribute_to_neighbours(judged, {(row, source): candidates})
            if attributed != judged:
                judged = attributed
                break
    return judged


def _evaluate(
    planned: Plan,
    choice: str,
    images: ImageSet,
    built: _Built,
    installed: Mapping[Source, Installed],
    measurer: Measurer,
) -> dict[tuple[Row, Source], list[Run]]:
    """Every row's network over the images: at the source's own input size and, if it differs, at the row's."""
    runs: dict[tuple[Row, Source], list[Run]] = {}
    for target in planned.targets:
        row, source = target.row, target.source
        static = built.get((row, source))
        if static is None:
            continue
        try:
            checkpoint = weights.find(
                choice,
                source.name,
                static.model,
                row.model,
                static.checkpoint_url,
                planned.page.weights.get(row.model),
                environments.cache() / "weights",
            )
        except MeasurementError as error:
            measurer.fail(source, row.model, "weights", str(error))
            continue
        sizes = [None] if row.input_size in (None, static.input_size) else [None, row.input_size]
        for size in sizes:
            evaluation = Evaluation(row.model, static.model, checkpoint, size, static.input_size)
            run = measurer.evaluate(installed[source], evaluation, images)
            if run is None:
                break
            runs.setdefault((row, source), []).append(run)
    return runs


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
        static = measurer.statics(ready, {row.model: {COMMON_SIZE}}).get(row.model)
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
            run = measurer.evaluate(ready, evaluation, photographs)
        reason = "; ".join(failure.message for failure in measurer.failures[failures:])
    except (InputError, MeasurementError, OSError) as error:
        reason = str(error)
    del measurer.failures[failures:]
    if run is not None:
        return run, None
    return None, Finding(
        "demonstration", "warning", str(ready.source), row.model, f"The demonstration did not run: {reason}"
    )


# -- verdicts on what was not measured -------------------------------------------------------------


def _accuracy_verdicts(
    claims: Iterable[tuple[Claim, Source]],
    runs: Mapping[tuple[Row, Source], list[Run]],
    images: ImageSet | None,
    options: Options,
    choice: str,
    failures: Sequence[Failure],
) -> list[Verdict]:
    judged = []
    for claim, source in claims:
        if claim.metric not in ("top1", "top5"):
            continue
        if images is not None and runs.get((claim.row, source)):
            judged.append(
                verdicts.judge_accuracy(claim, source, runs[claim.row, source], images.is_imagenet_val, images.identity)
            )
        elif "accuracy" not in options.checks:
            judged.append(_not_asked(claim, source, "accuracy is not in --checks"))
        elif images is None:
            judged.append(_not_asked(claim, source, "no data set was given: pass --data with ImageNet val"))
        elif choice == "none":
            judged.append(_not_asked(claim, source, "no weights were asked for: pass --weights auto or a folder"))
        else:
            judged.append(Verdict(claim, source, Outcome.ERROR, cause=_why_failed(claim, source, failures)))
    return judged


def _unmeasured(
    claims: Iterable[tuple[Claim, Source]],
    judged: Sequence[Verdict],
    options: Options,
    failures: Sequence[Failure],
) -> list[Verdict]:
    """Static claims that no measurement speaks to."""
    done = {(verdict.claim, verdict.source) for verdict in judged}
    found = []
    for claim, source in claims:
        if (claim, source) not in done:
            if "static" in options.checks:
                found.append(Verdict(claim, source, Outcome.ERROR, cause=_why_failed(claim, source, failures)))
            else:
                found.append(_not_asked(claim, source, "static is not in --checks"))
    return found


def _not_asked(claim: Claim, source: Source, reason: str) -> Verdict:
    return Verdict(claim, source, Outcome.NOT_MEASURED, cause=reason, requested=False)


def _why_failed(claim: Claim, source: Source, failures: Sequence[Failure]) -> str:
    own = [f for f in failures if f.source == str(source) and f.model in (None, claim.row.model)]
    resolved = [f for f in failures if f.source == str(source) and f.stage == "static"]
    return (own or resolved or [Failure("", None, "static", "it was not measured")])[0].message


def _foreign(planned: Plan) -> list[Verdict]:
    rows = set(planned.foreign)
    return [
        _not_asked(
            claim,
            Source(claim.row.source, claim.row.version or "unknown"),
            f"there is no adapter for {claim.row.source}; known: {', '.join(sorted(planned.known))}",
        )
        for claim in planned.table.claims
        if claim.row in rows
    ]


def _in_order(judged: Iterable[Verdict], planned: Plan) -> list[Verdict]:
    """As the table has them: by row, then by column, then by release."""
    position = {claim: i for i, claim in enumerate(planned.table.claims)}
    return sorted(judged, key=lambda verdict: (position[verdict.claim], verdict.source.version))
