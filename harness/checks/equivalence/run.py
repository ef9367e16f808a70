"""Compares the sources that document one model: the same weights, the same files, and their predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.checks import photographs
from harness.checks.counts.widening import Built
from harness.checks.equivalence import numerics, paired_accuracy, preprocessing_runner
from harness.checks.equivalence.preprocessing import Comparison
from harness.core.errors import MeasurementError
from harness.core.findings import Finding
from harness.core.records import PairResult, Row, Run, Source
from harness.dataset.image_set import ImageSet
from harness.dataset.remote import parse_location
from harness.execution import environments
from harness.execution.environments import Installed
from harness.execution.predictions import Predictions
from harness.execution.session import Session
from harness.plan import known_gaps
from harness.plan.options import Options
from harness.plan.plan import Plan


@dataclass(frozen=True)
class PairedRuns:
    """Two sources, each with its own weights, over the same images."""

    a: Run
    b: Run
    paired: paired_accuracy.Paired


@dataclass(frozen=True)
class EquivalenceResults:
    """Comparisons between sources."""

    pairs: tuple[PairResult, ...] = ()
    preprocessing: tuple[Comparison, ...] = ()
    page: tuple[Finding, ...] = ()  #: each source's preprocessing against the page's recipe


def compare_sources(
    planned: Plan,
    options: Options,
    built: Built,
    installed: Mapping[Source, Installed],
    images: ImageSet | None,
    session: Session,
) -> EquivalenceResults:
    """The same weights and the same files in every two sources of a model, on the given images or on photographs."""
    checks = [check for check in ("numerics", "preprocessing") if check in options.checks]
    if not checks:
        return EquivalenceResults()
    wanted = planned.pairs()
    if not wanted:
        session.fail(
            None, None, "numerics", "no two of the requested sources document the same model; name more of them"
        )
    pairs = [pair for pair in wanted if pair.a in installed and pair.b in installed]
    try:
        shown = images or photographs.photographs(environments.cache())
    except (MeasurementError, OSError) as error:
        session.fail(None, None, "numerics", f"no images to compare the sources on: {error}. Pass --data")
        return EquivalenceResults()
    found = numerics.compare(pairs, installed, shown, session) if "numerics" in checks else []
    prepared: list[Comparison] = []
    page: list[Finding] = []
    if "preprocessing" in checks:
        networks = {
            (t.source, t.row.model, t.row.input_size): planned.page(t.row)
            for t in planned.targets
            if t.source in installed
        }
        prepared, page = preprocessing_runner.compare(networks, pairs, installed, shown, session)
        statics = {(str(source), row.model): static for (row, source), static in built.items()}
        prepared = preprocessing_runner.describe(prepared, statics)
    return EquivalenceResults(
        tuple(known_gaps.apply_known_pairs(found, planned.known_pairs)), tuple(prepared), tuple(page)
    )


def paired_runs(
    planned: Plan, runs: Mapping[tuple[Row, Source], list[Run]], images: ImageSet | None
) -> list[PairedRuns]:
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
                    read = [Predictions(parse_location(run.predictions)).read() for run in (a, b)]
                    found.append(PairedRuns(a, b, paired_accuracy.compare(read[0], read[1], labels)))
    return found
