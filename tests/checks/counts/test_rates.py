"""Rates over printed tables whose truth is known: no right figure is called wrong, most wrong ones are found."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[3]))

from benchmarks.judged_tables import half, rates
from benchmarks.printed_tables import Wanted


@pytest.mark.parametrize(
    ("wanted", "tables", "found", "named"),
    [
        (Wanted("flops", 1, 4, 1.0), 30, 0.7, 0.5),
        (Wanted("params", 1, 4, 1.0), 30, 0.85, 0.8),
        (Wanted("flops", 3, 3, 1 / 3), 24, 0.85, 0.75),
        (Wanted("params", 3, 4, 1 / 3), 30, 0.9, 0.8),
        (Wanted("flops", 10, 4, 0.1), 6, 0.9, 0.9),
    ],
    ids=str,
)
def test_right_figures_stay_right_and_wrong_ones_are_found(
    wanted: Wanted, tables: int, found: float, named: float
) -> None:
    counts = rates(wanted, half(1), tables).counts
    assert counts["right red"] == 0
    seen = counts["wrong red"] + counts["wrong doubtful"]
    assert seen >= found * counts["wrong"]
    assert counts["named"] >= named * seen


@pytest.mark.parametrize("wanted", [Wanted("flops", 5, 3, mixed=True), Wanted("flops", 3, 3, unknown=True)], ids=str)
def test_columns_of_two_conventions_or_of_an_unknown_one_are_not_called_wrong(wanted: Wanted) -> None:
    assert rates(wanted, half(1), 10).counts["right red"] == 0
