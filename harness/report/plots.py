"""What is seen sooner than read, as SVG: for the page, and as files beside report.md."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter
from statsmodels.stats.proportion import proportion_confint

from harness.accuracy import accuracy
from harness.comparing import Measured
from harness.divergence import LAYER_ROUNDING
from harness.images import shuffled
from harness.places import place
from harness.records import UNITS, Claim, Metric, Outcome, PairResult, Run
from harness.report.contract import interval95
from harness.results import Results
from harness.store import Predictions

#: of the files, beside report.md
FOLDER = "plots"
#: grey that reads on white and on black
_INK = "#768390"
_MEASURED, _DOCUMENTED, _OTHER = "#3b82d6", "#e0702b", "#2f9e6e"
#: panels of one figure; a report of a whole zoo shows those that say most
_PANELS = 12
#: points of a curve
_POINTS = 200
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
    with mpl.rc_context({"svg.hashsalt": name}):  # the same report is the same file, and ids differ between figures
        figure.savefig(buffer, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
    svg = re.sub(r"(id=\"|url\(#|href=\"#)", rf"\1{name}-", buffer.getvalue())
    return Plot(name, title, caption, svg)


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
    return [
        verdict.claim
        for verdict in results.verdicts
        if verdict.claim.metric == metric
        and (verdict.source, verdict.claim.row.model) == (run.source, run.documented_model)
        and verdict.claim.row.input_size in (None, run.input_size)
    ]


def _accuracies(results: Results) -> Plot | None:
    """Documented against measured, with the interval that the number of images leaves."""
    metrics: tuple[Metric, ...] = ("top1", "top5")
    lines = [(run, metric) for run in results.runs for metric in metrics if run.images]
    if not lines:
        return None
    figure = Figure(figsize=(8, 1 + 0.32 * len(lines)), layout="constrained")
    axes = figure.subplots()
    for position, (run, metric) in enumerate(lines):
        measured = accuracy(run, metric) or 0.0
        low, high = interval95(run.top1_count if metric == "top1" else run.top5_count, run.images)
        axes.errorbar(
            measured, position, xerr=[[measured - low], [high - measured]], fmt="o", color=_MEASURED, capsize=3,
            label="measured, 95 % interval" if position == 0 else None,
        )  # fmt: skip
        for number, claim in enumerate(_claims_of(results, run, metric)):
            label = "documented" if position == number == 0 else None
            axes.plot(claim.value, position, "D", color=_DOCUMENTED, fillstyle="none", label=label)
    axes.set_yticks(range(len(lines)), [f"{_whose(run)}: {metric}" for run, metric in lines])
    axes.invert_yaxis()
    axes.set_xlabel("% of the images")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25 / figure.get_figheight() * 2), ncols=2)
    caption = "Measured accuracies with the 95 % interval that the number of images leaves, and what is documented."
    return _plot("accuracies", "Documented against measured", caption + _of_weights(results.runs), figure)


def _images_seen(results: Results) -> Plot | None:
    """Top-1 over the images seen."""
    if results.images is None:
        return None
    labels = {ref.name: ref.label for ref in results.images.images}
    order = [ref.name for ref in shuffled(results.images.images)]
    curves = []
    for run in [run for run in results.runs if run.images][:_PANELS]:
        table = Predictions(place(run.predictions)).read()
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
        low, high = proportion_confint(counts[seen - 1], seen, method="wilson")
        axes.fill_between(seen, 100 * low, 100 * high, color=_MEASURED, alpha=0.25, linewidth=0)
        axes.plot(seen, 100 * counts[seen - 1] / seen, color=_MEASURED)
        for claim in _claims_of(results, run, "top1"):
            axes.axhline(claim.value, color=_DOCUMENTED, linestyle="--")
        axes.set(title=_whose(run), xlabel="images seen", ylabel="top1, %")
    caption = (
        "Top-1 over the images seen in shuffled order, with its 95 % interval; the dashed line is what is documented."
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
        tables = [Predictions(place(run.predictions)).read().set_index("image") for run in (two.a, two.b)]
        flips = set(two.paired.flipped)
        margins = {
            name: min(float(table.loc[name, "logits"][0] - table.loc[name, "logits"][1]) for table in tables)
            for name in tables[0].index.intersection(tables[1].index)
            if all(len(table.loc[name, "classes"]) > 1 for table in tables)
        }
        drawn.append(
            (two, [m for n, m in margins.items() if n in flips], [m for n, m in margins.items() if n not in flips])
        )
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
