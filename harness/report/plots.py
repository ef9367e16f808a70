"""What is seen sooner than read, as SVG: for the page, and as files beside report.md."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter
from statsmodels.stats.proportion import proportion_confint

from harness.checks.accuracy.judge import NOISE_OF, accuracy, allowed_counts, count
from harness.checks.counts.matching import Measured
from harness.checks.equivalence.divergence import LAYER_ROUNDING
from harness.checks.results import Results
from harness.core.records import UNITS, Claim, Metric, Outcome, PairResult, Run
from harness.core.text import clean
from harness.dataset.image_set import ImageSet, shuffled
from harness.dataset.remote import parse_location
from harness.execution.predictions import Predictions

#: of the files, beside report.md
FOLDER = "plots"
#: grey that reads on white and on black
_INK = "#768390"
_MEASURED, _DOCUMENTED, _OTHER = "#3b82d6", "#e0702b", "#2f9e6e"
#: panels of one figure; a report of a whole zoo shows those that say most
_PANELS = 12
#: points of a curve
_POINTS = 200
Counts = npt.NDArray[np.int_]
Percents = npt.NDArray[np.float64]
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.titlesize": 10,
    "text.parse_math": False,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Plot:
    """A figure and what it shows in words."""

    name: str  #: of its file, without suffix
    title: str
    caption: str
    svg: str

    @property
    def inline(self) -> str:
        """The figure within a page, its text in the colour of the page."""
        svg = self.svg[self.svg.index("<svg") :].replace(_INK, "currentColor")
        return svg.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)


def plots(results: Results) -> list[Plot]:
    """The figures that there is something to show in."""
    makers = (_accuracies, _images_seen, _conventions, _layers, _margins)
    with mpl.rc_context(_STYLE):
        return [found for make in makers if (found := make(results)) is not None]


def _plot(name: str, title: str, caption: str, figure: Figure) -> Plot:
    buffer = io.StringIO()
    # the same report is the same file, and ids differ between figures
    with warnings.catch_warnings(), mpl.rc_context({"svg.hashsalt": name}):
        warnings.simplefilter("ignore")  # what matplotlib's font lacks, the reader's has
        figure.savefig(buffer, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
    svg = re.sub(r"(id=\"|url\(#|href=\"#)", rf"\1{name}-", buffer.getvalue())
    return Plot(name, title, caption, clean(svg))


def _panels(count: int, height: float, width: float = 5.2) -> tuple[Figure, list[Axes]]:
    columns = min(count, 2)
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for unused in axes[count:]:
        unused.set_axis_off()
    return figure, list(axes[:count])


def _format(axes: Axes, text: str) -> None:
    """The numbers of a logarithmic axis; matplotlib's own are formulas, on its smaller ticks too."""
    axes.yaxis.set_major_formatter(StrMethodFormatter(text))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _whose(run: Run) -> str:
    made_up = ", stand-in weights" if run.checkpoint.stand_in else ""
    return f"{run.documented_model}, {run.source}, {run.input_size} px{made_up}"


def _of_weights(runs: Sequence[Run]) -> str:
    """A warning for captions."""
    if not any(run.checkpoint.stand_in for run in runs):
        return ""
    return " Stand-in weights were made up to test the chain; what they reach says nothing of what is documented."


# -- accuracies ------------------------------------------------------------------------------------


def _claims_of(results: Results, run: Run, metric: Metric) -> list[Claim]:
    """What is documented of a network's accuracy, each figure once; nothing where it was run on other images."""
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


def _accuracies(results: Results) -> Plot | None:
    """Measured minus documented, with the interval that is left open and the noise that is allowed."""
    metrics: tuple[Metric, ...] = ("top1", "top5")
    lines = [(run, claim) for run in _each_once(results.runs) for m in metrics for claim in _claims_of(results, run, m)]
    if not lines:
        return None
    figure = Figure(figsize=(8, 1 + 0.32 * len(lines)), layout="constrained")
    axes = figure.subplots()
    for position, (run, claim) in enumerate(lines):
        measured = accuracy(run, claim.metric) or 0.0
        low, high = _interval(np.array([count(run, claim.metric)]), np.array([run.images]), results.images)
        least, most = _allowed(claim)
        first = position == 0
        axes.plot(
            [least - claim.value, most - claim.value], [position] * 2, color=_DOCUMENTED, linewidth=8, alpha=0.5,
            solid_capstyle="butt", label="allowed difference" if first else None,
        )  # fmt: skip
        axes.errorbar(
            measured - claim.value, position, xerr=[abs(measured - low), abs(high - measured)], fmt="o",
            color=_MEASURED, capsize=3, label="measured, 95 % interval" if first else None,
        )  # fmt: skip
    axes.axvline(0, color=_DOCUMENTED, linestyle="--", label="documented")
    axes.set_yticks(range(len(lines)), [f"{_whose(run)}: {claim.metric} {claim.text}" for run, claim in lines])
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xlabel("measured minus documented, percentage points")
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.25 / figure.get_figheight() * 2), ncols=3)
    caption = (
        "Measured accuracies less what is documented, with the 95 % interval that the images not seen leave open; the "
        "band is what a repetition may differ by."
    )
    return _plot("accuracies", "Measured against documented", caption + _of_weights([run for run, _ in lines]), figure)


def _interval(right: Counts, seen: Counts, images: ImageSet | None) -> tuple[Percents, Percents]:
    """95 % of what all images may come to, in percent.

    Wilson's score interval, narrowed by the finite population correction where they are a part of ImageNet val, so
    that nothing is left open once all were seen (W. G. Cochran, Sampling Techniques, 3rd ed. 1977, 2.6).
    """
    low, high = proportion_confint(right, seen, method="wilson")
    whole = (images.drawn_from or len(images.images) * images.is_imagenet_val) if images else 0
    open_ = np.sqrt((whole - seen) / (whole - 1)) if whole else 1.0
    share = right / seen
    return 100 * (share - (share - low) * open_), 100 * (share + (high - share) * open_)


def _allowed(claim: Claim) -> tuple[float, float]:
    """Percentages that agree with a documented one on ImageNet val."""
    least, most = allowed_counts(claim, NOISE_OF)
    return 100 * least / NOISE_OF, 100 * most / NOISE_OF


def _images_seen(results: Results) -> Plot | None:
    """Top-1 over the images seen."""
    if results.images is None:
        return None
    labels = {ref.name: ref.label for ref in results.images.images}
    order = [ref.name for ref in shuffled(results.images.images)]
    curves = []
    for run in _each_once(results.runs)[:_PANELS]:
        table = Predictions(parse_location(run.predictions)).read()
        best = {
            name: classes[0] for name, classes in zip(table["image"], table["classes"], strict=True) if len(classes)
        }
        right = np.array([best[name] == labels[name] for name in order if name in best])
        if len(right) > 1:
            curves.append((run, right.cumsum()))
    if not curves:
        return None
    figure, panels = _panels(len(curves), 2.4)
    for axes, (run, counts) in zip(panels, curves, strict=True):
        seen = np.unique(np.linspace(1, len(counts), _POINTS).round().astype(int))
        low, high = _interval(counts[seen - 1], seen, results.images)
        axes.fill_between(seen, low, high, color=_MEASURED, alpha=0.25, linewidth=0)
        axes.plot(seen, 100 * counts[seen - 1] / seen, color=_MEASURED)
        later = seen >= len(counts) / 20  # the first images say little, and would take all the room
        shown = [*low[later], *high[later]]
        for claim in _claims_of(results, run, "top1"):
            axes.axhline(claim.value, color=_DOCUMENTED, linestyle="--")
            axes.axhspan(*_allowed(claim), color=_DOCUMENTED, alpha=0.3, linewidth=0)
            shown.append(claim.value)
        axes.set_ylim(max(0.0, min(shown) - 1), min(100.0, max(shown) + 1))
        axes.set(title=_whose(run), xlabel="images seen", ylabel="top1, %")
    caption = (
        "Top-1 over the images seen in shuffled order, with the 95 % interval that those not seen leave open; the "
        "dashed line is what is documented, the band around it what a repetition may differ by."
    )
    shown = [run for run, _ in curves]
    return _plot("images-seen", "Accuracy over the images seen", caption + _of_weights(shown), figure)


# -- FLOPs -----------------------------------------------------------------------------------------


def _conventions(results: Results) -> Plot | None:
    """What every counter says beside what is documented, of the rows that are not plainly reproduced."""
    cells = [
        verdict
        for verdict in results.verdicts
        if verdict.claim.metric == "flops"
        and verdict.outcome in (Outcome.CONTRADICTED, Outcome.KNOWN_GAP, Outcome.EXPLAINED)
        and (verdict.claim.row, verdict.source) in results.statics
    ]
    cells.sort(key=lambda verdict: verdict.outcome is Outcome.EXPLAINED)
    cells = cells[:_PANELS]
    if not cells:
        return None
    figure, panels = _panels(len(cells), 2.6)
    for axes, verdict in zip(panels, cells, strict=True):
        claim, static = verdict.claim, results.statics[verdict.claim.row, verdict.source]
        size = Measured(claim, static).size
        names = list(static.multiply_adds.get(size, {}))
        unit = UNITS[claim.unit]
        for position, name in enumerate(names):
            counted = static.multiply_adds[size][name] / unit
            axes.plot([counted, 2 * counted], [position] * 2, color=_INK, linewidth=0.5)
            axes.plot(counted, position, "o", color=_MEASURED, label="multiply-adds" if position == 0 else None)
            axes.plot(2 * counted, position, "s", color=_OTHER, label="2 x multiply-adds" if position == 0 else None)
        axes.axvline(claim.value / unit, color=_DOCUMENTED, linestyle="--", label="documented")
        axes.set_yticks(range(len(names)), [name.replace("get_model_complexity_info, ", "") for name in names])
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set(title=f"{claim.row.model}, {verdict.source}, {size} px", xlabel=claim.unit)
    handles, texts = panels[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=3)
    caption = (
        f"FLOPs of {len(cells)} rows that are not plainly reproduced, by every counter at the row's input size: "
        "multiply-adds and twice that; the dashed line is what is documented."
    )
    return _plot("flops-conventions", "FLOPs by every counter", caption, figure)


# -- two sources -----------------------------------------------------------------------------------


def _layers(results: Results) -> Plot | None:
    """How far two implementations are apart after every layer, with the same weights and the same image."""
    apart = [pair for pair in results.pairs if len(pair.layers) > 1][:_PANELS]
    if not apart:
        return None
    figure, panels = _panels(len(apart), 2.6)
    for axes, pair in zip(panels, apart, strict=True):
        differences = np.array([difference for _, difference in pair.layers])
        floor = np.finfo(np.float32).eps / 10
        axes.semilogy(np.arange(1, len(differences) + 1), np.maximum(differences, floor), ".-", color=_MEASURED)
        axes.axhline(LAYER_ROUNDING, color=_DOCUMENTED, linestyle="--")
        first = _first_layer(pair)
        if first is not None:
            axes.annotate(
                pair.layers[first][0], (first + 1, differences[first]), xytext=(6, -14), textcoords="offset points"
            )
        _format(axes, "{x:.0e}")
        axes.set(
            title=f"{pair.model}: {pair.a}, {pair.b}",
            xlabel="layer with weights, in order",
            ylabel="relative difference",
        )
    caption = (
        "Relative difference (2-norm) of the outputs of each layer with weights and of the logits, in two sources with "
        "the same weights on the same image; above the dashed line it is more than float32 rounding."
    )
    return _plot("layers", "Where two sources part", caption, figure)


def _first_layer(pair: PairResult) -> int | None:
    return next((i for i, (_, difference) in enumerate(pair.layers) if difference > LAYER_ROUNDING), None)


def _margins(results: Results) -> Plot | None:
    """How sure the networks were of the images on which they flip."""
    drawn = []
    for two in [one for one in results.paired if one.paired.flipped][:_PANELS]:
        flips = set(two.paired.flipped)
        margins = two.paired.margins.items()
        drawn.append((two, [m for n, m in margins if n in flips], [m for n, m in margins if n not in flips]))
    if not drawn:
        return None
    figure, panels = _panels(len(drawn), 2.4)
    for axes, (two, flipped, others) in zip(panels, drawn, strict=True):
        bins = np.linspace(0, max([*flipped, *others, 1e-6]), 30)
        axes.hist([flipped, others], bins=list(bins), stacked=True, color=[_DOCUMENTED, _MEASURED],
                  label=["flipped", "the same best class"])  # fmt: skip
        axes.axvline(two.paired.near_tie_limit, color=_INK, linestyle="--", label="near tie")
        axes.set(
            title=f"{two.a.documented_model}: {two.a.source}, {two.b.source}", xlabel="smaller margin, logit units",
            ylabel="images", yscale="log",
        )  # fmt: skip
        axes.set_ylim(bottom=0.7)  # a single image is seen, too
        _format(axes, "{x:g}")
    handles, texts = panels[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=3)
    caption = (
        "Margins between the best and the second class, the smaller of the two sources'. Images that flip although "
        "both sources were sure of them, right of the dashed line, are no near ties."
    )
    caption += _of_weights([run for two, *_ in drawn for run in (two.a, two.b)])
    return _plot("margins", "Margins of flipped images", caption, figure)
