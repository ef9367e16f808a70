"""Pure functions: an accuracy claim and the evaluations of its row -> a verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from harness.checks import repetitions
from harness.checks.accuracy import confidence
from harness.checks.statistics import interval95
from harness.core.causes import Stated
from harness.core.evidence import ImagesEvaluated, PartEvaluated
from harness.core.records import Claim, Outcome, Run, Source, Verdict
from harness.core.text import plural

#: what an agreement with a repetition of this kind comes to
_AGREES: Mapping[str | None, Outcome] = {"same": Outcome.REPRODUCED, "other": Outcome.WITHIN_REPETITIONS}


def plain_run(size: int | None, runs: Sequence[Run]) -> Run:
    """The run at the size (pixels) of an accuracy; the first one where there is none, or no size is given."""
    return next((run for run in runs if size in (None, run.input_size)), runs[0])


def allowed_counts(claim: Claim, images: int, kind: repetitions.Kind = "other") -> tuple[float, float]:
    """Least and greatest number of right images out of `images` that agrees with a documented percentage.

    Half its last digit, and as much more as repetitions of this kind differ by.
    """
    # exact: a count at the edge is decided by the printed digits, not by how a float rounds
    value, step = (Fraction(number).limit_denominator(10**9) for number in (claim.value, claim.step))
    documented = value / 100 * images
    repeated = repetitions.scaled(repetitions.limit(kind, claim.metric), images)
    allowed = step / 200 * images + Fraction(repeated).limit_denominator(10**9)
    return float(documented - allowed), float(documented + allowed)


def count(run: Run, metric: str) -> int:
    return run.top1_count if metric == "top1" else run.top5_count


def accuracy(run: Run, metric: str) -> float | None:
    """Percent of the scored images; None where there are none."""
    return 100 * count(run, metric) / run.images if run.images else None


def decided(claim: Claim, population: int, images: int, right: int) -> bool:
    """Whether the first `images` of `population`, in shuffled order, show that the claim holds or fails."""
    if not images:
        return False
    return confidence.judge(allowed_counts(claim, population), population, images, right).decision is not None


@dataclass(frozen=True)
class _Standing:
    """How a run compares with a claim."""

    decision: repetitions.Kind | Literal["refuted"] | None  #: what a repetition that it agrees with has in common
    text: str
    documented: float  #: right images that the documented percentage stands for
    margin: float  #: right images by which the count may differ
    part: PartEvaluated | None = None  #: where not all images were run
    off: float | None = None  #: right images more than documented, where all were run
    as_great: float | None = None  #: share of repetitions that differ by as much or more, where all were run


def _decision(claim: Claim, population: int, counts: tuple[int, int]) -> repetitions.Kind | Literal["refuted"] | None:
    """What follows where the count of right images is one of those from the first to the second."""
    if confidence.decision(counts, allowed_counts(claim, population, "same")) == "holds":
        return "same"
    decision = confidence.decision(counts, allowed_counts(claim, population))
    return "other" if decision == "holds" else decision


def _standing(claim: Claim, run: Run, population: int) -> _Standing:
    """An image that could not be decoded may be right or wrong, and decides nothing."""
    allowed = allowed_counts(claim, population)
    documented, margin = sum(allowed) / 2, (allowed[1] - allowed[0]) / 2
    right, unknown = count(run, claim.metric), len(run.decode_errors)
    lost = f"; {plural(unknown, 'image')} could not be decoded, which is taken into account" if unknown else ""
    if run.images + unknown < population:
        least, most = (
            confidence.judge(allowed, population, run.images + unknown, right + more) for more in (0, unknown)
        )
        possible = least.possible[0], most.possible[1]
        decision = _decision(claim, population, possible)
        seen = PartEvaluated(population, possible, least.alpha)
        return _Standing(decision, confidence.sentence(least) + lost, documented, margin, seen)
    decision = _decision(claim, population, (right, right + unknown))
    if decision is None:
        text = (
            f"{right:,} of {run.images:,} images are right, {documented:,.0f} are documented, and "
            f"{plural(unknown, 'image')} that could not be decoded may decide"
        )
        return _Standing(None, text, documented, margin)
    off = right - documented
    if unknown and abs(off + unknown) < abs(off):
        off = min(0.0, off + unknown)
    text, as_great = _of_repetitions(claim, population, off, decision)
    return _Standing(decision, text + lost, documented, margin, off=off, as_great=as_great)


def _of_repetitions(claim: Claim, population: int, off: float, decision: str) -> tuple[str, float]:
    """What repetitions say of a count that is so many images off, and the share of them that differ by as much."""
    half = claim.step / 200 * population
    as_great, pairs = repetitions.as_great(claim.metric, max(0.0, abs(off) - half) / repetitions.scaled(1, population))
    text = f"off by {abs(off):.0f} of {plural(population, 'image')}"
    if decision == "same":
        return f"{text}, as another evaluation with the same libraries may be", as_great
    record = f"of {pairs:,} pairs of evaluations with different libraries on record"
    if decision == "other":
        return f"{text}; {record} {100 * as_great:.2g} % differ by as much or more", as_great
    greatest = repetitions.scaled(repetitions.limit("other", claim.metric), population)
    return f"{text}; {record} none differs by more than {greatest:.0f}, and half the last digit is {half:.2g}", as_great


def _of_other_images(run: Run, claim: Claim, identity: str) -> str:
    right = count(run, claim.metric)
    low, high = interval95(right, run.images)
    return (
        f"{right:,} of {plural(run.images, 'image')} are right, {100 * right / run.images:.2f} % (95 %: {low:.2f} to "
        f"{high:.2f}), which is no figure of the document's, since the data is not ImageNet val ({identity})"
    )


def judge_accuracy(claim: Claim, source: Source, runs: Sequence[Run], population: int | None, identity: str) -> Verdict:
    """The verdict on a top1 or top5 claim from the runs of its row; plain is the size that its cell or
    column says, else the row's input size.

    `population` is how many images the document is about, all of which or the first of which in shuffled order were
    run; None where it is about other images, which `identity` describes.
    """
    size = claim.counted_at or claim.row.input_size
    run = plain_run(size, runs)
    at_size = size in (None, run.input_size)
    measured = accuracy(run, claim.metric) if at_size else None
    basis = ImagesEvaluated(run.images, count(run, claim.metric), run.input_size, run.checkpoint.sha256)

    def verdict(outcome: Outcome, convention: str | None, cause: str) -> Verdict:
        return Verdict(claim, source, outcome, measured, convention, (Stated(cause),), basis)

    def unjudged(reason: str) -> Verdict:
        return dataclasses.replace(verdict(Outcome.NOT_MEASURED, None, reason), measured=None)

    if run.checkpoint.stand_in:
        return unjudged("stand-in weights, which say nothing about the documented accuracy")
    if population is None:
        if measured is None:
            return unjudged(f"the data is not ImageNet val ({identity})")
        return verdict(Outcome.NOT_COMPARABLE, f"at {run.input_size} pixels", _of_other_images(run, claim, identity))
    if run.label_note:
        return unjudged(run.label_note)
    plain = _standing(claim, run, population)
    basis = dataclasses.replace(
        basis,
        documented_count=plain.documented,
        allowed_images=plain.margin,
        part=plain.part,
        off_by_images=plain.off,
        as_great=plain.as_great,
    )
    at = f"at {run.input_size} pixels"
    if at_size and plain.decision in _AGREES:
        return verdict(_AGREES[plain.decision], at, plain.text)
    if at_size and plain.decision is None:
        return unjudged(plain.text)
    open_still = ""
    for other in runs:
        if other is run and at_size:
            continue
        found = _standing(claim, other, population)
        text = f"at {other.input_size} pixels, the source's own input size"
        if found.decision in _AGREES:
            partly = f" ({found.text})" if other.images < population else ""
            return verdict(Outcome.EXPLAINED, text, f"{plain.text}; reproduced {text}{partly}")
        open_still = open_still if found.decision else f"{plain.text}; {text}, {found.text}"
    if not at_size:
        whose = "the column's" if claim.counted_at else "the row's"
        return unjudged(f"it was measured at {run.input_size} pixels only, not at {whose} {size}")
    if open_still:
        return unjudged(open_still)
    return verdict(Outcome.CONTRADICTED, at, plain.text)
