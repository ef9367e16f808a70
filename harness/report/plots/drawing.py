"""What the figures share: their style, their panels, and the figure as SVG."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from harness.core.records import Run
from harness.core.text import clean

#: grey that is legible on white and on black
INK = "#768390"
MEASURED, DOCUMENTED, OTHER = "#3b82d6", "#e0702b", "#2f9e6e"
#: most panels of one figure; a report of a whole zoo shows the most informative ones
PANELS = 12
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.titlesize": 10,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
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
        svg = self.svg[self.svg.index("<svg") :].replace(INK, "currentColor")
        return svg.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)


def plot(name: str, title: str, caption: str, figure: Figure) -> Plot:
    """The figure as SVG, the same bytes for the same report."""
    buffer = io.StringIO()
    # ids are the same in every report and differ between figures
    with warnings.catch_warnings(), mpl.rc_context({"svg.hashsalt": name}):
        warnings.simplefilter("ignore")  # for characters that are missing in matplotlib's font but not in the reader's
        figure.savefig(buffer, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
    svg = re.sub(r"(id=\"|url\(#|href=\"#)", rf"\1{name}-", buffer.getvalue())
    return Plot(name, title, caption, clean(svg))


def panels(count: int, height: float, width: float = 5.2) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels in at most two columns; sizes in inches."""
    columns = min(count, 2)
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for unused in axes[count:]:
        unused.set_axis_off()
    return figure, list(axes[:count])


def format_numbers(axes: Axes, text: str) -> None:
    """The numbers of a logarithmic axis; matplotlib's own are formulas, on its smaller ticks too."""
    axes.yaxis.set_major_formatter(StrMethodFormatter(text))
    axes.yaxis.set_minor_formatter(NullFormatter())


def network_label(run: Run) -> str:
    """Model, source and input size, and whether the weights are stand-ins."""
    made_up = ", stand-in weights" if run.checkpoint.stand_in else ""
    return f"{run.documented_model}, {run.source}, {run.input_size} px{made_up}"


def stand_in_note(runs: Sequence[Run]) -> str:
    """What a caption adds where a network ran with stand-in weights."""
    if not any(run.checkpoint.stand_in for run in runs):
        return ""
    return " Stand-in weights only test the chain; their accuracies say nothing about the documented ones."
