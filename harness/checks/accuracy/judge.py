"""Pure functions: an accuracy claim and the evaluations of its row -> a verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from harness.checks.accuracy import confidence
from harness.core.causes import Stated
from harness.core.evidence import ImagesEvaluated, PartEvaluated
from harness.core.records import Claim, Outcome, Run, Source, Verdict

#: Images by which re-running one model in one framework may differ: 0.008 points, the 95th percentile of reported
#: repetitions across hardware and library versions; on other numbers of images in proportion.
NOISE_IMAGES = 4
NOISE_OF = 50_000


def plain_run(size: int | None, runs: Sequence[Run]) -> Run:
    """The run at the size (pixels) of an accuracy; the first one where there is none, or no size is given."""
    return next((run for run in runs if size in (None, run.input_size)), runs[0])


def allowed_counts(claim: Claim, images: int) -> tuple[float, float]:
    """Least and greatest number of right images out of `images` that agrees with a documented percentage."""
    # exact: a count at the edge is decided by the printed digits, not by how a float rounds
    value, step = (Fraction(number).limit_denominator(10**9) for number in (claim.value, claim.step))
    documented = value / 100 * images
    allowed = step / 200 * images + Fraction(NOISE_IMAGES * images, NOISE_OF)
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

    decision: Literal["holds", "refuted"] | None
    text: str
    documented: float  #: right images that the documented percentage stands for
    margin: float  #: right images by which the count may differ
    part: PartEvaluated | None = None  #: where not all images were run
    off: float | None = None  #: right images more than documented, where all were run


def _standing(claim: Claim, run: Run, population: int) -> _Standing:
    allowed = allowed_counts(claim, population)
    documented, margin = sum(allowed) / 2, (allowed[1] - allowed[0]) / 2
    right = count(run, claim.metric)
    if run.images < population:
        part = confidence.judge(allowed, population, run.images, right)
        seen = PartEvaluated(population, part.possible, part.alpha)
        return _Standing(part.decision, confidence.sentence(part), documented, margin, seen)
    off = right - documented
    text = (
        f"off by {abs(off):.0f} of {run.images:,} images; allowed {margin:.0f} "
        f"(half the last digit and a noise floor of {NOISE_IMAGES} in {NOISE_OF:,})"
    )
    return _Standing("holds" if abs(off) <= margin else "refuted", text, documented, margin, off=off)


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
        return unjudged(f"the data is not ImageNet val ({identity})")
    if run.decode_errors:
        images = "1 image" if len(run.decode_errors) == 1 else f"{len(run.decode_errors)} images"
        return unjudged(f"{images} could not be decoded, so the accuracy does not cover the whole data set")
    if run.label_note:
        return unjudged(run.label_note)
    plain = _standing(claim, run, population)
    basis = dataclasses.replace(
        basis,
        documented_count=plain.documented,
        allowed_images=plain.margin,
        part=plain.part,
        off_by_images=plain.off,
    )
    at = f"at {run.input_size} pixels"
    if at_size and plain.decision == "holds":
        return verdict(Outcome.REPRODUCED, at, plain.text)
    if at_size and plain.decision is None:
        return unjudged(plain.text)
    open_still = ""
    for other in runs:
        if (other is run and at_size) or other.decode_errors:
            continue
        found = _standing(claim, other, population)
        text = f"at {other.input_size} pixels, the source's own input size"
        if found.decision == "holds":
            partly = f" ({found.text})" if other.images < population else ""
            return verdict(Outcome.EXPLAINED, text, f"{plain.text}; reproduced {text}{partly}")
        open_still = open_still if found.decision else f"{plain.text}; {text}, {found.text}"
    if not at_size:
        whose = "the column's" if claim.counted_at else "the row's"
        return unjudged(f"it was measured at {run.input_size} pixels only, not at {whose} {size}")
    if open_still:
        return unjudged(open_still)
    return verdict(Outcome.CONTRADICTED, at, plain.text)
