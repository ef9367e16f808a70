"""Stopping on a part of the images: against enumeration, exact chances and simulated runs; nothing is measured."""

import math
import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from builders import TIMM, claim, run
from scipy import stats

from harness.checks.accuracy.confidence import (
    ALPHA,
    PRIOR_IMAGES,
    Standing,
    confidence_set,
    judge,
    log_ratio,
    prior,
    sentence,
)
from harness.checks.accuracy.judge import allowed_counts, judge_accuracy
from harness.core.records import Outcome

UNIFORM = (1.0, 1.0)
IMAGENET = 50_000
TOP1 = (39_993.5, 40_006.5)  #: what 80.00 % allows of 50,000 images


def shuffled(runs: int, right: int, population: int, seed: int) -> npt.NDArray[np.int64]:
    """(runs, population): how many were right after 1, 2, ... images of each run."""
    images = np.tile(np.arange(population) < right, (runs, 1))
    return np.random.default_rng(seed).permuted(images, axis=1).cumsum(axis=1)


def looked_at(runs: int, right: int, every: int, seed: int) -> npt.NDArray[np.int64]:
    """(runs, looks): how many of IMAGENET were right after every so many images of each run."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((runs, IMAGENET // every), np.int64)
    found = np.zeros(runs, np.int64)
    for look in range(counts.shape[1]):
        left = IMAGENET - look * every
        found = found + rng.hypergeometric(right - found, left - (right - found), every)
        counts[:, look] = found
    return counts


def chance_ever(population: int, right: int, happens: Callable[[int, int], bool]) -> float:
    """That it happens after any number of images, of all orders; `happens` is asked (seen, right of those)."""
    chances, ever = {0: 1.0}, 0.0
    for seen in range(population + 1):
        ever += sum(chances.pop(found) for found in list(chances) if happens(seen, found))
        following: dict[int, float] = {}
        for found, chance in chances.items():
            hit = (right - found) / max(population - seen, 1)
            following[found + 1] = following.get(found + 1, 0) + chance * hit
            following[found] = following.get(found, 0) + chance * (1 - hit)
        chances = {found: chance for found, chance in following.items() if chance > 0}
    return ever


def stopped(allowed: tuple[float, float], counts: npt.NDArray[np.int64], every: int) -> list[Standing]:
    """The first decision of each run."""
    firsts = []
    for found in counts:
        standings = (judge(allowed, IMAGENET, every * n, int(k)) for n, k in enumerate(found, 1))
        firsts.append(next(standing for standing in standings if standing.decision))
    return firsts


# --- the ratio, by enumeration


def rising(start: int, factors: int) -> int:
    return math.prod(range(start, start + factors))


def prior_by_hand(population: int, a: int, b: int) -> list[Fraction]:
    """Pólya's urn: chance of each number of right images."""
    return [
        Fraction(math.comb(population, K) * rising(a, K) * rising(b, population - K), rising(a + b, population))
        for K in range(population + 1)
    ]


def ratios_by_hand(population: int, seen: int, right: int, a: int, b: int) -> list[Fraction | None]:
    """Bayes' rule, image by image drawn; None where the posterior is 0."""
    before = prior_by_hand(population, a, b)
    likely = [math.comb(K, right) * math.comb(population - K, seen - right) for K in range(population + 1)]
    total = sum(p * q for p, q in zip(before, likely, strict=True))
    return [p / (p * q / total) if q else None for p, q in zip(before, likely, strict=True)]


SMALL = [(seen, right) for seen in range(8) for right in range(seen + 1)]


@pytest.mark.parametrize(("a", "b"), [(1, 1), (3, 2), (1, 6)])
@pytest.mark.parametrize(("seen", "right"), SMALL)
def test_the_ratio_is_that_of_enumeration(seen: int, right: int, a: int, b: int) -> None:
    assert sum(prior_by_hand(7, a, b)) == 1
    by_hand = ratios_by_hand(7, seen, right, a, b)
    found = np.exp(log_ratio(np.arange(8), 7, seen, right, (a, b)))
    assert found == pytest.approx([math.inf if ratio is None else float(ratio) for ratio in by_hand], rel=1e-12)


@pytest.mark.parametrize(("a", "b"), [(1, 1), (3, 2), (1, 6)])
@pytest.mark.parametrize("alpha", [0.07, 0.31, 0.7])
@pytest.mark.parametrize(("seen", "right"), SMALL)
def test_the_confidence_set_is_that_of_enumeration(seen: int, right: int, alpha: float, a: int, b: int) -> None:
    by_hand = ratios_by_hand(7, seen, right, a, b)
    inside = [K for K, ratio in enumerate(by_hand) if ratio is not None and ratio < 1 / Fraction(alpha)]
    assert inside == list(range(inside[0], inside[-1] + 1))
    assert confidence_set(7, seen, right, (a, b), alpha) == (inside[0], inside[-1])


@pytest.mark.parametrize(("seen", "right"), [(0, 0), (300, 250), (10_000, 7_900), (49_900, 40_001)])
def test_at_full_size_the_ratio_is_that_of_two_beta_binomials(seen: int, right: int) -> None:
    a, b = prior(TOP1, IMAGENET)
    counts = np.arange(right, right + IMAGENET - seen + 1)
    before = stats.betabinom.logpmf(counts, IMAGENET, a, b)
    after = stats.betabinom.logpmf(counts - right, IMAGENET - seen, a + right, b + seen - right)
    assert log_ratio(counts, IMAGENET, seen, right, (a, b)) == pytest.approx(before - after, abs=1e-8)


def test_a_count_whose_ratio_is_just_one_over_alpha_is_outside() -> None:
    """By the levels at which the logarithm there and back is exact."""
    compared = 0
    for seen in range(20, 60):
        ratios = log_ratio(np.arange(101), 100, seen, 15, UNIFORM)
        for count in range(15, 101):
            alpha = math.exp(-ratios[count])
            if 0 < alpha < 1 and -math.log(alpha) == ratios[count]:
                compared += 1
                least, greatest = confidence_set(100, seen, 15, UNIFORM, alpha)
                assert not least <= count <= greatest
    assert compared > 100


def test_the_prior_is_most_likely_at_the_claim_and_weighs_what_it_says() -> None:
    for value in (0.0, 12.5, 80.0, 100.0):
        documented = value / 100 * IMAGENET
        a, b = prior((documented - 6.5, documented + 6.5), IMAGENET)
        assert a + b == pytest.approx(2 + PRIOR_IMAGES)
        chances = stats.betabinom.logpmf(np.arange(IMAGENET + 1), IMAGENET, a, b)
        assert abs(int(chances.argmax()) - documented) <= 1
    assert prior((60_000.0, 60_010.0), IMAGENET) == (1 + PRIOR_IMAGES, 1)
    assert prior((-20.0, -10.0), IMAGENET) == (1, 1 + PRIOR_IMAGES)


# --- how often it is wrong, exactly: over all orders of a few images, looked at after each


@pytest.mark.parametrize("alpha", [0.05, 0.3])
@pytest.mark.parametrize("before", [UNIFORM, (25.0, 9.0), (2.0, 40.0)])
def test_the_truth_leaves_the_set_with_a_chance_of_at_most_alpha(before: tuple[float, float], alpha: float) -> None:
    population, counts = 40, np.arange(41)
    outside = {
        (seen, right): log_ratio(counts, population, seen, right, before) >= -math.log(alpha)
        for seen in range(population + 1)
        for right in range(seen + 1)
    }

    def ever(truth: int) -> float:
        return chance_ever(population, truth, lambda seen, right: bool(outside[seen, right][truth]))

    # and not much smaller everywhere: the bound is no idle one
    assert alpha / 3 < max(ever(truth) for truth in counts) <= alpha


@pytest.mark.parametrize("allowed", [(30.0, 30.9), (18.5, 22.5), (3.0, 7.0)])
def test_a_decision_is_wrong_with_a_chance_of_at_most_alpha(allowed: tuple[float, float]) -> None:
    population, alpha = 40, 0.2
    decided = {
        (seen, right): judge(allowed, population, seen, right, alpha).decision
        for seen in range(population + 1)
        for right in range(seen + 1)
    }

    def ever(right: int, decision: str) -> float:
        return chance_ever(population, right, lambda seen, found: decided[seen, found] == decision)

    true = [K for K in range(population + 1) if allowed[0] <= K <= allowed[1]]
    false = [K for K in range(population + 1) if K not in true]
    assert 0 < max(ever(K, "refuted") for K in true) <= alpha
    assert max(ever(K, "holds") for K in false) <= alpha


# --- how often it is wrong, and how soon it tells: simulated runs


@pytest.mark.parametrize(("right", "expected"), [(1_600, 1_600), (1_900, 1_860), (1_000, 1_100), (20, 0)])
def test_the_truth_stays_in_the_set_of_nineteen_in_twenty_runs(right: int, expected: int) -> None:
    """Over 2,000 images, looked at after each; also where another count than the true one is documented.

    0.05 and three standard deviations of 1,000 runs are allowed.
    """
    population, alpha = 2_000, 0.05
    counts = shuffled(1_000, right, population, seed=right)
    before = prior((expected - 1.0, expected + 1.0), population)
    ratios = log_ratio(right, population, np.arange(1, population + 1), counts, before)
    left = (ratios >= -math.log(alpha)).any(axis=1).mean()
    assert left <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / len(counts))


def test_a_true_claim_is_seldom_refuted_and_never_at_the_end() -> None:
    """Two such claims, one at the edge of what it allows; the chance is that of ALPHA and three standard deviations."""
    every, looks = 500, np.arange(500, IMAGENET + 1, 500)
    for right in (40_000, 40_006):
        counts = looked_at(1_000, right, every, seed=right)
        ratios = [log_ratio(K, IMAGENET, looks, counts, prior(TOP1, IMAGENET)) for K in range(39_994, 40_007)]
        refuted = (np.min(ratios, axis=0) >= -math.log(ALPHA)).any(axis=1)
        assert refuted.mean() <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / len(counts))
        # what was told from the ratios is what the claims are told by
        for found in counts[~refuted][:1]:
            decisions = [judge(TOP1, IMAGENET, int(n), int(k)).decision for n, k in zip(looks, found, strict=True)]
            assert set(decisions) == {None, "holds"}
        for found in counts[refuted][:2]:
            decisions = [judge(TOP1, IMAGENET, int(n), int(k)).decision for n, k in zip(looks, found, strict=True)]
            assert "refuted" in decisions
            assert decisions[-1] == "holds"


@pytest.mark.parametrize(
    ("points", "every", "least", "greatest"),
    [(1, 500, 9_000, 17_500), (2, 250, 3_000, 5_600), (5, 100, 500, 1_300), (80, 10, 10, 100)],
)
def test_the_wider_the_gap_the_fewer_images_refute_it(points: int, every: int, least: int, greatest: int) -> None:
    """Medians when this was written: 15,500, 5,000, 900 and 30 images; of more runs see PRIOR_IMAGES."""
    counts = looked_at(41, 40_000 - 500 * points, every, seed=points)
    standings = stopped(TOP1, counts, every)
    assert {standing.decision for standing in standings} == {"refuted"}
    assert not any(standing.certain for standing in standings)
    assert least <= np.median([standing.seen for standing in standings]) <= greatest


def test_a_gap_above_the_claim_is_refuted_as_soon() -> None:
    standings = stopped(TOP1, looked_at(41, 41_000, 250, seed=0), 250)
    assert {standing.decision for standing in standings} == {"refuted"}
    assert 3_000 <= np.median([standing.seen for standing in standings]) <= 5_600


def test_a_claim_printed_without_decimals_is_confirmed_on_a_part() -> None:
    """80 % allows 301 images either way, which half to four fifths of them tell."""
    allowed = allowed_counts(claim("80", "top1"), IMAGENET)
    standings = stopped(allowed, looked_at(11, 40_000, 1_000, seed=3), 1_000)
    assert {standing.decision for standing in standings} == {"holds"}
    assert not any(standing.certain for standing in standings)
    assert 25_000 <= np.median([standing.seen for standing in standings]) <= 43_000


def test_without_the_shuffle_a_true_claim_is_refuted() -> None:
    """Folder by folder, where the network is right on 60 to 100 % of the images of a class, the poor classes first."""
    classes, each = 100, 20
    right = np.concatenate([np.arange(each) < round(each * share) for share in np.linspace(0.6, 1, classes)])
    population, total = right.size, int(right.sum())
    allowed = (total - 2.0, total + 2.0)

    def decisions(images: npt.NDArray[np.bool_]) -> set[str | None]:
        found = images.cumsum()
        return {judge(allowed, population, n, int(found[n - 1])).decision for n in range(100, population, 100)}

    assert "refuted" in decisions(right)
    assert "refuted" in decisions(right[::-1])
    rng = np.random.default_rng(5)
    assert sum("refuted" in decisions(rng.permutation(right)) for _ in range(100)) <= 5


# --- what does not depend on chance


@pytest.mark.parametrize("text", ["79.582", "79.58", "79.5", "80", "0.1", "100.0"])
def test_after_all_images_the_verdict_is_that_of_the_census(text: str) -> None:
    of = claim(text, "top1")
    low, high = allowed_counts(of, IMAGENET)
    edges = {math.floor(edge) + step for edge in (low, high) for step in (-1, 0, 1, 2)}
    verdicts = set()
    for count in sorted(edges & set(range(IMAGENET + 1))):
        standing = judge((low, high), IMAGENET, IMAGENET, count)
        census = judge_accuracy(of, TIMM, [run(top1_count=count)], 50_000, "").outcome
        assert census in (Outcome.WITHIN_REPETITIONS, Outcome.CONTRADICTED), "edges of what repetitions differ by"
        assert standing.decision == ("refuted" if census is Outcome.CONTRADICTED else "holds")
        assert (standing.possible, standing.bounds, standing.certain) == ((count, count), (count, count), True)
        verdicts.add(standing.decision)
    assert verdicts == {"holds", "refuted"}


def test_before_the_first_image_everything_is_possible() -> None:
    standing = judge(TOP1, IMAGENET, 0, 0)
    assert (standing.possible, standing.decision, standing.certain) == ((0, IMAGENET), None, False)


@pytest.mark.parametrize("allowed", [(50_001.0, 50_009.0), (-9.0, -1.0), (39_999.2, 39_999.8)])
def test_what_no_count_can_be_is_refuted_before_the_first_image(allowed: tuple[float, float]) -> None:
    standing = judge(allowed, IMAGENET, 0, 0)
    assert (standing.decision, standing.certain) == ("refuted", True)


@pytest.mark.parametrize(
    ("seen", "right", "decision"),
    [
        (90, 80, None),  # 80 to 90 in the end
        (95, 79, "holds"),  # 79 to 84
        (94, 79, None),  # 79 to 85
        (94, 78, None),  # 78 to 84
        (99, 84, None),
        (99, 83, "holds"),
        (90, 84, None),
        (90, 85, "refuted"),  # one more than allowed already
        (99, 78, None),
        (99, 77, "refuted"),  # one fewer, were the last right
    ],
)
def test_a_decision_that_the_rest_cannot_change_needs_no_chance(seen: int, right: int, decision: str | None) -> None:
    """79 to 84 of 100 are allowed; the level is one at which chance alone decides nothing."""
    standing = judge((79.0, 84.0), 100, seen, right, alpha=1e-9)
    assert (standing.decision, standing.certain) == (decision, decision is not None)
    assert standing.bounds == (right, right + 100 - seen)


def test_the_standing_says_what_it_was_made_of() -> None:
    standing = judge(TOP1, IMAGENET, 5_000, 3_800)
    assert (standing.population, standing.seen, standing.right) == (IMAGENET, 5_000, 3_800)
    assert (standing.allowed, standing.alpha, standing.decision) == (TOP1, ALPHA, "refuted")
    assert standing.possible == confidence_set(IMAGENET, 5_000, 3_800, prior(TOP1, IMAGENET), ALPHA)
    wider = judge(TOP1, IMAGENET, 5_000, 3_800, alpha=0.0001)
    assert wider.alpha == 0.0001
    assert wider.possible[0] < standing.possible[0] < standing.possible[1] < wider.possible[1]


@pytest.mark.parametrize(
    ("population", "seen", "right", "alpha"),
    [(100, 10, 11, 0.01), (100, 101, 50, 0.01), (100, 10, -1, 0.01), (0, 0, 0, 0.01), (9, 1, 1, 0), (9, 1, 1, 1)],
)
def test_numbers_that_no_run_can_give_are_an_error(population: int, seen: int, right: int, alpha: float) -> None:
    with pytest.raises(ValueError, match=f"{right} right of {seen} seen of {population} images"):
        judge((5.0, 6.0), population, seen, right, alpha)


def test_a_decision_costs_less_than_a_batch_of_images() -> None:
    """2 to 3 ms when this was written; with every hundred images it may not be felt."""
    took = []
    for _ in range(5):
        start = time.perf_counter()
        judge(TOP1, IMAGENET, 300, 240)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.02


# --- the sentence


def test_the_sentence_of_a_refuted_claim_gives_the_guarantee() -> None:
    standing = Standing(IMAGENET, 3_104, 2_301, (39_774.0, 39_786.0), (36_102, 38_455), "refuted", 0.01)
    assert sentence(standing) == (
        "refuted after 3,104 of 50,000 images in shuffled order: 2,301 right; between 36,102 and 38,455 of all are "
        "right (prior-posterior ratio, valid at any stopping time, wrong for at most 1 % of true claims), documented "
        "39,780 ± 6"
    )


def test_the_sentence_of_a_confirmed_claim_says_that_it_was_on_a_part() -> None:
    standing = judge((39_746.0, 40_254.0), IMAGENET, 45_000, 36_000, alpha=0.005)
    first, last = standing.possible
    assert sentence(standing) == (
        "holds after 45,000 of 50,000 images in shuffled order, confirmed on a part of the images: 36,000 right; "
        f"between {first:,} and {last:,} of all are right (prior-posterior ratio, valid at any stopping time, wrong "
        "for at most 0.5 % of false claims), documented 40,000 ± 254"
    )


def test_the_sentence_of_an_open_claim_decides_nothing() -> None:
    text = sentence(judge(TOP1, IMAGENET, 1_000, 800))
    assert text.startswith("undecided after 1,000 of 50,000 images in shuffled order: 800 right; between ")
    assert text.endswith("wrong for at most 1 % of claims), documented 40,000 ± 6.5")


def test_the_sentence_speaks_of_no_chance_where_the_rest_cannot_change_it() -> None:
    assert sentence(judge((79.0, 84.0), 100, 90, 85)) == (
        "refuted after 90 of 100 images in shuffled order: 85 right; between 85 and 95 of all are right (regardless of "
        "the rest), documented 81.5 ± 2.5"
    )
    assert sentence(judge((79.0, 84.0), 100, 99, 83)) == (
        "holds after 99 of 100 images in shuffled order, confirmed on a part of the images: 83 right; between 83 and "
        "84 of all are right (regardless of the rest), documented 81.5 ± 2.5"
    )


def test_the_sentence_after_all_images_gives_their_count_alone() -> None:
    assert sentence(judge(TOP1, IMAGENET, IMAGENET, 40_006)) == (
        "holds after all 50,000 images: 40,006 right, documented 40,000 ± 6.5"
    )
    assert sentence(judge((0.0, 0.5), 1, 1, 1)) == "refuted after all 1 image: 1 right, documented 0.25 ± 0.25"
