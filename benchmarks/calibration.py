"""Of the cells that are said to be wrong with some probability, what share is: a table and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.judged_tables import BINS, Tally, interval


def weighted(tallies: Sequence[Tally], wrong_share: float) -> list[tuple[int, int, float]]:
    """For each bin its right and its wrong cells, and the share of wrong ones where so many of all cells are wrong.

    Half of the tables have a wrong cell, many more than published ones have; so the wrong cells of each kind of table
    weigh as much as that share.
    """
    found = []
    for number in range(len(BINS) - 1):
        right = wrong = 0
        weight_right = weight_wrong = 0.0
        for tally in tallies:
            all_right, all_wrong = tally.counts["right"], tally.counts["wrong"]
            if not all_wrong or not all_right:
                continue
            right += tally.bins[number, False]
            wrong += tally.bins[number, True]
            weight_right += tally.bins[number, False] / all_right * (1 - wrong_share)
            weight_wrong += tally.bins[number, True] / all_wrong * wrong_share
        total = weight_right + weight_wrong
        found.append((right, wrong, weight_wrong / total if total else float("nan")))
    return found


def mean(tallies: Sequence[Tally], number: int) -> float:
    """Of the probabilities in a bin."""
    cells = sum(tally.bins[number, is_wrong] for tally in tallies for is_wrong in (False, True))
    return sum(tally.sums[number] for tally in tallies) / cells if cells else float("nan")


def show(tallies: Sequence[Tally], wrong_share: float) -> None:
    print(f"\n| said to be wrong | right cells | wrong cells | wrong | at {100 * wrong_share:.0f} % wrong cells |")
    print("| :-- | --: | --: | --: | --: |")
    for number, (right, wrong, share) in enumerate(weighted(tallies, wrong_share)):
        print(
            f"| {BINS[number]:g} to {BINS[number + 1]:g} | {right} | {wrong} | {interval(wrong, right + wrong)} "
            f"| {100 * share:.1f} % |"
        )


def draw(tallies: Sequence[Tally], wrong_share: float, path: Path) -> None:
    """The same as an SVG."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "calibration", "font.size": 8, "svg.fonttype": "none"})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(4.2, 3.4))
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    points = [
        (mean(tallies, number), share, right, wrong)
        for number, (right, wrong, share) in enumerate(weighted(tallies, wrong_share))
        if right + wrong
    ]
    axes.plot([x for x, *_ in points], [y for _, y, *_ in points], "o-", color="#2a6f97", markersize=3, linewidth=0.8)
    for x, y, right, wrong in points:
        axes.annotate(f"{wrong} of {right + wrong}", (x, y), (3, -7), textcoords="offset points", fontsize=6)
    axes.set(
        xlabel="probability that a cell is wrong, as said",
        ylabel=f"share that is wrong, at {100 * wrong_share:.0f} % wrong cells",
        xlim=(-0.03, 1.12),
        ylim=(-0.05, 1.05),
    )
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
