"""Why two sources differ on the same images: takes over what the other does, one thing at a time, and compares."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from harness.checks.diagnosis import agreement, attribution, factors, source_factors, wording
from harness.checks.diagnosis.attribution import Agreement, Attribution
from harness.checks.diagnosis.factors import Identified, Variant
from harness.checks.diagnosis.variant_runner import VariantRunner, identified, identify_task
from harness.checks.diagnosis.weight_swap import state_task, transplant
from harness.core import codec
from harness.core.records import Run, Source
from harness.dataset.image_set import ImageSet, shuffled
from harness.dataset.remote import parse_location
from harness.execution.cache_keys import code_digest
from harness.execution.predictions import Predictions
from harness.worker.images import ImageRef
from harness.worker.protocol import Event, Prepared, RecipeFound, StateWritten
from harness.worker.tasks import ModelTask, Prepare

#: images on which two sources are compared: those on which they differ most, and as many others
MOST_APART = 32


def explain_difference(run: Run, other: Run, bench: VariantRunner, same_function: bool | None) -> Attribution | None:
    """Why the logits of two sources differ on the same images; None where they do not.

    `same_function`: the result of the numerics check of the two, where it was requested.
    """
    table_a, table_b = (Predictions(parse_location(one.predictions)).read() for one in (run, other))
    if agreement.agreement("", "", table_a, table_b).status == "fits":
        return None
    identity = _identity(run, other, bench, same_function)
    known = bench.session.store.cached(identity)
    if known is None:
        answer = _compare(run, other, bench, same_function, table_a, table_b)
        if answer is None:
            return None
        bench.session.store.save(identity, dataclasses.asdict(answer))
        return answer
    return codec.decode(Attribution, known)


def _identity(run: Run, other: Run, bench: VariantRunner, same_function: bool | None) -> dict[str, Any]:
    """What the answer depends on."""
    sides = {side: bench.identity(one, "apart") for side, one in (("a", run), ("b", other))}
    return {
        **sides,
        "same_function": same_function,
        "code": code_digest("core", "checks/equivalence", "checks/accuracy", "checks/diagnosis"),
    }


def _compare(
    run: Run, other: Run, bench: VariantRunner, same_function: bool | None, table_a: pd.DataFrame, table_b: pd.DataFrame
) -> Attribution | None:
    refs = _most_apart(table_a, table_b, bench.images)
    names = [ref.name for ref in refs]
    table_a, table_b = (table[table["image"].isin(names)] for table in (table_a, table_b))
    own = agreement.agreement("", "", table_a, table_b)
    bench.session.progress.stage(f"why {run.source} and {other.source} differ, {run.documented_model}")
    scratch = Path(tempfile.mkdtemp(prefix="why-", dir=bench.session.store.local))
    try:
        both = _gather(run, other, refs, bench, scratch)
        if run.source not in both.known or other.source not in both.known:
            return None
        known_a, known_b = both.known[run.source], both.known[other.source]
        refs = [ref for ref in refs if ref.name in both.files]
        moved = transplant(run, other, both.shapes, scratch)
        single = source_factors.between(known_a, known_b)
        taken: dict[str, Any] = {"inputs": both.files}
        levels = [[Variant(attribution.PREPROCESSING, f"as {other.source} prepares images", taken)]]
        if moved.differing:
            taken = {**taken, "state": str(moved.state)}
            differing = f"{moved.differing} of {moved.tensors} tensors differ, first {moved.first}"
            levels.append([Variant("weights", f"those of {other.source} on its images; {differing}", taken)])
        on_top = " on its images and weights" if moved.differing else " on its images"
        levels.append(source_factors.of_other_network(known_a, known_b, taken, on_top))
        variants = [*single, *(variant for level in levels for variant in level)]
        found = _agreements(run, known_a, variants, refs, table_b, bench, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    rest = iter(found[len(single) :])
    chain = [[next(rest) for _ in level] for level in levels]
    outcome, causes = agreement.conclude_pair(own, found[: len(single)], chain)
    unknown = list(dict.fromkeys((*known_a.reasons, *known_b.reasons)))
    text = wording.against_source(str(other.source), outcome, causes, own, found, unknown, same_function)
    evidence = [dataclasses.replace(own, factor=factors.CONTROL, text="nothing swapped", status="control"), *found]
    if moved.why:
        evidence.append(Agreement("weights", f"those of {other.source}", "not tried", why=moved.why))
    return Attribution(
        str(run.source), run.documented_model, run.input_size, str(other.source), outcome, causes, text,
        own.images, len(bench.images.images), tuple(evidence),
    )  # fmt: skip


@dataclass
class _Both:
    """What the workers of two sources report before anything is swapped."""

    known: dict[Source, Identified] = field(default_factory=dict)
    shapes: dict[Source, dict[str, tuple[int, ...]]] = field(default_factory=dict)  #: of the entries of a state
    files: dict[str, str] = field(default_factory=dict)  #: image -> the steps of the other source


def _gather(run: Run, other: Run, refs: Sequence[ImageRef], bench: VariantRunner, folder: Path) -> _Both:
    """One worker of each source does all of its tasks."""
    both = _Both()
    inputs = folder / "inputs"
    prepare = Prepare(documented=other.documented_model, input_size=other.input_size, images=refs, out=str(inputs))
    tasks: dict[Source, list[tuple[Source, ModelTask]]] = {
        one.source: [(one.source, identify_task(one, refs)), (one.source, state_task(one, folder))]
        for one in (run, other)
    }
    tasks[other.source].append((other.source, prepare))

    def handle(source: Source, event: Event) -> None:
        if isinstance(event, RecipeFound):
            both.known[source] = identified(event)
        elif isinstance(event, StateWritten):
            both.shapes[source] = dict(event.shapes)
        elif isinstance(event, Prepared):
            both.files[event.image] = str(inputs / f"{event.index}.npz")

    bench.session.side_by_side(bench.installed, tasks, "why", handle, len(tasks))
    return both


def _agreements(
    run: Run,
    known: Identified,
    variants: Sequence[Variant],
    refs: Sequence[ImageRef],
    table_b: pd.DataFrame,
    bench: VariantRunner,
    scratch: Path,
) -> list[Agreement]:
    """How close each variant brings the run to the other's predictions."""
    tasks = {str(position): variant.task for position, variant in enumerate(variants)}
    kept = {name: Predictions(scratch / name) for name in tasks}
    for predictions in kept.values():
        predictions.folder.mkdir(parents=True)
    failed = bench.vary(run, known, tasks, refs, kept)
    return [
        Agreement(variant.factor, variant.text, "not tried", why=failed[name])
        if name in failed
        else agreement.agreement(variant.factor, variant.text, kept[name].read(), table_b)
        for name, variant in zip(tasks, variants, strict=True)
    ]


def _most_apart(table_a: pd.DataFrame, table_b: pd.DataFrame, images: ImageSet) -> list[ImageRef]:
    """The images on which two runs differ most, and some others."""
    both = agreement.listed_by_both(table_a, table_b)
    largest = [float(found.max()) for found in agreement.least_logit_differences(both)]
    differences = dict(zip(both["image"], largest, strict=True))
    ranked = sorted(differences, key=lambda name: -differences[name])[:MOST_APART]
    others = [ref.name for ref in shuffled(images.images) if ref.name in differences and ref.name not in ranked]
    wanted = {*ranked, *others[:MOST_APART]}
    return [ref for ref in images.images if ref.name in wanted]
