"""Measured accuracies: next to the documented ones, and over the images seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from harness.checks import repetitions
from harness.checks.accuracy.judge import accuracy, allowed_counts, count
from harness.checks.results import Results
from harness.checks.statistics import Counts, Percents, intervals95
from harness.core.records import Claim, Metric, Run
from harness.dataset.image_set import ImageSet, shuffled
from harness.dataset.remote import parse_location
from harness.execution.predictions import Predictions
from harness.report.plots.drawing import (
    DOCUMENTED,
    MEASURED,
    PANELS,
    Plot,
    network_label,
    panels,
    plot,
    stand_in_note,
)

#: points of a curve
_POINTS = 200


def _claims_of(results: Results, run: Run, metric: Metric) -> list[Claim]:
    """The documented accuracies of a network, each figure once; none where it was run on other images."""
    images = results.images
    claims = {
        verdict.claim.value: verdict.claim
        for verdict in results.verdicts
        if verdict.claim.metric == metric
        and (verdict.source, verdict.claim.row.model) == (run.source, run.documented_model)
        and verdict.claim.row.input_size in (None, run.input_size)
        and images is not None
        and (images.drawn_from or results.plan.page(verdict.claim.row).is_about(images))
    }
    return list(claims.values())


def _each_once(runs: Sequence[Run]) -> list[Run]:
    """Two rows of one network share its run."""
    return list({run.predictions: run for run in runs if run.images}.values())


def accuracies(results: Results) -> Plot | None:
    """Measured minus documented, with the 95 % interval and the difference that is allowed."""
    metrics: tuple[Metric, ...] = ("top1", "top5")
    lines = [(run, claim) for run in _each_once(results.runs) for m in metrics for claim in _claims_of(results, run, m)]
    if not lines:
        return None
    figure = Figure(figsize=(8, 1 + 0.32 * len(lines)), layout="constrained")
    axes = figure.subplots()
    for position, (run, claim) in enumerate(lines):
        measured = accuracy(run, claim.metric) or 0.0
        low, high = interval(np.array([count(run, claim.metric)]), np.array([run.images]), results.images)
        least, most = _allowed(claim)
        first = position == 0
        axes.plot(
            [least - claim.value, most - claim.value], [position] * 2, color=DOCUMENTED, linewidth=8, alpha=0.5,
            solid_capstyle="butt", label="allowed difference" if first else None,
        )  # fmt: skip
        axes.errorbar(
            measured - claim.value, position, xerr=[abs(measured - low), abs(high - measured)], fmt="o",
            color=MEASURED, capsize=3, label="measured, 95 % interval" if first else None,
        )  # fmt: skip
    axes.axvline(0, color=DOCUMENTED, linestyle="--", label="documented")
    axes.set_yticks(range(len(lines)), [f"{network_label(run)}: {claim.metric} {claim.text}" for run, claim in lines])
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xlabel("measured minus documented, percentage points")
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.25 / figure.get_figheight() * 2), ncols=3)
    caption = (
        "Measured minus documented accuracies, with their 95 % intervals (of all images, where only some were seen); "
        "the band is the difference that is allowed between repetitions."
    )
    return plot(
        "accuracies", "Measured and documented accuracies", caption + stand_in_note([run for run, _ in lines]), figure
    )


def interval(right: Counts, seen: Counts, images: ImageSet | None) -> tuple[Percents, Percents]:
    """95 % interval of the accuracy over all images, in percent.

    Wilson's score interval, narrowed by the finite population correction where the images are a part of ImageNet val,
    so that it has no width once all were seen (W. G. Cochran, Sampling Techniques, 3rd ed. 1977, 2.6).
    """
    low, high = intervals95(right, seen)
    whole = (images.drawn_from or len(images.images) * images.is_imagenet_val) if images else 0
    open_ = np.sqrt((whole - seen) / (whole - 1)) if whole else 1.0
    share = 100 * right / seen
    return share - (share - low) * open_, share + (high - share) * open_


def _allowed(claim: Claim) -> tuple[float, float]:
    """Percentages that agree with a documented one on ImageNet val."""
    least, most = allowed_counts(claim, repetitions.IMAGES)
    return 100 * least / repetitions.IMAGES, 100 * most / repetitions.IMAGES


def images_seen(results: Results) -> Plot | None:
    """Top-1 over the images seen."""
    if results.images is None:
        return None
    labels = {ref.name: ref.label for ref in results.images.images}
    order = [ref.name for ref in shuffled(results.images.images)]
    curves = []
    for run in _each_once(results.runs)[:PANELS]:
        table = Predictions(parse_location(run.predictions)).read()
        best = {
            name: classes[0] for name, classes in zip(table["image"], table["classes"], strict=True) if len(classes)
        }
        right = np.array([best[name] == labels[name] for name in order if name in best])
        if len(right) > 1:
            curves.append((run, right.cumsum()))
    if not curves:
        return None
    figure, axes_of = panels(len(curves), 2.4)
    for axes, (run, counts) in zip(axes_of, curves, strict=True):
        seen = np.unique(np.linspace(1, len(counts), _POINTS).round().astype(int))
        low, high = interval(counts[seen - 1], seen, results.images)
        axes.fill_between(seen, low, high, color=MEASURED, alpha=0.25, linewidth=0)
        axes.plot(seen, 100 * counts[seen - 1] / seen, color=MEASURED)
        later = seen >= len(counts) / 20  # the intervals of the first images are so wide that the rest would be flat
        shown = [*low[later], *high[later]]
        for claim in _claims_of(results, run, "top1"):
            axes.axhline(claim.value, color=DOCUMENTED, linestyle="--")
            axes.axhspan(*_allowed(claim), color=DOCUMENTED, alpha=0.3, linewidth=0)
            shown.append(claim.value)
        axes.set_ylim(max(0.0, min(shown) - 1), min(100.0, max(shown) + 1))
        axes.set(title=network_label(run), xlabel="images seen", ylabel="top1, %")
    caption = (
        "Top-1 accuracy over the images seen, in shuffled order, with its 95 % interval; the dashed line is the "
        "documented accuracy, the band around it the difference that is allowed between repetitions."
    )
    shown = [run for run, _ in curves]
    return plot("images-seen", "Accuracy over the images seen", caption + stand_in_note(shown), figure)
