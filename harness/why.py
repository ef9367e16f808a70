"""Why does an accuracy differ? Swaps one factor at a time on as few images as tell, and has the outcome judged.

A swap that is refuted on some images is not run on more; what is left goes on to all of them.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harness import attribution, explanations, factors, preparation
from harness.attribution import Agreement, Attribution, Swap, Target
from harness.environments import Installed
from harness.factors import Identified, Variant
from harness.images import ImageRef, ImageSet, shuffled
from harness.measure import Measurer
from harness.page import Page
from harness.records import Finding, Row, Run, Source
from harness.store import Predictions, key
from harness.transplant import transplant

#: images after each of which refuted swaps are left out
STAGES = (256, 1024, 4096, 16384)
#: images on which swaps are tried where nothing documented is about them
UNDOCUMENTED = 1024
#: images from which is told what a source does
PROBES = 64
#: images on which two sources are compared: those on which they differ most, and as many others
MOST_APART = 32


@dataclass(frozen=True)
class Explainer:
    """What every question needs."""

    installed: Mapping[Source, Installed]
    images: ImageSet
    page: Page
    measurer: Measurer

    # -- one run ---------------------------------------------------------------------------------

    def one(self, run: Run, row: Row, target: Target | None, checkpoints: Sequence[Path]) -> Attribution | None:
        """Why a run misses what is documented, or, without a target, what would do better. None where it does not miss.

        `checkpoints` are other files that hold weights of the model.
        """
        labels = {ref.name: ref.label for ref in self.images.images}
        base = Predictions(Path(run.predictions)).read()
        own = attribution.scored(base, labels)
        off = attribution.misses(target, own) if target else []
        if target and not off:
            return None
        known = self.known(run, shuffled(self.images.images)[:PROBES])
        if known is None:
            return None
        refs = [ref for ref in shuffled(self.images.images) if ref.name in own.index]
        stages = [stage for stage in STAGES if stage < len(refs)] if target else []
        stages.append(len(refs) if target else min(len(refs), UNDOCUMENTED))
        tables: dict[tuple[str, str], pd.DataFrame] = {}
        refused: dict[tuple[str, str], str] = {}
        swaps: dict[tuple[str, str], Swap] = {}
        left = self._variants(run, row, known, checkpoints)
        for stage in stages:
            name = f"{run.source} {run.documented_model}"
            self.measurer.progress.stage(f"why {name}: {len(left)} swaps on {stage:,} images")
            refused |= self._run(run, known, left, refs[:stage], labels, base, tables)
            tried = {name: table for name, table in tables.items() if name[0] != factors.CONTROL}
            judged = (
                attribution.judge(target, own, tried, len(stages)) if target else attribution.improvements(own, tried)
            )
            # what is refuted was not run on more images, and stays so
            gone = {name for name, swap in swaps.items() if swap.status == "refuted"}
            swaps |= {(swap.factor, swap.text): swap for swap in judged if (swap.factor, swap.text) not in gone}
            left = [variant for variant in left if (variant.factor, variant.text) in swaps]
            left = [variant for variant in left if swaps[variant.factor, variant.text].status != "refuted"]
            if not left:
                break
        found = list(swaps.values())
        outcome, causes = attribution.conclude(found)
        if target is None:
            outcome, causes = _improved(found, tables)
        apart = _apart(found, causes, tables) if outcome == "ambiguous" else None
        text = (
            explanations.against_document(run, target, off, outcome, causes, found, apart)
            if target
            else explanations.without_document(run, outcome, causes, found)
        )
        controls = {name: table for name, table in tables.items() if name[0] == factors.CONTROL}
        evidence = [
            dataclasses.replace(one, status="control", p=None) for one in attribution.improvements(own, controls)
        ]
        evidence += found
        evidence += [Swap(*name, "not tried", why=why) for name, why in refused.items()]
        evidence += [Swap(factor, "", "not tried", why=why) for factor, why in factors.untried(known)]
        evidence += [
            Swap(step, "", "not tried", why=f"how the source does it is not known: {why}")
            for step, why in known.reasons.items()
        ]
        seen = max((swap.images for swap in found), default=0)
        against = attribution.DOCUMENT if target else attribution.NOTHING
        population = target.population if target else len(refs)
        return Attribution(
            str(run.source), run.documented_model, run.input_size, against, outcome, causes, text, seen, population,
            tuple(evidence),
        )  # fmt: skip

    def known(self, run: Run, refs: Sequence[ImageRef]) -> Identified | None:
        """How the run's source prepares these images; the failure is noted where it cannot be told."""
        return self.measurer.identify(self.installed[run.source], run, refs, self.images.digest)

    def _variants(self, run: Run, row: Row, known: Identified, checkpoints: Sequence[Path]) -> list[Variant]:
        control = factors.control(known)
        found = [control] if control else []
        found += factors.of_preprocessing(known, self.page.preprocessing, row.input_size)
        found += [
            Variant("weights file", path.name, {"checkpoint": str(path), "match": "name"})
            for path in checkpoints
            if str(path) != run.checkpoint.file
        ]
        return [*found, *factors.of_network(known), *factors.LABELS]

    def _run(
        self,
        run: Run,
        known: Identified,
        variants: Sequence[Variant],
        refs: Sequence[ImageRef],
        labels: Mapping[str, int],
        base: pd.DataFrame,
        tables: dict[tuple[str, str], pd.DataFrame],
    ) -> dict[tuple[str, str], str]:
        """Adds what each variant has right to `tables`; returns why some cannot be run."""
        names = {ref.name for ref in refs}
        measured = {key(dict(variant.task)): variant for variant in variants if variant.task}
        kept = {
            name: self.measurer.store.predictions(self._identity(run, known, variant))
            for name, variant in measured.items()
        }
        failed = self.measurer.vary(
            self.installed[run.source], run, known, {name: v.task for name, v in measured.items()}, refs, kept
        )
        for name, variant in measured.items():
            if name not in failed:
                table = kept[name].read()
                tables[variant.factor, variant.text] = attribution.scored(table[table["image"].isin(names)], labels)
        seen = base[base["image"].isin(names)]
        for variant in variants:
            if variant.label:
                read = attribution.other_labels(variant.label, {name: labels[name] for name in names}, seen)
                tables[variant.factor, variant.text] = attribution.scored(seen, read)
        return {(measured[name].factor, measured[name].text): why for name, why in failed.items()}

    def _identity(self, run: Run, known: Identified, variant: Variant) -> dict[str, Any]:
        return self.measurer.identity(
            self.installed[run.source],
            "variant",
            model=run.model,
            checkpoint=run.checkpoint.sha256,
            match=run.checkpoint.match,
            input_size=run.input_size,
            device=self.measurer.device,
            data=self.images.digest,
            recipe=dict(known.recipe),
            variant=dict(variant.task),
        )

    def described(self, run: Run) -> list[Finding]:
        """Where the run's source does otherwise than it says of itself."""
        known = self.known(run, shuffled(self.images.images)[:PROBES])
        return factors.misdescribed(str(run.source), run.documented_model, known) if known else []

    # -- two runs --------------------------------------------------------------------------------

    def two(self, run: Run, other: Run, same_function: bool | None) -> Attribution | None:
        """Why the logits of two sources differ on the same images; None where they do not."""
        mine, theirs = (Predictions(Path(one.predictions)).read() for one in (run, other))
        if attribution.agreement("", "", mine, theirs).status == "fits":
            return None
        refs = _most_apart(mine, theirs, self.images)
        mine_known, theirs_known = (self.known(one, refs) for one in (run, other))
        if mine_known is None or theirs_known is None:
            return None
        names = [ref.name for ref in refs]
        mine, theirs = (table[table["image"].isin(names)] for table in (mine, theirs))
        own = attribution.agreement("", "", mine, theirs)
        self.measurer.progress.stage(f"why {run.source} and {other.source} differ, {run.documented_model}")
        scratch = Path(tempfile.mkdtemp(prefix="why-", dir=self.measurer.store.root))
        try:
            wanted = [(other.source, other.documented_model, other.input_size)]
            prepared, _ = preparation.prepare(wanted, refs, self.installed, self.measurer, scratch / "inputs")
            files = next(iter(prepared.values()), {})
            refs = [ref for ref in refs if ref.name in files]
            moved = transplant(run, other, self.installed, self.measurer, scratch / "weights")
            single = factors.between(mine_known, theirs_known)
            taken: dict[str, Any] = {"inputs": {name: str(path) for name, path in files.items()}}
            levels = [[Variant(attribution.PREPROCESSING, f"as {other.source} prepares images", taken)]]
            if moved.differing:
                taken = {**taken, "state": str(moved.state)}
                text = (
                    f"those of {other.source}: {moved.differing} of {moved.tensors} tensors differ, first {moved.first}"
                )
                levels.append([Variant("weights", text, taken)])
            levels.append(factors.of_other_network(mine_known, theirs_known, taken))
            variants = [*single, *(variant for level in levels for variant in level)]
            found = self._agreements(run, mine_known, variants, refs, theirs, scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        rest = iter(found[len(single) :])
        chain = [[next(rest) for _ in level] for level in levels]
        outcome, causes = attribution.conclude_pair(own, found[: len(single)], chain)
        unknown = list(dict.fromkeys((*mine_known.reasons, *theirs_known.reasons)))
        text = explanations.against_source(str(other.source), outcome, causes, own, found, unknown, same_function)
        evidence = [dataclasses.replace(own, factor=factors.CONTROL, text="nothing swapped", status="control"), *found]
        if moved.why:
            evidence.append(Agreement("weights", f"those of {other.source}", "not tried", why=moved.why))
        return Attribution(
            str(run.source), run.documented_model, run.input_size, str(other.source), outcome, causes, text,
            own.images, len(self.images.images), tuple(evidence),
        )  # fmt: skip

    def _agreements(
        self,
        run: Run,
        known: Identified,
        variants: Sequence[Variant],
        refs: Sequence[ImageRef],
        theirs: pd.DataFrame,
        scratch: Path,
    ) -> list[Agreement]:
        """How near each variant brings the run to the other's predictions."""
        tasks = {str(position): variant.task for position, variant in enumerate(variants)}
        kept = {name: Predictions(scratch / name) for name in tasks}
        for predictions in kept.values():
            predictions.folder.mkdir(parents=True)
        failed = self.measurer.vary(self.installed[run.source], run, known, tasks, refs, kept)
        return [
            Agreement(variant.factor, variant.text, "not tried", why=failed[name])
            if name in failed
            else attribution.agreement(variant.factor, variant.text, kept[name].read(), theirs)
            for name, variant in zip(tasks, variants, strict=True)
        ]


def _most_apart(mine: pd.DataFrame, theirs: pd.DataFrame, images: ImageSet) -> list[ImageRef]:
    """The images on which two runs differ most, and some others."""
    both = mine[mine["error"].isna()].merge(theirs[theirs["error"].isna()], on="image", suffixes=("_a", "_b"))
    differences: dict[str, float] = {}
    for name, *columns in zip(
        both["image"], both["classes_a"], both["logits_a"], both["classes_b"], both["logits_b"], strict=True
    ):
        one, two = dict(zip(*columns[:2], strict=True)), dict(zip(*columns[2:], strict=True))
        # a class that one alone lists is below the other's last
        differences[name] = max(
            abs(one.get(label, min(one.values())) - two.get(label, min(two.values()))) for label in one | two
        )
    ranked = sorted(differences, key=lambda name: -differences[name])[:MOST_APART]
    others = [ref.name for ref in shuffled(images.images) if ref.name in differences and ref.name not in ranked]
    wanted = {*ranked, *others[:MOST_APART]}
    return [ref for ref in images.images if ref.name in wanted]


def _improved(
    swaps: Sequence[Swap], tables: Mapping[tuple[str, str], pd.DataFrame]
) -> tuple[attribution.Outcome, tuple[str, ...]]:
    """The factors that do better than the source's own and, as far as the images tell, none better than they."""
    better = sorted((swap for swap in swaps if swap.status == "fits"), key=lambda swap: swap.lost - swap.gained)
    if not better:
        return "nothing_to_explain", ()
    best = tables[better[0].factor, better[0].text]
    left = [swap for swap in better if attribution.as_good_as(best, tables[swap.factor, swap.text])]
    causes = tuple(dict.fromkeys(swap.factor for swap in left))
    return ("named" if len(causes) == 1 else "ambiguous"), causes


def _apart(swaps: Sequence[Swap], causes: Sequence[str], tables: Mapping[tuple[str, str], pd.DataFrame]) -> int | None:
    """About how many images could tell the two likeliest factors from each other; None where they never differed."""
    first: dict[str, Swap] = {}
    for swap in swaps:
        if swap.factor in causes and swap.status in ("fits", "undecided"):
            first.setdefault(swap.factor, swap)
    if len(first) < 2:
        return None
    one, two = (tables[swap.factor, swap.text] for swap in list(first.values())[:2])
    return attribution.images_to_tell(one, two)
