"""Why a run misses what is documented: one factor is swapped at a time, on as few images as are needed, and judged.

A swap that is refuted on some images is not run on more; the others are run on all of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from harness.checks.diagnosis import attribution, factors, judge, together, wording
from harness.checks.diagnosis.attribution import Attribution, Swap, Target
from harness.checks.diagnosis.factors import Identified, Variant
from harness.checks.diagnosis.variant_runner import VariantRunner
from harness.core.files import sha256
from harness.core.records import Row, Run
from harness.dataset.image_set import ImageSet, shuffled
from harness.dataset.remote import parse_location
from harness.execution.predictions import Predictions, identity_key
from harness.plan.page import Page
from harness.worker.images import ImageRef

#: images after each of which refuted swaps are left out
STAGES = (256, 1024, 4096, 16384)
#: images on which swaps are tried where no documented figure is missed
NOTHING_MISSED = 512
#: images on which a worker identifies what a source does
PROBES = 64


_Name = tuple[str, str]  #: factor and text of a swap


def explain(
    run: Run,
    row: Row,
    target: Target | None,
    known: Identified,
    page: Page,
    checkpoints: Sequence[Path],
    bench: VariantRunner,
) -> Attribution:
    """Why a run misses the documented figures; where it does not, which swaps would have given them too.

    Without a target, which swaps do better. `checkpoints` are other files that hold weights of the model.
    """
    labels = {ref.name: ref.label for ref in bench.images.images}
    base = Predictions(parse_location(run.predictions)).read()
    own = judge.scored(base, labels)
    off = judge.misses(target, own) if target else []
    refs = [ref for ref in shuffled(bench.images.images) if ref.name in own.index]
    stages = [stage for stage in STAGES if stage < len(refs)] if off else []
    stages.append(len(refs) if off else min(len(refs), NOTHING_MISSED))
    tried = _try(run, target, own, known, _variants(run, row, known, page, checkpoints), stages, refs, base, bench)
    found = list(tried.swaps.values())
    outcome, causes = attribution.conclude(found) if target else _improved(found, tried.tables)
    chance = attribution.coincidence(target, judge.counts(target, own), found) if target and off else None
    if chance and outcome == "named" and chance.chance >= attribution.COINCIDENCE:
        outcome = "consistent"
    if target and off:
        needed = _images_to_separate(found, causes, tried.tables) if outcome == "ambiguous" else None
        text = wording.against_document(run, target, off, outcome, causes, found, needed, chance)
    elif target:
        outcome, causes = "nothing_to_explain", ()
        text = wording.holding(run, target, found)
    else:
        text = wording.without_document(run, outcome, causes, found)
    return Attribution(
        str(run.source),
        run.documented_model,
        run.input_size,
        attribution.DOCUMENT if target else attribution.NOTHING,
        outcome,
        causes,
        text,
        attribution.images_seen(found),
        target.population if target else len(refs),
        tuple(_evidence(own, tried, known)),
        chance,
    )


@dataclass
class _Tried:
    """The results of the swaps so far."""

    tables: dict[_Name, pd.DataFrame] = field(default_factory=dict)  #: judge.scored() with each swap
    refused: dict[_Name, str] = field(default_factory=dict)  #: why a swap cannot be run
    swaps: dict[_Name, Swap] = field(default_factory=dict)


def _try(
    run: Run,
    target: Target | None,
    own: pd.DataFrame,
    known: Identified,
    variants: Sequence[Variant],
    stages: Sequence[int],
    refs: Sequence[ImageRef],
    base: pd.DataFrame,
    bench: VariantRunner,
) -> _Tried:
    """Runs and judges the variants on more images stage by stage; those that are refuted go no further."""
    labels = {ref.name: ref.label for ref in bench.images.images}
    found, left = _Tried(), list(variants)
    for stage in stages:
        bench.session.progress.stage(f"why {run.source} {run.documented_model}: {len(left)} swaps on {stage:,} images")
        found.refused |= _run(run, known, left, refs[:stage], labels, base, bench, found.tables)
        tables = {
            name: table
            for name, table in found.tables.items()
            if name[0] != factors.CONTROL and name not in found.refused
        }
        judged = judge.judge(target, own, tables, len(stages)) if target else judge.improvements(own, tables)
        # refuted swaps were not run on more images and stay refuted
        gone = {name: swap for name, swap in found.swaps.items() if swap.status == "refuted"}
        found.swaps = {(swap.factor, swap.text): gone.get((swap.factor, swap.text), swap) for swap in judged}
        left = [v for v in left if v.name in found.swaps and found.swaps[v.name].status != "refuted"]
        if not left:
            break
    return found


def _evidence(own: pd.DataFrame, tried: _Tried, known: Identified) -> list[Swap]:
    """The control, every swap, and those that could not be tried."""
    controls = {name: table for name, table in tried.tables.items() if name[0] == factors.CONTROL}
    evidence = [dataclasses.replace(one, status="control", p=None) for one in judge.improvements(own, controls)]
    evidence += tried.swaps.values()
    evidence += [Swap(*name, "not tried", why=why) for name, why in tried.refused.items()]
    return evidence + [Swap(factor, "", "not tried", why=why) for factor, why in factors.untried(known)]


def probes(images: ImageSet) -> list[ImageRef]:
    """The images on which a worker identifies what a source does."""
    return shuffled(images.images)[:PROBES]


def _variants(run: Run, row: Row, known: Identified, page: Page, checkpoints: Sequence[Path]) -> list[Variant]:
    control = factors.control(known)
    found = [control] if control else []
    found += factors.of_preprocessing(known, page.preprocessing, row.input_size)
    names = [path.name for path in checkpoints]
    for path in checkpoints:
        if str(path) != run.checkpoint.file:
            text = path.name if names.count(path.name) == 1 else f"{path.parent.name}/{path.name}"
            # the digest is for the store, because a file name does not identify the content
            task = {"checkpoint": str(path), "match": "name", "sha256": sha256(path)}
            found.append(Variant("weights file", text, task))
    found += factors.of_checkpoint(run.checkpoint.states)
    found += factors.of_network(known)
    return [*found, *together.pairs(found, known, page, row.input_size), *factors.LABELS]


def _run(
    run: Run,
    known: Identified,
    variants: Sequence[Variant],
    refs: Sequence[ImageRef],
    labels: Mapping[str, int],
    base: pd.DataFrame,
    bench: VariantRunner,
    tables: dict[_Name, pd.DataFrame],
) -> dict[_Name, str]:
    """Adds what each variant has right to `tables`; returns why some cannot be run. `base`: the run's predictions."""
    names = {ref.name for ref in refs}
    measured = {identity_key(dict(variant.task)): variant for variant in variants if variant.task}
    kept = {
        name: bench.session.store.predictions(
            bench.identity(run, "variant", recipe=dict(known.recipe), variant=dict(variant.task))
        )
        for name, variant in measured.items()
    }
    failed = bench.vary(run, known, {name: variant.task for name, variant in measured.items()}, refs, kept)
    for name, variant in measured.items():
        if name not in failed:
            table = kept[name].read()
            tables[variant.name] = judge.scored(table[table["image"].isin(names)], labels)
    for variant in variants:
        if variant.label and variant.name not in tables:  # on all images, since it takes no forward pass
            tables[variant.name] = judge.scored(base, judge.other_labels(variant.label, labels, base))
    return {measured[name].name: why for name, why in failed.items()}


def _improved(
    swaps: Sequence[Swap], tables: Mapping[_Name, pd.DataFrame]
) -> tuple[attribution.Outcome, tuple[str, ...]]:
    """The factors that do better than the source's own, and that cannot be distinguished from the best one."""
    better = sorted((swap for swap in swaps if swap.status == "fits"), key=lambda swap: swap.lost - swap.gained)
    if not better:
        return "nothing_to_explain", ()
    best = tables[better[0].factor, better[0].text]
    left = [swap for swap in better if judge.as_good_as(best, tables[swap.factor, swap.text])]
    causes = tuple(dict.fromkeys(swap.factor for swap in left))
    return ("named" if len(causes) == 1 else "ambiguous"), causes


def _images_to_separate(
    swaps: Sequence[Swap], causes: Sequence[str], tables: Mapping[_Name, pd.DataFrame]
) -> int | None:
    """About how many images would distinguish the two most likely factors; None where they never differed."""
    first: dict[str, Swap] = {}
    for swap in swaps:
        if swap.factor in causes and swap.status in ("fits", "undecided"):
            first.setdefault(swap.factor, swap)
    if len(first) < 2:
        return None
    a, b = (tables[swap.factor, swap.text] for swap in list(first.values())[:2])
    return judge.images_to_distinguish(a, b)
