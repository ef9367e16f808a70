"""How likely it is that a swap gives a documented figure by coincidence."""

import numpy as np
import pytest

from harness.checks.diagnosis.attribution import Swap, Target, coincidence
from harness.core.records import Metric

OWN: dict[Metric, float] = {"top1": 40_000, "top5": 47_000}


def target(top1: int, top5: int, half: float) -> Target:
    return Target(50_000, {"top1": (top1 - half, top1 + half), "top5": (top5 - half, top5 + half)}, None)


def swap(top1: int, top5: int) -> Swap:
    return Swap("factor", f"{top1}", "undecided", top1=(top1, top1), top5=(top5, top5))


def test_without_swaps_nothing_fits() -> None:
    found = coincidence(target(39_000, 46_500, 50), OWN, [])
    assert (found.fitting, found.chance) == (0, 0)


def test_a_swap_fits_the_share_of_the_line_that_its_tolerance_covers() -> None:
    """From 40,000 the figures go to 38,000 and 42,000; 50 either way of them are not missed, and a swap covers 100."""
    found = coincidence(target(39_000, 46_500, 25), OWN, [swap(39_000, 46_500)])
    # top1 is within its tolerance on a fortieth of a difference, top5 on a twentieth
    assert found.chance == found.fitting == pytest.approx(0.05 / (4 - 0.05))


def test_two_swaps_that_do_the_same_are_two_that_fit_and_one_chance() -> None:
    about = target(39_000, 46_500, 25)
    one = coincidence(about, OWN, [swap(39_000, 46_500)])
    two = coincidence(about, OWN, [swap(39_000, 46_500)] * 2)
    assert two.chance == one.chance
    assert two.fitting == pytest.approx(2 * one.fitting)


@pytest.mark.parametrize("other", [swap(40_000, 47_000), swap(39_000, 47_500), swap(20_000, 20_000)])
def test_a_swap_that_changes_nothing_or_goes_elsewhere_fits_none(other: Swap) -> None:
    assert coincidence(target(39_000, 46_500, 25), OWN, [other]).fitting == 0


def test_a_swap_that_was_not_tried_counts_for_nothing() -> None:
    assert coincidence(target(39_000, 46_500, 25), OWN, [Swap("factor", "", "not tried")]).chance == 0


def test_the_wider_a_figure_the_likelier_a_coincidence() -> None:
    swaps = [swap(39_000 + 200 * n, 46_500 + 100 * n) for n in range(-4, 5)]
    chances = [coincidence(target(39_000, 46_500, half), OWN, swaps).chance for half in (1, 5, 25, 75)]
    assert chances == sorted(chances)
    assert chances[0] < 0.05 < chances[-1]


def test_the_chance_is_how_often_a_swap_fits_a_figure_that_is_drawn_from_the_line() -> None:
    rng = np.random.default_rng(0)
    swaps = [swap(int(39_000 + rng.normal(0, 800)), int(46_500 + rng.normal(0, 300))) for _ in range(30)]
    half, about = 76.0, target(39_200, 46_700, 76)
    fits = missed = 0
    for at in rng.uniform(-2, 2, 20_000):
        drawn = {metric: OWN[metric] + at * (sum(about.allowed[metric]) / 2 - OWN[metric]) for metric in about.allowed}
        if all(abs(drawn[metric] - OWN[metric]) <= half for metric in drawn):
            continue
        missed += 1
        totals = [{"top1": one.top1, "top5": one.top5} for one in swaps]
        fits += any(all(abs(one[m][0] - drawn[m]) <= half for m in drawn) for one in totals)  # type: ignore[index]
    assert coincidence(about, OWN, swaps).chance == pytest.approx(fits / missed, abs=0.02)
