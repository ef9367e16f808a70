"""Rates over printed tables whose truth is known: no right figure is called wrong, most wrong ones are found."""

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[3]))

from benchmarks.verdict_rates import half, rates


@pytest.mark.parametrize(
    ("metric", "rows", "digits", "found", "named"),
    [("flops", 1, 4, 0.7, 0.6), ("params", 1, 4, 0.85, 0.8), ("flops", 3, 3, 0.85, 0.75), ("params", 3, 4, 0.9, 0.8)],
)
def test_right_figures_stay_right_and_wrong_ones_are_found(
    metric: str, rows: int, digits: int, found: float, named: float
) -> None:
    counts: Counter[str] = rates(metric, rows, digits, 40, half(1))
    assert counts["right red"] == 0
    seen = counts["wrong red"] + counts["wrong doubtful"]
    assert seen >= found * counts["wrong"]
    assert counts["named"] >= named * seen
