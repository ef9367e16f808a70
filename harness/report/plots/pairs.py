"""Two sources of one model: layer by layer with the same weights, and image by image with their own."""

from __future__ import annotations

import numpy as np

from harness.checks.equivalence.divergence import LAYER_ROUNDING
from harness.checks.results import Results
from harness.core.records import PairResult
from harness.report.plots.drawing import (
    DOCUMENTED,
    INK,
    MEASURED,
    PANELS,
    Plot,
    format_numbers,
    panels,
    plot,
    stand_in_note,
)


def layers(results: Results) -> Plot | None:
    """The difference of two implementations after every layer, with the same weights and the same image."""
    compared = [pair for pair in results.pairs if len(pair.layers) > 1][:PANELS]
    if not compared:
        return None
    figure, axes_of = panels(len(compared), 2.6)
    for axes, pair in zip(axes_of, compared, strict=True):
        differences = np.array([difference for _, difference in pair.layers])
        floor = np.finfo(np.float32).eps / 10
        axes.semilogy(np.arange(1, len(differences) + 1), np.maximum(differences, floor), ".-", color=MEASURED)
        axes.axhline(LAYER_ROUNDING, color=DOCUMENTED, linestyle="--")
        first = _first_layer(pair)
        if first is not None:
            axes.annotate(
                pair.layers[first][0], (first + 1, differences[first]), xytext=(6, -14), textcoords="offset points"
            )
        format_numbers(axes, "{x:.0e}")
        axes.set(
            title=f"{pair.model}: {pair.a}, {pair.b}",
            xlabel="layer with weights, in order",
            ylabel="relative difference",
        )
    caption = (
        "Relative difference (2-norm) of the outputs of each layer with weights and of the logits, in two sources with "
        "the same weights on the same image; above the dashed line the difference is more than float32 rounding."
    )
    return plot("layers", "Where two sources differ, layer by layer", caption, figure)


def _first_layer(pair: PairResult) -> int | None:
    return next((i for i, (_, difference) in enumerate(pair.layers) if difference > LAYER_ROUNDING), None)


def margins(results: Results) -> Plot | None:
    """How confident the networks were about the images on which their best classes differ."""
    drawn = []
    for two in [one for one in results.paired if one.paired.flipped][:PANELS]:
        flips = set(two.paired.flipped)
        of_images = two.paired.margins.items()
        drawn.append((two, [m for n, m in of_images if n in flips], [m for n, m in of_images if n not in flips]))
    if not drawn:
        return None
    figure, axes_of = panels(len(drawn), 2.4)
    for axes, (two, flipped, others) in zip(axes_of, drawn, strict=True):
        bins = np.linspace(0, max([*flipped, *others, 1e-6]), 30)
        axes.hist([flipped, others], bins=list(bins), stacked=True, color=[DOCUMENTED, MEASURED],
                  label=["flipped", "the same best class"])  # fmt: skip
        axes.axvline(two.paired.near_tie_limit, color=INK, linestyle="--", label="near tie")
        axes.set(
            title=f"{two.a.documented_model}: {two.a.source}, {two.b.source}", xlabel="smaller margin, logit units",
            ylabel="images", yscale="log",
        )  # fmt: skip
        axes.set_ylim(bottom=0.7)  # so that a single image is visible
        format_numbers(axes, "{x:g}")
    handles, texts = axes_of[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=3)
    caption = (
        "Margin between the best and the second class, the smaller of the two sources'. Images right of the dashed "
        "line flip although both sources were confident; they are not near ties."
    )
    caption += stand_in_note([run for two, *_ in drawn for run in (two.a, two.b)])
    return plot("margins", "Margins of flipped images", caption, figure)
