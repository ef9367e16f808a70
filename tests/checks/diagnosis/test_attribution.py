"""What swaps are said to show: counts of images made up here, against exact tests and simulations."""

import gc
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats

from harness.checks.diagnosis.agreement import agreement, conclude_pair
from harness.checks.diagnosis.attribution import PREPROCESSING, Agreement, Outcome, Swap, Target, conclude
from harness.checks.diagnosis.judge import (
    LEVEL,
    as_good_as,
    images_to_distinguish,
    improvements,
    judge,
    misses,
    other_labels,
    scored,
)
from harness.checks.equivalence.logit_difference import ROUNDING
from harness.checks.statistics import images_to_see_effect, mcnemar_p, population_interval
from harness.core.records import Metric
from harness.execution.predictions import Predictions

TRUTH = 7
IMAGES, TOP1, TOP5 = 1000, 600, 800


@pytest.fixture(autouse=True, scope="module")
def frozen() -> Iterator[None]:
    """statsmodels collects garbage with every correction, which takes most of the time."""
    gc.freeze()
    yield
    gc.unfreeze()


def table(top1: npt.NDArray[np.bool_], top5: npt.NDArray[np.bool_]) -> pd.DataFrame:
    content = {"best": np.where(top1, TRUTH, 1), "top1": top1, "top5": top5}
    return pd.DataFrame(content, index=[f"i{n:05}" for n in range(len(top1))])


def right(images: int = IMAGES, top1: int = TOP1, top5: int = TOP5) -> pd.DataFrame:
    """As scored() gives it: the first images are right by top1, those and some more by top5."""
    return table(np.arange(images) < top1, np.arange(images) < top5)


def flipped(own: pd.DataFrame, gained: int = 0, lost: int = 0, gained5: int = 0, lost5: int = 0) -> pd.DataFrame:
    """A swap that has these images right and wrong which `own` has not; by top1, then by top5."""
    one, five = own["top1"].to_numpy().copy(), own["top5"].to_numpy().copy()
    between = np.flatnonzero(five & ~one)
    assert gained + lost5 <= len(between)
    one[np.flatnonzero(one)[:lost]] = False
    one[between[:gained]] = True
    five[np.flatnonzero(~five)[:gained5]] = True
    five[between[len(between) - lost5 :]] = False
    return table(one, five).set_axis(own.index)


def target(top1: int | None = None, top5: int | None = None, half: int = 2, **fields: Any) -> Target:
    """A document that claims these counts, give or take `half`, of a run over all of IMAGES."""
    claimed: dict[Metric, int | None] = {"top1": top1, "top5": top5}
    allowed = {metric: (n - half, n + half) for metric, n in claimed.items() if n is not None}
    own: dict[Metric, int] = {"top1": TOP1, "top5": TOP5}
    return Target(**{"population": IMAGES, "allowed": allowed, "own": own, **fields})


def judged(about: Target, *swaps: pd.DataFrame, own: pd.DataFrame | None = None, looks: int = 1) -> list[Swap]:
    named = {(f"factor {n}", f"swap {n}"): swap for n, swap in enumerate(swaps)}
    return judge(about, right() if own is None else own, named, looks)


# --- an interval of the population


@pytest.mark.parametrize("level", [0.03, 0.11])
@pytest.mark.parametrize("population", [1, 2, 5, 9, 12])
def test_the_interval_holds_just_the_counts_that_neither_test_rejects(population: int, level: float) -> None:
    """A count is rejected where so many, or so few, had a chance of no more than the level."""
    for seen in range(population + 1):
        for found in range(seen + 1):
            possible = range(found, population - (seen - found) + 1)
            ways = {n: [_ways(population, n, seen, drawn) for drawn in range(seen + 1)] for n in possible}
            allowed = level * math.comb(population, seen)
            kept = [n for n in possible if sum(ways[n][found:]) > allowed and sum(ways[n][: found + 1]) > allowed]
            assert population_interval(found, seen, population, level) == (kept[0], kept[-1])


def _ways(population: int, such: int, seen: int, found: int) -> int:
    return math.comb(such, found) * math.comb(population - such, seen - found)


@pytest.mark.parametrize("found", [0, 1, 37, 50])
def test_the_interval_is_a_single_number_where_all_were_seen(found: int) -> None:
    assert population_interval(found, 50, 50, 0.001) == (found, found)


def test_the_interval_is_everything_where_nothing_was_seen() -> None:
    assert population_interval(0, 0, 50, 0.05) == (0, 50)


@pytest.mark.parametrize(("population", "seen"), [(60, 20), (61, 60), (200, 3)])
@pytest.mark.parametrize("level", [0.0125, 0.05])
def test_the_interval_holds_the_truth_as_often_as_it_says(population: int, seen: int, level: float) -> None:
    intervals = [population_interval(found, seen, population, level) for found in range(seen + 1)]
    coverage = []
    for truth in range(population + 1):
        chances = stats.hypergeom.pmf(np.arange(seen + 1), population, truth, seen)
        coverage.append(
            sum(p for p, (low, high) in zip(chances, intervals, strict=True) if low <= truth <= high)  #
        )
    assert min(coverage) >= 1 - 2 * level - 1e-9
    assert min(coverage) < 1


def test_more_images_or_a_higher_level_narrow_the_interval() -> None:
    def width(seen: int, level: float) -> int:
        low, high = population_interval(seen // 2, seen, 50_000, level)
        return high - low

    assert width(256, 0.001) > width(256, 0.05) > width(1024, 0.05) > width(16_384, 0.05) > 0


# --- what is missed


@pytest.mark.parametrize(("off", "missed"), [(-3, True), (-2, False), (0, False), (2, False), (3, True)])
@pytest.mark.parametrize("metric", ["top1", "top5"])
def test_a_census_is_held_against_the_very_counts(metric: Metric, off: int, missed: bool) -> None:
    counts: dict[Metric, int] = {"top1": TOP1, "top5": TOP5}
    claimed = {**counts, metric: counts[metric] - off}
    assert misses(target(claimed["top1"], claimed["top5"]), right()) == ([metric] if missed else [])


def test_a_census_goes_by_its_own_counts_whatever_images_are_looked_at() -> None:
    assert misses(target(TOP1), right().iloc[:10]) == []
    assert misses(target(TOP1 + 3), right().iloc[:10]) == ["top1"]


def test_a_figure_that_is_not_documented_is_not_missed() -> None:
    assert misses(target(top5=TOP5), right()) == []
    assert misses(target(TOP1 + 50), right()) == ["top1"]


@pytest.mark.parametrize(("claimed", "missed"), [(-1, True), (1, False)])
@pytest.mark.parametrize("end", [0, 1])
def test_a_sample_misses_what_its_interval_does_not_hold(end: int, claimed: int, missed: bool) -> None:
    """`claimed` is by how many images the claim is inside of the interval."""
    interval = population_interval(TOP1, IMAGES, 50_000, LEVEL / 4)
    inside = interval[end] + (claimed if end == 0 else -claimed)
    about = target(inside, half=0, own=None, population=50_000)
    assert misses(about, right()) == (["top1"] if missed else [])


def test_a_sample_gives_the_document_its_own_allowance_too() -> None:
    low, _ = population_interval(TOP1, IMAGES, 50_000, LEVEL / 4)
    assert misses(target(low - 5, half=5, own=None, population=50_000), right()) == []
    assert misses(target(low - 6, half=5, own=None, population=50_000), right()) == ["top1"]


# --- swaps, all images seen


def test_a_swap_that_gives_the_documented_counts_fits() -> None:
    own = right()
    (found,) = judged(target(TOP1 + 40, TOP5 + 11), flipped(own, gained=60, lost=20, gained5=13, lost5=2))
    assert (found.factor, found.text, found.status) == ("factor 0", "swap 0", "fits")
    assert (found.images, found.gained, found.lost, found.gained5, found.lost5) == (IMAGES, 60, 20, 13, 2)
    assert found.changed == 80
    assert (found.top1, found.top5) == ((TOP1 + 40,) * 2, (TOP5 + 11,) * 2)
    # of the two figures that are missed the likelier cause counts, twice for there being two
    assert found.p == pytest.approx(2 * stats.binomtest(60, 80).pvalue)


def test_changed_counts_images_with_another_best_class_right_or_not() -> None:
    own = right()
    swap = flipped(own, gained=30)
    swap.iloc[-5:, swap.columns.get_loc("best")] = 2
    (found,) = judged(target(TOP1 + 30), swap)
    assert (found.changed, found.gained) == (35, 30)


@pytest.mark.parametrize(
    ("claimed", "flips", "status"),
    [
        ({"top1": 40}, {"gained": 42}, "fits"),
        ({"top1": 40}, {"gained": 38}, "fits"),
        ({"top1": 40}, {"gained": 43}, "refuted"),
        ({"top1": 40}, {"gained": 37}, "refuted"),
        ({"top1": 40}, {"gained": 120}, "refuted"),
        ({"top1": -40}, {"lost": 40}, "fits"),
        ({"top1": -40}, {"lost": 90}, "refuted"),
        ({"top1": 40}, {}, "refuted"),
        ({"top1": 40}, {"lost": 40}, "refuted"),
        ({"top1": -40}, {"gained": 40}, "refuted"),
        ({"top1": 40, "top5": 0}, {"gained": 40}, "fits"),
        ({"top1": 40, "top5": 0}, {"gained": 40, "gained5": 3}, "refuted"),
        ({"top1": 40, "top5": 0}, {"gained": 40, "lost5": 3}, "refuted"),
        ({"top1": 0, "top5": 40}, {"gained5": 40}, "fits"),
        ({"top1": 0, "top5": 40}, {"gained5": 40, "gained": 3}, "refuted"),
        ({"top1": 40, "top5": 30}, {"gained": 40, "gained5": 30}, "fits"),
        ({"top1": 40, "top5": 30}, {"gained": 40}, "refuted"),
        ({"top1": 40, "top5": -30}, {"gained": 40, "lost5": 30}, "fits"),
        ({"top1": 40, "top5": -30}, {"gained": 40, "gained5": 30}, "refuted"),
    ],
)
def test_a_swap_must_give_every_documented_count(
    claimed: dict[Metric, int], flips: dict[str, int], status: str
) -> None:
    counts: dict[Metric, int] = {"top1": TOP1, "top5": TOP5}
    about = target(**{metric: counts[metric] + by for metric, by in claimed.items()})
    (found,) = judged(about, flipped(right(), **flips))
    assert found.status == status


def test_the_right_count_by_a_few_flips_is_chance() -> None:
    (found,) = judged(target(TOP1 + 3), flipped(right(), gained=3))
    assert (found.status, found.top1) == ("undecided", (TOP1 + 3,) * 2)
    assert found.p == pytest.approx(0.25)
    assert found.needed is not None
    assert found.needed > IMAGES


@pytest.mark.parametrize(("gained", "status"), [(5, "undecided"), (6, "fits")])
def test_chance_ends_at_the_level(gained: int, status: str) -> None:
    (found,) = judged(target(TOP1 + 6), flipped(right(), gained=gained))
    assert found.status == status
    assert found.p == pytest.approx(2 * 0.5**gained)


def test_a_figure_that_holds_does_not_count_for_the_chance() -> None:
    """Its flips are neither needed nor held against the swap, as long as it still holds."""
    (found,) = judged(target(TOP1 + 20, TOP5), flipped(right(), gained=20, gained5=9, lost5=9))
    assert found.status == "fits"
    assert found.p == pytest.approx(2 * 0.5**20)
    (found,) = judged(target(TOP1 + 10, TOP5, half=8), flipped(right(), gained=3, gained5=8))
    assert (found.status, found.p) == ("undecided", pytest.approx(0.25))


@pytest.mark.parametrize("swaps", [1, 10])
def test_the_images_needed_tell_every_figure_that_is_missed_among_all_swaps(swaps: int) -> None:
    swap = flipped(right(), gained=20, lost=15, gained5=3)
    both = target(TOP1 + 5, TOP5 + 3)
    needed = [images_to_see_effect(*flips, IMAGES, LEVEL / swaps) for flips in ((20, 15), (3, 0))]
    assert needed[0] is not None
    assert needed[1] is not None
    assert needed[0] > needed[1]
    by_top5 = judged(target(TOP1, TOP5 + 3), *[swap] * swaps)
    assert {swap.needed for swap in judged(both, *[swap] * swaps)} == {needed[0]}
    assert {swap.needed for swap in by_top5} == {needed[1]}


def test_holm_corrects_for_all_swaps_refuted_ones_too() -> None:
    own = right()
    gained = (6, 9, 12, 40)
    found = judged(target(TOP1 + 9, half=3), *(flipped(own, gained=n) for n in gained))
    single = [2 * 0.5**n for n in gained]
    assert [swap.p for swap in found] == pytest.approx([single[0], 2 * single[1], 3 * single[2], 4 * single[3]])
    assert [swap.status for swap in found] == ["fits", "fits", "fits", "refuted"]
    crowded = judged(target(TOP1 + 6), *(flipped(own, gained=6) for _ in range(2)))
    assert [swap.p for swap in crowded] == pytest.approx([4 * 0.5**6] * 2)
    assert [swap.status for swap in crowded] == ["undecided"] * 2


def test_holm_never_gives_a_likelier_swap_the_greater_p() -> None:
    own = right()
    found = judged(target(TOP1 + 4), flipped(own, gained=4, lost=1), flipped(own, gained=4), flipped(own, gained=5))
    # 3 x 1/16, then 2 x 1/8, and for the last no less than these
    assert [swap.p for swap in found] == pytest.approx([0.375, 0.25, 0.1875])


def test_a_swap_that_changes_nothing_is_refuted() -> None:
    (found,) = judged(target(TOP1 + 3, TOP5 + 3), right())
    assert (found.status, found.changed, found.gained, found.lost, found.p, found.needed) == (
        "refuted", 0, 0, 0, 1.0, None,
    )  # fmt: skip


# --- swaps, a part of the images seen


def part(rng: np.random.Generator, images: int, *tables: pd.DataFrame) -> list[pd.DataFrame]:
    names = tables[0].index[np.sort(rng.choice(len(tables[0]), images, replace=False))]
    return [one.loc[names] for one in tables]


def test_only_images_that_both_have_are_judged() -> None:
    own = right()
    swap = flipped(own, gained=30, lost=10).iloc[5:700]
    swap = pd.concat([swap, swap.iloc[:50].set_axis([f"new{n}" for n in range(50)])]).sample(frac=1, random_state=0)
    (found,) = judged(target(TOP1 + 20), swap)
    assert (found.images, found.gained, found.lost) == (695, 30, 5)


@pytest.mark.parametrize("census", [True, False])
@pytest.mark.parametrize("images", [100, 900])
def test_the_totals_of_all_swaps_hold_the_truth_at_once(images: int, census: bool) -> None:
    own = right()
    swap = flipped(own, gained=70, lost=20, gained5=10, lost5=25)
    about = target(TOP1 + 50, TOP5 - 15, **({} if census else {"own": None}))
    seen = [part(np.random.default_rng(seed), images, swap)[0] for seed in range(30)]
    found = judged(about, *seen)
    assert {one.images for one in found} == {images}
    for totals, truth in (([one.top1 for one in found], TOP1 + 50), ([one.top5 for one in found], TOP5 - 15)):
        assert all(total and total[0] <= truth <= total[1] for total in totals)
        assert all(total and 0 < total[1] - total[0] < 4 * IMAGES / math.sqrt(images) for total in totals)


def test_a_census_knows_more_of_a_swap_than_a_sample_does() -> None:
    """The images that were not seen are known to be right or wrong without the swap."""
    own = right()
    base, seen = part(np.random.default_rng(0), 256, own, flipped(own, gained=20))
    widths = []
    for about, known in ((target(TOP1), own), (target(TOP1, own=None), base)):
        (found,) = judged(about, seen, own=known)
        assert found.top1 is not None
        widths.append(found.top1[1] - found.top1[0])
    assert widths[0] < widths[1]


@pytest.mark.parametrize(("sign", "status"), [(1, "fits"), (-1, "undecided")])
@pytest.mark.parametrize("more", [True, False])
def test_a_swap_in_the_wrong_direction_never_fits(more: bool, sign: int, status: str) -> None:
    """So many looks leave every total possible, and the flips are no chance: the direction alone tells."""
    own = right(100, 40 if more else 60, 80)
    gains = more == (sign == 1)
    swap = flipped(own, gained=10) if gains else flipped(own, lost=10)
    about = target(30_000 if more else 20_000, own=None, population=50_000)
    (found,) = judged(about, swap, own=own, looks=10**12)
    assert found.p == pytest.approx(2 * 0.5**10)
    assert found.status == status


@pytest.mark.parametrize("top5", [-6, 6])
def test_both_figures_that_are_missed_must_move_the_right_way(top5: int) -> None:
    own = right(100, 40, 80)
    swap = flipped(own, gained=10, gained5=max(0, top5), lost5=max(0, -top5))
    about = Target(50_000, {"top1": (30_000, 30_000), "top5": (46_000, 46_000)}, None)
    assert misses(about, own) == ["top1", "top5"]
    (found,) = judged(about, swap, own=own, looks=10**12)
    assert found.status == ("fits" if top5 > 0 else "undecided")


def test_a_swap_without_effect_on_a_few_images_cannot_be_told() -> None:
    (found,) = judged(target(TOP1 + 20), right().iloc[::50], own=right())
    assert (found.status, found.images, found.p, found.needed) == ("undecided", 20, 1.0, None)


def test_a_swap_that_was_run_on_no_image_is_neither_refuted_nor_a_cause() -> None:
    (found,) = judged(target(TOP1 + 20), right().iloc[:0])
    assert (found.status, found.images, found.top1, found.p) == ("undecided", 0, (0, IMAGES), 1.0)


def test_more_swaps_and_looks_and_figures_widen_the_totals() -> None:
    own = right()
    seen = flipped(own, gained=30).iloc[::4]

    def width(*more: pd.DataFrame, top5: int | None = None, looks: int = 1) -> int:
        found = judged(target(TOP1 + 30, top5), seen, *more, looks=looks)[0]
        assert found.top1 is not None
        return found.top1[1] - found.top1[0]

    plain = width()
    assert width(*[seen] * 20) > plain
    assert width(looks=20) > plain
    assert width(top5=TOP5) > plain
    level = LEVEL / (20 * 4 * 2 * 4)
    found = judged(target(TOP1 + 30, TOP5), *[seen] * 20, looks=4)[0]
    gained, lost = (population_interval(n, len(seen), IMAGES, level) for n in (found.gained, found.lost))
    assert found.top1 == (TOP1 + gained[0] - lost[1], TOP1 + gained[1] - lost[0])


# --- simulations


def noise(rng: np.random.Generator, own: pd.DataFrame) -> pd.DataFrame:
    """A swap that flips as many images either way, but for chance."""
    one, five = own["top1"].to_numpy().copy(), own["top5"].to_numpy().copy()
    flips = rng.integers(10, 61)
    gained = rng.binomial(flips, 0.5)
    one[rng.choice(np.flatnonzero(one), flips - gained, replace=False)] = False
    one[rng.choice(np.flatnonzero(five & ~one), gained, replace=False)] = True
    return table(one, five)


@pytest.mark.parametrize(("images", "census", "simulations"), [(IMAGES, True, 200), (400, True, 50), (400, False, 50)])
def test_nothing_is_named_where_no_swap_is_the_cause(images: int, census: bool, simulations: int) -> None:
    """The gap is one that the unluckiest of these swaps could fill, so that each comes near to it by chance."""
    wrong = 0
    for seed in range(simulations):
        rng = np.random.default_rng(seed)
        own = right()
        base, *swaps = part(rng, images, own, *(noise(rng, own) for _ in range(5)))
        expected = int(base["top1"].mean() * IMAGES)
        about = target(TOP1 + 14, TOP5) if census else target(expected + 60, own=None)
        outcome, _ = conclude(judged(about, *swaps, own=own if census else base))
        wrong += outcome in ("named", "ambiguous")
    assert wrong <= LEVEL * simulations


@pytest.mark.parametrize("gap", [60, -60])
@pytest.mark.parametrize("seed", range(5))
def test_the_cause_is_named_among_twenty_that_are_none(seed: int, gap: int) -> None:
    rng = np.random.default_rng(seed)
    own = right()
    cause = flipped(own, gained=80, lost=20) if gap > 0 else flipped(own, gained=20, lost=80)
    found = judged(target(TOP1 + gap, TOP5), *(noise(rng, own) for _ in range(10)), cause,
                   *(noise(rng, own) for _ in range(10)))  # fmt: skip
    assert conclude(found) == ("named", ("factor 10",))
    assert [swap.status for swap in found] == ["refuted"] * 10 + ["fits"] + ["refuted"] * 10


# --- what does better, where nothing is documented


def test_improvements_have_more_images_right_beyond_chance() -> None:
    own = right()
    swaps = {
        "better": flipped(own, gained=30, lost=5),
        "worse": flipped(own, gained=5, lost=30),
        "chance": flipped(own, gained=12, lost=10),
        "nothing": own,
    }
    found = improvements(own, {(name, "text"): swap for name, swap in swaps.items()})
    assert {swap.factor: swap.status for swap in found} == {
        "better": "fits", "worse": "refuted", "chance": "refuted", "nothing": "refuted",
    }  # fmt: skip
    assert found[0].p == pytest.approx(4 * stats.binomtest(30, 35).pvalue)
    assert (found[0].images, found[0].gained, found[0].lost) == (IMAGES, 30, 5)
    assert (found[0].top1, found[0].top5) == (None, None)
    assert found[3].needed is None


@pytest.mark.parametrize(("swaps", "status"), [(1, "fits"), (2, "refuted")])
def test_improvements_are_corrected_for_their_number(swaps: int, status: str) -> None:
    own = right()
    found = improvements(own, {(str(n), ""): flipped(own, gained=6) for n in range(swaps)})
    assert [swap.status for swap in found] == [status] * swaps


def test_an_improvement_is_told_from_the_images_that_both_have() -> None:
    own = right()
    (found,) = improvements(own.iloc[:605], {("a", ""): flipped(own, gained=30).iloc[100:]})
    assert (found.images, found.gained, found.status) == (505, 5, "refuted")


def test_no_swap_is_no_improvement() -> None:
    assert improvements(right(), {}) == []
    assert judge(target(TOP1 + 9), right(), {}, 1) == []


@pytest.mark.parametrize(("apart", "good"), [(0, True), (5, True), (6, False), (60, False)])
def test_two_swaps_are_as_good_where_their_difference_is_chance(apart: int, good: bool) -> None:
    one, other = right(), flipped(right(), lost=apart)
    assert as_good_as(one, other) == as_good_as(other, one) == good
    assert as_good_as(one, other.iloc[apart:])


# --- how many images could tell


def power(gained: int, lost: int, of: int, images: int, level: float) -> float:
    """Chance that McNemar's exact test tells, for these shares of images that flip; exact but for rare numbers."""
    discordant = np.arange(images + 1)
    chances = stats.binom.pmf(discordant, images, (gained + lost) / of)
    found = 0.0
    for n in discordant[chances > 1e-7]:
        either = np.arange(n + 1)
        p = np.minimum(1.0, 2 * stats.binom.cdf(np.minimum(either, n - either), n, 0.5))
        found += chances[n] * stats.binom.pmf(either, n, gained / (gained + lost))[p < level].sum()
    return float(found)


@pytest.mark.parametrize("level", [LEVEL, LEVEL / 40])
@pytest.mark.parametrize(("gained", "lost", "of"), [(30, 20, 1000), (20, 30, 1000), (9, 5, 300), (9, 2, 2000)])
def test_the_images_needed_tell_four_times_out_of_five(gained: int, lost: int, of: int, level: float) -> None:
    needed = images_to_see_effect(gained, lost, of, level)
    assert needed is not None
    assert needed >= of
    assert 0.7 <= power(gained, lost, of, needed, level) <= 0.9


def test_fewer_images_than_were_seen_are_enough_for_a_clear_effect() -> None:
    needed = images_to_see_effect(300, 100, 10_000, LEVEL)
    assert needed is not None
    assert needed < 2_500
    assert 0.7 <= power(300, 100, 10_000, needed, LEVEL) <= 0.9


def test_images_that_did_not_tell_are_not_said_to_be_enough() -> None:
    """By the approximation, which the exact test does not follow so far down, 4 were."""
    assert mcnemar_p(5, 0) > LEVEL
    assert images_to_see_effect(5, 0, 5, LEVEL) == images_to_see_effect(0, 5, 5, LEVEL) == 5


@pytest.mark.parametrize("flips", [0, 1, 25])
def test_no_number_of_images_tells_where_no_effect_was_seen(flips: int) -> None:
    assert images_to_see_effect(flips, flips, 100, LEVEL) is None


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (1, 0), (3, 0), (6, 0), (7, 7), (2, 9), (40, 61)])
def test_mcnemar_is_the_exact_sign_test(gained: int, lost: int) -> None:
    flips, fewer = gained + lost, min(gained, lost)
    tail = sum(math.comb(flips, n) for n in range(fewer + 1)) / 2**flips
    assert mcnemar_p(gained, lost) == mcnemar_p(lost, gained) == pytest.approx(min(1.0, 2 * tail))


def test_images_to_distinguish_two_swaps_apart() -> None:
    one = right()
    other = flipped(one, gained=12, lost=30)
    assert (
        images_to_distinguish(one, other)
        == images_to_distinguish(other, one)
        == images_to_see_effect(12, 30, IMAGES, LEVEL)
    )
    assert images_to_distinguish(one, other.iloc[10:]) == images_to_see_effect(12, 20, IMAGES - 10, LEVEL)
    assert images_to_distinguish(one, one) is None
    assert images_to_distinguish(one, other.iloc[:0]) is None


# --- predictions and labels


def predictions(best: Sequence[Sequence[int]], names: Sequence[str] | None = None) -> pd.DataFrame:
    """As store.Predictions.read() gives them; no class at all is an image that could not be decoded."""
    return pd.DataFrame(
        {
            "image": names or [f"i{n:05}" for n in range(len(best))],
            "classes": [np.array(classes, np.int64) for classes in best],
            "logits": [np.arange(len(classes), 0, -1, dtype=np.float64) for classes in best],
            "error": [None if len(classes) else "truncated" for classes in best],
        }
    )


def test_an_image_is_scored_by_its_best_class_and_by_its_five_best() -> None:
    lists = [[7, 1, 2, 3, 4, 5], [1, 7, 2, 3, 4, 5], [1, 2, 3, 4, 7, 5], [1, 2, 3, 4, 5, 7]]
    found = scored(predictions(lists), {f"i{n:05}": 7 for n in range(4)})
    assert found.index.tolist() == ["i00000", "i00001", "i00002", "i00003"]
    assert found["best"].tolist() == [7, 1, 1, 1]
    assert found["top1"].tolist() == [True, False, False, False]
    assert found["top5"].tolist() == [True, True, True, False]
    assert (found["top1"].dtype, found["top5"].dtype) == (bool, bool)


def test_each_image_has_its_own_label() -> None:
    found = scored(predictions([[1, 2], [1, 2], [2, 1]]), {"i00002": 2, "i00000": 1, "i00001": 2})
    assert found["top1"].tolist() == [True, False, True]


def test_images_without_label_and_undecodable_ones_are_not_scored(tmp_path: Path) -> None:
    kept = Predictions(tmp_path)
    kept.append([("a", [1, 2], [2.0, 1.0]), ("c", [1, 2], [2.0, 1.0])], [("b", "truncated"), ("d", "truncated")])
    found = scored(kept.read(), {"a": 1, "b": 1, "e": 1})
    assert found.index.tolist() == ["a"]
    assert found["top1"].tolist() == [True]


def test_nothing_predicted_is_an_empty_table(tmp_path: Path) -> None:
    found = scored(Predictions(tmp_path).read(), {"a": 1})
    assert (len(found), found["top1"].dtype, found["top5"].dtype) == (0, bool, bool)


@pytest.mark.parametrize(("how", "read"), [("+1", [1, 8, 0]), ("-1", [999, 6, 998])])
def test_labels_one_off_go_round(how: str, read: list[int]) -> None:
    labels = {"a": 0, "b": 7, "c": 999}
    assert other_labels(how, labels, predictions([])) == dict(zip("abc", read, strict=True))


def told(
    classes: int, each: int, share: float, order: npt.NDArray[np.int_] | None = None
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Predictions of a network that has this share right, by its own order of the classes; and the labels."""
    rng = np.random.default_rng(1)
    truth = np.repeat(np.arange(classes), each)
    best = np.where(rng.random(len(truth)) < share, truth, rng.integers(0, classes, len(truth)))
    best = best if order is None else order[best]
    table = predictions([[label] for label in best], [f"n{n:04}/{i}" for n in range(classes) for i in range(each)])
    return table, dict(zip(table["image"], truth.tolist(), strict=True))


def accuracy(table: pd.DataFrame, labels: dict[str, int]) -> float:
    return float(scored(table, labels)["top1"].mean())


@pytest.mark.parametrize(("each", "share"), [(4, 1.0), (14, 1.0), (30, 0.7)])
def test_another_order_of_the_classes_is_told_from_the_predictions(each: int, share: float) -> None:
    order = np.random.default_rng(2).permutation(50)
    (plain, labels), (permuted, _) = told(50, each, share), told(50, each, share, order)
    assert accuracy(permuted, labels) < 0.1
    read = other_labels("order", labels, permuted)
    assert read.keys() == labels.keys()
    assert accuracy(permuted, read) == pytest.approx(accuracy(plain, labels), abs=0.01)
    assert {name: int(order[label]) for name, label in labels.items()} == read


def test_labels_in_the_right_order_stay_as_they_are() -> None:
    table, labels = told(50, 20, 0.7)
    assert other_labels("order", labels, table) == labels


@pytest.mark.parametrize("each", [1, 2, 4])
def test_no_image_speaks_for_its_own_label(each: int) -> None:
    """Of a network that knows nothing, every image would be right by the label that it gives itself."""
    table, labels = told(200, each, 0.0)
    assert accuracy(table, other_labels("order", labels, table)) < 0.05


def test_an_order_is_told_whatever_the_order_of_the_names() -> None:
    """Taken in turn, all images of a class would be in one half of them."""
    truth = np.tile([3, 5], 20)
    table = predictions([[8 - label] for label in truth])
    labels = dict(zip(table["image"], truth.tolist(), strict=True))
    assert accuracy(table, labels) == 0
    assert accuracy(table, other_labels("order", labels, table)) == 1


def test_a_single_image_of_a_class_keeps_its_label() -> None:
    table, labels = told(50, 1, 1.0, np.roll(np.arange(50), 7))
    assert other_labels("order", labels, table) == labels


def test_undecodable_images_tell_no_order_but_are_read_in_it() -> None:
    order = np.roll(np.arange(30), 3)
    table, labels = told(30, 14, 1.0, order)
    lists = [[] if n % 14 == 5 else classes for n, classes in enumerate(table["classes"])]
    read = other_labels("order", labels, predictions(lists, table["image"].to_list()))
    assert read.keys() == labels.keys()
    decoded = [name for name in labels if not name.endswith("/5")]
    assert {name: read[name] for name in decoded} == {name: int(order[labels[name]]) for name in decoded}


# --- conclusions


def swap(factor: int | str, status: Any) -> Swap:
    return Swap(f"f{factor}", "text", status)


@pytest.mark.parametrize(
    ("swaps", "outcome", "left"),
    [
        ([], "unexplained", ""),
        ([(1, "refuted"), (2, "not tried"), (3, "control")], "unexplained", ""),
        ([(1, "refuted"), (2, "fits"), (3, "not tried")], "named", "2"),
        ([(2, "fits"), (2, "fits"), (2, "refuted")], "named", "2"),
        ([(2, "fits"), (2, "undecided")], "named", "2"),
        ([(2, "undecided"), (1, "refuted"), (2, "fits")], "named", "2"),
        ([(1, "fits"), (2, "fits")], "ambiguous", "12"),
        ([(1, "undecided"), (2, "fits")], "ambiguous", "21"),
        ([(3, "undecided"), (2, "fits"), (1, "fits"), (2, "undecided")], "ambiguous", "213"),
        ([(1, "undecided")], "cannot_tell", "1"),
        ([(2, "undecided"), (1, "refuted"), (3, "undecided"), (2, "undecided")], "cannot_tell", "23"),
    ],
)
def test_a_cause_is_named_only_where_one_factor_is_left(
    swaps: list[tuple[int, str]], outcome: Outcome, left: str
) -> None:
    assert conclude([swap(*one) for one in swaps]) == (outcome, tuple(f"f{number}" for number in left))


def agreed(factor: str, status: Any, relative: float | None = 0.1) -> Agreement:
    return Agreement(factor, "text", status, relative=relative)


def concluded(*chain: Sequence[Agreement], own: float | None = 0.1, **single: Any) -> tuple[Outcome, tuple[str, ...]]:
    """`chain` begins with what stands for all of the preprocessing; `single` gives each factor's status."""
    baseline = Agreement("", "", "refuted", relative=own)
    return conclude_pair(baseline, [agreed(*one) for one in single.items()], chain)


MOVED = [agreed(PREPROCESSING, "refuted", 0.02)]
UNMOVED = [agreed(PREPROCESSING, "refuted", 0.1)]
SOLVED = [agreed(PREPROCESSING, "fits", 1e-6)]


@pytest.mark.parametrize("chain", [[UNMOVED], [MOVED], [SOLVED], [MOVED, [agreed("weights", "fits", 1e-6)]], []])
def test_a_factor_that_makes_sources_equal_alone_is_the_cause_whatever_else_does(
    chain: list[Sequence[Agreement]],
) -> None:
    assert concluded(*chain, filter="fits", decoder="refuted") == ("named", ("filter",))
    assert concluded(*chain, filter="fits", scale="refuted", decoder="fits") == ("ambiguous", ("filter", "decoder"))


def test_two_values_of_one_factor_are_one_cause() -> None:
    fits = [agreed("rounding", "fits"), agreed("rounding", "fits")]
    assert conclude_pair(agreed("", "refuted"), fits, []) == ("named", ("rounding",))


def test_preprocessing_of_which_no_one_factor_is_enough() -> None:
    assert concluded(SOLVED, filter="refuted", decoder="refuted") == ("together", ("filter", "decoder"))
    assert concluded(SOLVED) == ("together", ())
    network = [agreed("epsilon", "fits", 1e-6)]
    assert concluded(SOLVED, network, filter="refuted") == ("together", ("filter",))


@pytest.mark.parametrize("factor", ["weights", "epsilon", "activation"])
def test_what_makes_sources_equal_where_the_preprocessing_changed_nothing_is_the_cause(factor: str) -> None:
    assert concluded(UNMOVED, [agreed(factor, "fits", 1e-6)], filter="refuted") == ("named", (factor,))
    assert concluded(UNMOVED, [agreed(factor, "fits", 1e-6)]) == ("named", (factor,))


def test_what_came_nearer_by_the_preprocessing_has_it_for_a_cause_too() -> None:
    weights = [agreed("weights", "fits", 1e-6)]
    assert concluded(MOVED, weights, filter="refuted", decoder="refuted") == (
        "together",
        ("filter", "decoder", "weights"),
    )
    assert concluded(MOVED, weights) == ("together", (PREPROCESSING, "weights"))


def test_every_level_that_came_nearer_is_a_part_of_the_cause() -> None:
    network = [agreed("epsilon", "refuted", 0.3), agreed("activation", "fits", 1e-6)]
    nearer, as_far = [agreed("weights", "refuted", 0.05)], [agreed("weights", "refuted", 0.1)]
    assert concluded(UNMOVED, nearer, network, filter="refuted") == ("together", ("weights", "activation"))
    assert concluded(UNMOVED, as_far, network, filter="refuted") == ("named", ("activation",))
    no_nearer = [agreed("weights", "refuted", 0.020001)]
    assert concluded(MOVED, no_nearer, network, filter="refuted") == ("together", ("filter", "activation"))
    assert concluded(MOVED, nearer, network, filter="refuted") == ("together", ("filter", "weights", "activation"))


def test_nothing_that_is_taken_over_makes_sources_equal() -> None:
    network = [agreed("epsilon", "refuted", 0.01), agreed("activation", "not tried", None)]
    assert concluded(MOVED, [agreed("weights", "refuted", 0.05)], network, filter="refuted") == ("unexplained", ())
    assert concluded(UNMOVED, [], filter="refuted", decoder="not tried") == ("unexplained", ())
    assert concluded() == ("unexplained", ())


# --- two sources


def logits(images: int = 40) -> pd.DataFrame:
    """Six classes per image, others for each, of which the last two are all but equal."""
    rng = np.random.default_rng(0)
    values = [np.sort(rng.normal(5, 3, 6))[::-1] for _ in range(images)]
    made = predictions([list(range(n, n + 6)) for n in range(images)])
    return made.assign(logits=values)


def scaled(by: float | npt.NDArray[np.float64], made: pd.DataFrame | None = None) -> pd.DataFrame:
    made = logits() if made is None else made
    return made.assign(logits=[values * by for values in made["logits"]])


def test_equal_logits_agree() -> None:
    assert agreement("filter", "text", logits(), logits()) == Agreement("filter", "text", "fits", 40, 40, 0.0)


@pytest.mark.parametrize(("apart", "status"), [(1e-6, "fits"), (0.99, "fits"), (1.01, "refuted"), (100, "refuted")])
@pytest.mark.parametrize("sign", [-1, 1])
def test_logits_agree_up_to_rounding(apart: float, sign: int, status: str) -> None:
    found = agreement("", "", scaled(1 + sign * apart * ROUNDING), logits())
    assert found.status == status
    assert found.relative == pytest.approx(apart * ROUNDING)


def test_the_difference_is_relative_to_the_other_source() -> None:
    assert agreement("", "", scaled(3.0), logits()).relative == pytest.approx(2.0)
    assert agreement("", "", logits(), scaled(3.0)).relative == pytest.approx(2 / 3)


def test_one_image_that_is_far_off_is_enough_to_differ() -> None:
    made = logits()
    made.at[7, "logits"] = made.at[7, "logits"] * np.array([1, 1.2, 1, 1, 1, 1])
    assert agreement("", "", made, logits()).status == "refuted"


def test_classes_are_compared_by_what_they_are_and_not_by_their_place() -> None:
    made = logits()
    turned = made.assign(
        classes=[classes[::-1] for classes in made["classes"]], logits=[values[::-1] for values in made["logits"]]
    )
    found = agreement("", "", turned, made)
    assert (found.relative, found.status, found.same_class) == (0.0, "fits", 0)


@pytest.mark.parametrize(("above", "status"), [(0.0, "fits"), (0.002, "fits"), (1.0, "refuted")])
def test_a_class_that_one_alone_lists_counts_by_what_it_stands_above_the_last(above: float, status: str) -> None:
    made = logits()
    for n in range(len(made)):
        made.at[n, "classes"] = np.array([*range(n, n + 5), 999])
        made.at[n, "logits"] = made.at[n, "logits"] + np.array([0, 0, 0, 0, 0, above])
    for found, size in ((agreement("", "", made, logits()), logits()), (agreement("", "", logits(), made), made)):
        assert (found.status, found.same_class) == (status, 40)
        assert found.relative == pytest.approx(above * math.sqrt(40) / np.linalg.norm(np.stack(size["logits"])))


def test_lists_without_a_class_in_common_do_not_agree() -> None:
    other = predictions([list(range(n + 500, n + 506)) for n in range(40)])
    found = agreement("", "", logits(), other)
    assert (found.status, found.same_class) == ("refuted", 0)
    assert found.relative is not None
    assert found.relative > 0.1


def test_images_that_one_could_not_decode_or_does_not_have_are_left_out() -> None:
    one, other = logits(), logits()
    one.loc[3, "error"], other.loc[5, "error"] = "truncated", "truncated"
    one.at[3, "classes"], one.at[3, "logits"] = np.array([]), np.array([])
    found = agreement("", "", one.iloc[::-1], other.drop(9))
    assert (found.images, found.same_class, found.status) == (37, 37, "fits")


def test_no_image_in_common_is_no_agreement(tmp_path: Path) -> None:
    one, nothing = logits(), Predictions(tmp_path).read()
    renamed = one.assign(image=[f"x{name}" for name in one["image"]])
    for other in (renamed, nothing):
        assert agreement("", "", one, other) == agreement("", "", other, one) == Agreement("", "", "refuted")


def test_predictions_are_taken_as_they_lie_on_disk(tmp_path: Path) -> None:
    kept = Predictions(tmp_path)
    rows = [(n, c.tolist(), v.tolist()) for n, c, v in logits()[["image", "classes", "logits"]].values]
    kept.append(rows, [("i99999", "truncated")])
    found = agreement("", "", kept.read(), logits())
    assert (found.images, found.same_class, found.status) == (40, 40, "fits")
    assert found.relative is not None
    assert found.relative < 1e-7
