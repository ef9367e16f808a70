"""FLOPs by every counter."""

from __future__ import annotations

from matplotlib.ticker import MaxNLocator

from harness.checks.counts.matching import Measured
from harness.checks.results import Results
from harness.core.records import UNITS, Outcome
from harness.core.text import plural
from harness.report.plots.drawing import DOCUMENTED, INK, MEASURED, OTHER, PANELS, Plot, panels, plot


def conventions(results: Results) -> Plot | None:
    """The figure of every counter and the documented one, for rows that the plain convention does not reproduce."""
    cells = [
        verdict
        for verdict in results.verdicts
        if verdict.claim.metric == "flops"
        and verdict.outcome in (Outcome.CONTRADICTED, Outcome.DOUBTFUL, Outcome.KNOWN_GAP, Outcome.EXPLAINED)
        and (verdict.claim.row, verdict.source) in results.statics
    ]
    cells.sort(key=lambda verdict: verdict.outcome is Outcome.EXPLAINED)
    cells = cells[:PANELS]
    if not cells:
        return None
    figure, axes_of = panels(len(cells), 2.6)
    for axes, verdict in zip(axes_of, cells, strict=True):
        claim, static = verdict.claim, results.statics[verdict.claim.row, verdict.source]
        size = Measured(claim, static).size
        names = list(static.multiply_adds.get(size, {}))
        unit = UNITS[claim.unit]
        for position, name in enumerate(names):
            counted = static.multiply_adds[size][name] / unit
            axes.plot([counted, 2 * counted], [position] * 2, color=INK, linewidth=0.5)
            axes.plot(counted, position, "o", color=MEASURED, label="multiply-adds" if position == 0 else None)
            axes.plot(2 * counted, position, "s", color=OTHER, label="2 x multiply-adds" if position == 0 else None)
        axes.axvline(claim.value / unit, color=DOCUMENTED, linestyle="--", label="documented")
        axes.set_yticks(range(len(names)), [name.replace("get_model_complexity_info, ", "") for name in names])
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set(title=f"{claim.row.model}, {verdict.source}, {size} px", xlabel=claim.unit)
    handles, texts = axes_of[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=3)
    caption = (
        f"FLOPs of {plural(len(cells), 'row')} that the plain convention does not reproduce, by every counter at the "
        "row's input size: multiply-adds and twice that; the dashed line is the documented figure."
    )
    return plot("flops-conventions", "FLOPs by every counter", caption, figure)
