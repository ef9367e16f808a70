"""Figures as SVG: inside the page, and as files next to report.md."""

from __future__ import annotations

import matplotlib as mpl

from harness.checks.results import Results
from harness.report.plots.accuracy import accuracies, images_seen
from harness.report.plots.drawing import STYLE, Plot
from harness.report.plots.flops import conventions
from harness.report.plots.pairs import layers, margins

__all__ = ["FOLDER", "Plot", "plots"]

#: of the files, next to report.md
FOLDER = "plots"


def plots(results: Results) -> list[Plot]:
    """The figures that there are data for."""
    makers = (accuracies, images_seen, conventions, layers, margins)
    with mpl.rc_context(STYLE):
        return [found for make in makers if (found := make(results)) is not None]
