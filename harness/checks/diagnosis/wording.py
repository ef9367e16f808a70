"""The words of a diagnosis. Pure functions."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

from harness.checks.accuracy.judge import count
from harness.checks.diagnosis.attribution import (
    DOCUMENT,
    Agreement,
    Attribution,
    Coincidence,
    Outcome,
    Swap,
    Target,
    images_seen,
)
from harness.checks.diagnosis.factors import Identified
from harness.checks.equivalence.paired_accuracy import rounded
from harness.core.causes import Diagnosed
from harness.core.evidence import ImagesEvaluated
from harness.core.findings import Finding
from harness.core.records import Metric, Run, Verdict
from harness.core.records import Outcome as CellOutcome

#: factors by which many networks do better than they were published with (Touvron et al., 2019, on resolutions)
_OFTEN_BETTER = ("input size", "short side")
_SHOWN = 5  #: swaps that a sentence lists
_NEXT = "run --checks numerics to find out whether the networks compute the same function"


def against_document(
    run: Run,
    target: Target,
    off: Sequence[Metric],
    outcome: Outcome,
    factors: Sequence[str],
    swaps: Sequence[Swap],
    needed: int | None,
    chance: Coincidence | None = None,
) -> str:
    """`needed`: images that would distinguish the factors that are left, where that is known."""
    missed = " and ".join(_missed(run, target, metric) for metric in off)
    seen = images_seen(swaps)
    tried = [swap for swap in swaps if swap.status != "not tried"]
    if outcome in ("named", "consistent"):
        best = _best(swaps, factors[0])
        refuted = sum(swap.status == "refuted" for swap in swaps)
        rest = f"{refuted} other swap{' is' if refuted == 1 else 's are'} refuted"
        several = [swap for swap in swaps if swap.factor == factors[0] and swap.status == "fits" and swap is not best]
        also = f" ({'; '.join(swap.text for swap in several)} would too)" if several else ""
        said = "The cause is" if outcome == "named" else "It is consistent with"
        return (
            f"{missed}. {said} the {factors[0]}: with {best.text}{also}, {_totals(best, target)}; "
            f"{_flips(best)}; {rest}{_by_coincidence(chance, outcome)}"
        )
    if outcome == "ambiguous":
        fitting = "; ".join(f"{factor} ({_best(swaps, factor).text})" for factor in factors)
        more = f"; about {rounded(needed):,} images could" if needed else ""
        return f"{missed}. The cause is one of several that {seen:,} images cannot distinguish: {fitting}{more}"
    if outcome == "cannot_tell":
        fitting = "; ".join(f"{factor} ({_best(swaps, factor).text})" for factor in factors)
        enough = [swap.needed for swap in swaps if swap.status == "undecided" and swap.needed]
        more = f"about {rounded(min(enough)):,} images could" if enough else "no effect of any of them was seen"
        more += ", more than there are" if enough and min(enough) > target.population else ""
        return (
            f"{missed}. On {seen:,} images no swap that would give the documented figures can be distinguished from "
            f"chance: {fitting}; {more}"
        )
    return f"{missed}. None of {len(tried)} swaps, one factor at a time, gives the documented figures: unexplained"


def _by_coincidence(chance: Coincidence | None, outcome: Outcome) -> str:
    if chance is None:
        return ""
    text = (
        f"; a figure so far off for another reason would be fitted by {chance.fitting:.2g} swaps of the list on "
        f"average, and by one at least with a chance of {100 * chance.chance:.2g} %"
    )
    return text + (", so that this may be a coincidence" if outcome == "consistent" else "")


def holding(run: Run, target: Target, swaps: Sequence[Swap]) -> str:
    """What the counts of a run that holds leave open."""
    held = " and ".join(f"{metric} ({count(run, metric):,} of {run.images:,} images)" for metric in target.allowed)
    start = f"the documented {held} hold{'s' if len(target.allowed) == 1 else ''}"
    same = [swap for swap in swaps if swap.status == "undecided"]
    tried = sum(swap.status != "not tried" for swap in swaps)
    if not same:
        return f"{start}; with each of {tried} swaps, one factor at a time, not all of it would"
    shown = "; ".join(f"{swap.factor} ({swap.text}; {_could_tell(swap)})" for swap in same[:_SHOWN])
    more = f"; and {len(same) - _SHOWN} more" if len(same) > _SHOWN else ""
    return (
        f"{start}. On {images_seen(swaps):,} images, the counts could not detect {len(same)} of {tried} swaps: "
        f"{shown}{more}"
    )


def _could_tell(swap: Swap) -> str:
    return f"about {rounded(swap.needed):,} images would decide" if swap.needed else "no effect was seen"


def without_document(run: Run, outcome: Outcome, factors: Sequence[str], swaps: Sequence[Swap]) -> str:
    seen = images_seen(swaps)
    tried = sum(swap.status != "not tried" for swap in swaps)
    start = f"no documented figure is about these images; {count(run, 'top1'):,} of {run.images:,} are right by top1"
    if outcome == "nothing_to_explain":
        return f"{start}. None of {tried} swaps, one factor at a time, has more of {seen:,} images right beyond chance"
    best = _best(swaps, factors[0])
    if outcome == "named":
        often = ", though many networks do better at another size" if factors[0] in _OFTEN_BETTER else ""
        better = f"One factor is better with another value: the {factors[0]}, with {best.text}; {_flips(best)}"
        return f"{start}. {better}. Suspect it{often}"
    fitting = "; ".join(f"{factor} ({_best(swaps, factor).text}: {_flips(_best(swaps, factor))})" for factor in factors)
    return (
        f"{start}. Several factors are better with another value, and {seen:,} images cannot show which most: {fitting}"
    )


def against_source(
    other: str,
    outcome: Outcome,
    factors: Sequence[str],
    own: Agreement,
    swaps: Sequence[Agreement],
    unknown: Sequence[str],
    same_function: bool | None,
) -> str:
    """`unknown`: steps of either source that are not known; `same_function`: what the numerics say, where asked."""
    apart = (
        f"{own.images - own.same_class} of {own.images} images, those on which the two differ most among them, have "
        f"another best class than in {other} (logits differ by {_relative(own)})"
    )
    if outcome in ("named", "ambiguous"):
        fitting = [swap for swap in swaps if swap.status == "fits" and swap.factor in factors]
        causes = " or ".join(f"the {swap.factor} ({swap.text})" for swap in fitting)
        alone = "alone makes them equal up to rounding" if outcome == "named" else "each alone makes them equal"
        return f"{apart}. The cause is {causes}, which {alone} (logits differ by {_relative(fitting[0])})"
    steps = f"; how the {' and '.join(unknown)} step is done is not known" if unknown else ""
    if outcome == "together":
        last = next(swap for swap in swaps if swap.status == "fits")
        named = ", ".join(factors) or last.factor
        return (
            f"{apart}. No single factor is the cause: {named} together, taken over from {other}, make them equal up to "
            f"rounding (logits differ by {_relative(last)}){steps}"
        )
    left = {
        None: f"weights or network differ; {_NEXT}",
        True: "the numerics check found that the networks run the same function",
        False: "the numerics check found that the networks run different functions",
    }[same_function]
    tried = [swap for swap in swaps if swap.status != "not tried"]
    if not tried:
        return f"{apart}. Unexplained: no swap towards {other} could be tried{steps}; {left}"
    nearest = min(tried, key=lambda swap: swap.relative if swap.relative is not None else math.inf)
    return (
        f"{apart}. Unexplained: of {len(tried)} swaps towards {other} none makes them equal; the nearest is the "
        f"{nearest.factor} ({nearest.text}; logits differ by {_relative(nearest)}){steps}; {left}"
    )


def _missed(run: Run, target: Target, metric: Metric) -> str:
    low, high = target.allowed[metric]
    documented = round((low + high) / 2)
    counted = count(run, metric)
    if target.own is None:
        expected = documented * run.images / target.population
        return f"{metric} is {counted:,} of {run.images:,} images, where the document implies {expected:,.0f}"
    off = f"{counted - documented:+,}"
    return f"{metric} is {counted:,} of {target.population:,} images, documented {documented:,} ({off})"


def _best(swaps: Sequence[Swap], factor: str) -> Swap:
    """The most significant swap of the factor."""
    return min(
        (swap for swap in swaps if swap.factor == factor and swap.status in ("fits", "undecided")),
        key=lambda swap: (swap.status != "fits", swap.p or 0.0, -swap.gained + swap.lost),
    )


def _totals(swap: Swap, target: Target) -> str:
    totals = {"top1": swap.top1, "top5": swap.top5}
    said = [f"{metric} is {_range(total)}" for metric, total in totals.items() if total]
    return f"{' and '.join(said)} of {target.population:,} images"


def _range(total: tuple[int, int]) -> str:
    return f"{total[0]:,}" if total[0] == total[1] else f"{total[0]:,} to {total[1]:,}"


def _flips(swap: Swap) -> str:
    p = "" if swap.p is None else f" (exact McNemar p = {swap.p:.1g} after Holm)"
    return f"of {swap.images:,} images {swap.gained:,} are right with it alone and {swap.lost:,} without it alone{p}"


def _relative(agreement: Agreement) -> str:
    return "all" if agreement.relative is None else f"{agreement.relative:.1e}"


# -- in cells and findings ------------------------------------------------------------------------


def with_causes(verdicts: Sequence[Verdict], attributions: Iterable[Attribution]) -> list[Verdict]:
    """Contradicted accuracies with what swapping one factor at a time says of them."""
    by_run: dict[tuple[str, str, int | None], Attribution] = {
        (one.source, one.model, one.input_size): one for one in attributions if one.against == DOCUMENT
    }
    given = []
    for verdict in verdicts:
        row = verdict.claim.row
        size = row.input_size
        if size is None and isinstance(verdict.basis, ImagesEvaluated):
            size = verdict.basis.input_size
        found = by_run.get((str(verdict.source), row.model, size))
        if found and verdict.claim.metric in ("top1", "top5") and verdict.outcome is CellOutcome.CONTRADICTED:
            diagnosed = Diagnosed(found.outcome, tuple(found.factors), found.text)
            verdict = dataclasses.replace(verdict, causes=(*verdict.causes, diagnosed))
        given.append(verdict)
    return given


def attribution_findings(attributions: Iterable[Attribution]) -> list[Finding]:
    """One per question that was asked; a warning where something was found to differ."""
    return [
        Finding(
            "attribution",
            one.source,
            one.model,
            f"{one.source} {one.model} at {one.input_size} pixels: {one.text}.",
            dataclasses.asdict(one),
            severity="note" if one.outcome == "nothing_to_explain" else "warning",
        )
        for one in attributions
    ]


def misdescribed(source: str, model: str, known: Identified) -> list[Finding]:
    """Where a source differs from its own description."""
    said, does = known.said, known.recipe
    resize, crop, normalise = (does[step] or {} for step in ("resize", "crop", "normalise"))
    wrong = [
        f"a {name} of {given} pixels, but {done} come out"
        for name, given, done in (
            ("short side", said.short_side, resize.get("short_side")),
            ("crop", said.crop, crop.get("size")),
        )
        if done is not None and given != done
    ]
    resampling = said.resize.lower()
    named = {library for library, mark in (("PIL", "pil"), ("OpenCV", "cv")) if mark in resampling}
    if resize and (resize["filter"] not in resampling or (named and resize["library"] not in named)):
        wrong.append(f"the resize {said.resize!r}, but its pixels are those of {resize['library']} {resize['filter']}")
    if resize.get("aspect_ratio") == "square":
        wrong.append("a short side, but both sides become that")
    if "BGR" in (normalise.get("channels"), (does["decode"] or {}).get("channels")):
        wrong.append("RGB, but the channels are turned to BGR")
    if normalise and normalise["scale"] != 255.0:
        wrong.append("pixels scaled to 0..1, but they are not divided by 255")
    for name in ("mean", "std"):
        if normalise and any(abs(a - b) > 5e-4 for a, b in zip(getattr(said, name), normalise[name], strict=True)):
            done = ", ".join(f"{value:.4g}" for value in normalise[name])
            wrong.append(f"a {name} of {tuple(getattr(said, name))}, but it is ({done})")
    if not wrong:
        return []
    text = f"{source} does not prepare images for {model} as it says: it says {'; it says '.join(wrong)}."
    evidence = {"said": dataclasses.asdict(said), "does": dict(does)}
    return [Finding("preprocessing_description", source, model, text, evidence)]
