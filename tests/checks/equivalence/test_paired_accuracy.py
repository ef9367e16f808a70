"""Two networks over the same images: counts, flips, near ties and equivalence, on predictions made up here."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from harness.checks.equivalence.paired_accuracy import (
    ENOUGH_DISCORDANT,
    LEVEL,
    Paired,
    compare,
    equivalence_p,
    images_to_show_equivalence,
    sentence,
)
from harness.core.errors import MeasurementError
from harness.execution.predictions import Predictions

TRUTH = 7
CLASSES = [TRUTH, 1, 2, 3, 4, 5]
LOGITS = [9.0, 6.0, 5.0, 4.0, 3.0, 2.0]


def table(images: int, noise: float = 0.0, **answers: tuple[list[int], list[float]]) -> pd.DataFrame:
    """Every image right by 3 logits, but for `answers` (image -> classes and logits); noise in logit units."""
    rng = np.random.default_rng(0)
    rows = [(f"i{n:05}", *answers.get(f"i{n:05}", (CLASSES, LOGITS))) for n in range(images)]
    return pd.DataFrame(
        {
            "image": [name for name, _, _ in rows],
            "classes": [classes for _, classes, _ in rows],
            "logits": [np.float32(np.array(logits) + noise * rng.uniform(-1, 1, 6)) for _, _, logits in rows],
            "error": [None] * images,
        }
    )


def swapped(margin: float, by: float = 0.0) -> tuple[list[int], list[float]]:
    """The truth second, by `margin` logits; `by` is added to all."""
    return [1, TRUTH, 2, 3, 4, 5], [logit + by for logit in (9.0, 9.0 - margin, 5.0, 4.0, 3.0, 2.0)]


def labels(images: int) -> dict[str, int]:
    return {f"i{n:05}": TRUTH for n in range(images)}


def compared(images: int = 500, margin: float = 0.1, **b: tuple[list[int], list[float]]) -> Paired:
    return compare(table(images), table(images, **b), labels(images), margin)


def counted(images: int, only_a: int, only_b: int, margin: float = 0.1) -> Paired:
    """What compare() makes of these counts, as far as equivalence goes."""
    p = equivalence_p(images, only_a, only_b, margin)
    plain = compare(table(1), table(1), labels(1), margin)
    difference = 100 * (only_b - only_a) / images
    counts = {"images": images, "only_a": only_a, "only_b": only_b, "difference": difference}
    return dataclasses.replace(plain, **counts, equivalent=p < LEVEL, equivalence_p=p)  # type: ignore[arg-type]


# --- counts


def test_the_same_predictions_differ_in_nothing() -> None:
    found = compared()
    assert (found.images, found.both_right, found.same_class) == (500, 500, 500)
    assert (found.both_wrong, found.only_a, found.only_b, found.flipped, found.near_ties) == (0, 0, 0, (), 0)
    assert (found.difference, found.mcnemar_p, found.logit_difference) == (0, 1, 0)
    assert found.largest_margin_of_a_flip is None


def test_every_image_falls_into_its_cell() -> None:
    wrong, also_wrong = ([2, 3, 4, 5, 6, 8], LOGITS), ([3, 2, 4, 5, 6, 8], LOGITS)
    a = table(10, i00001=swapped(1), i00002=wrong, i00003=wrong)
    b = table(10, i00002=wrong, i00003=also_wrong, i00004=swapped(1), i00005=swapped(1))
    found = compare(a, b, labels(10))
    assert (found.both_right, found.both_wrong, found.only_a, found.only_b) == (5, 2, 2, 1)
    assert found.flipped == ("i00001", "i00003", "i00004", "i00005")
    assert found.same_class == 6
    assert found.difference == pytest.approx(-10)
    assert compare(b, a, labels(10)).difference == pytest.approx(10)


def test_only_images_with_a_label_that_both_decoded_count() -> None:
    a, b = table(10), table(10, i00009=swapped(1))
    a.loc[0, "error"] = b.loc[1, "error"] = "truncated"
    known = {name: label for name, label in labels(10).items() if name not in ("i00002", "i00009")}
    found = compare(a, b.drop(3).sample(frac=1, random_state=1), known)
    assert (found.images, found.both_right, found.flipped) == (5, 5, ())


def test_no_image_in_common_is_an_error() -> None:
    with pytest.raises(MeasurementError, match="no image"):
        compare(table(3), table(3), {})


def test_predictions_are_taken_as_they_lie_on_disk(tmp_path: Path) -> None:
    tables = []
    for name, answers in (("a", {}), ("b", {"i00003": swapped(1)})):
        predictions = Predictions(tmp_path / name)
        predictions.folder.mkdir()
        rows = [(n, c, [float(x) for x in z]) for n, c, z in table(9, **answers)[["image", "classes", "logits"]].values]
        predictions.append(rows, [("i00009", "truncated")])
        tables.append(predictions.read())
    found = compare(tables[0], tables[1], labels(10))
    assert (found.images, found.only_a, found.flipped) == (9, 1, ("i00003",))


@pytest.mark.parametrize(("only_a", "only_b", "p"), [(1, 1, 1.0), (0, 6, 2 / 64), (8, 0, 2 / 256)])
def test_mcnemar_is_exact(only_a: int, only_b: int, p: float) -> None:
    a = table(20, **{f"i{n:05}": swapped(1) for n in range(only_b)})
    b = table(20, **{f"i{n:05}": swapped(1) for n in range(10, 10 + only_a)})
    assert compare(a, b, labels(20)).mcnemar_p == pytest.approx(p)


# --- flips and near ties


def test_a_flip_within_the_usual_difference_is_a_near_tie_and_a_clear_one_is_not() -> None:
    a, b = table(500, noise=0.01), table(500, i00003=swapped(0.005), i00004=swapped(2.0))
    found = compare(a, b, labels(500))
    assert found.near_tie_limit == pytest.approx(2 * 0.0095, rel=0.05)
    assert found.flipped == ("i00003", "i00004")
    assert found.near_ties == 1
    assert found.largest_margin_of_a_flip == pytest.approx(2.0)


def test_one_source_that_hardly_decided_is_enough() -> None:
    """The first decides by 3 logits, the second by nearly none: a difference that the images show elsewhere can be."""
    a, b = table(500, noise=0.01), table(500, i00003=swapped(0.001))
    assert compare(a, b, labels(500)).near_ties == compare(b, a, labels(500)).near_ties == 1
    assert compare(a, b, labels(500)).largest_margin_of_a_flip == pytest.approx(0.001, abs=1e-5)


def test_a_flipped_image_does_not_excuse_itself() -> None:
    """On a flipped image the logits always differ by half the margin or more, so the others must set the limit."""
    clear = swapped(2.0, by=5.0)
    a, b = table(20, noise=0.01), table(20, i00003=clear, i00004=clear, i00005=clear)
    found = compare(a, b, labels(20))
    assert found.logit_difference > 1  # over all images, as asked
    assert (len(found.flipped), found.near_ties) == (3, 0)


def test_logits_are_compared_class_by_class_where_both_list_the_class() -> None:
    a = compare(table(1), table(1, i00000=([TRUTH, 2, 1, 3, 4, 99], [9.0, 6.0, 5.0, 4.0, 3.0, -50.0])), labels(1))
    assert a.logit_difference == pytest.approx(np.percentile([0, 1, 1, 0, 0], 95))
    nothing = compare(table(1), table(1, i00000=([11, 12, 13, 14, 15, 16], LOGITS)), labels(1))
    assert (nothing.logit_difference, nothing.near_ties, len(nothing.flipped)) == (0, 0, 1)


# --- equivalence


@pytest.mark.parametrize(("images", "equivalent"), [(500, False), (2_994, False), (2_995, True)])
def test_without_discordant_images_the_exact_bound_decides(images: int, equivalent: bool) -> None:
    """(1 - 0.001)^2995 is the first power under 0.05."""
    assert (equivalence_p(images, 0, 0, 0.1) < LEVEL) == equivalent


@pytest.mark.parametrize("discordant", [0, 1, 5, 29])
@pytest.mark.parametrize("images", [500, 5_000, 30_000, 50_000])
def test_the_exact_p_says_what_the_clopper_pearson_limit_says(discordant: int, images: int) -> None:
    limit = proportion_confint(discordant, images, alpha=2 * LEVEL, method="beta")[1]
    assert (equivalence_p(images, discordant, 0, 0.1) < LEVEL) == (limit < 0.001)


def test_with_enough_discordant_images_both_t_tests_must_pass() -> None:
    differences = np.repeat([-1.0, 1.0, 0.0], [20, 30, 29_950])
    p = max(
        stats.ttest_1samp(differences, -0.001, alternative="greater").pvalue,
        stats.ttest_1samp(differences, 0.001, alternative="less").pvalue,
    )
    assert equivalence_p(30_000, 20, 30, 0.1) == pytest.approx(p)
    assert equivalence_p(30_000, 30, 20, 0.1) == pytest.approx(p)
    assert p < LEVEL


def test_two_networks_that_differ_by_the_margin_are_seldom_called_equivalent() -> None:
    """All discordant images on one side is the worst case; the t tests alone would pass one in five here."""
    images = 3_000
    chances = stats.binom.pmf(np.arange(30), images, 0.001)
    level = sum(chance for k, chance in enumerate(chances) if equivalence_p(images, 0, k, 0.1) < LEVEL)
    assert level <= LEVEL


@pytest.mark.parametrize("only_b", [ENOUGH_DISCORDANT, 40, 500])
def test_all_images_on_one_side_is_no_equivalence(only_b: int) -> None:
    assert equivalence_p(only_b, 0, only_b, 0.1) == pytest.approx(1)


def test_the_margin_is_the_callers() -> None:
    assert not compared(margin=0.1).equivalent
    assert compared(margin=1.0).equivalent
    assert compared(margin=1.0).margin == 1.0


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (1, 1), (0, 1), (3, 2), (40, 40), (60, 48)])
def test_four_samples_in_five_of_the_images_needed_pass(only_a: int, only_b: int) -> None:
    """Drawn with the observed proportions; at two thirds of the images fewer do."""
    images = 20_000 if only_a >= 40 else 9_000 if only_a else 2_000
    needed = images_to_show_equivalence(counted(images, only_a, only_b))
    assert needed is not None
    rng = np.random.default_rng(only_a)

    def passing(n: int) -> float:
        drawn = rng.multinomial(n, [only_a / images, only_b / images, 1 - (only_a + only_b) / images], 400)
        return float(np.mean([equivalence_p(n, int(a), int(b), 0.1) < LEVEL for a, b, _ in drawn]))

    assert passing(needed) >= 0.74
    assert passing(needed * 2 // 3) < 0.8


def test_a_difference_beyond_the_margin_cannot_be_mended_by_more_images() -> None:
    assert images_to_show_equivalence(counted(500, 3, 1)) is None
    assert images_to_show_equivalence(counted(500, 0, 0)) == 2_995


# --- the sentence


def test_the_sentence_counts_images() -> None:
    a, b = table(500, noise=0.01, i00003=swapped(0.002)), table(500, i00004=swapped(0.001))
    text = sentence(compare(a, b, labels(500)), "timm", "mmcls")
    assert text.startswith(
        "timm and mmcls give the same best class on 498 of 500 images; 1 image is right only with timm and 1 only "
        "with mmcls (exact McNemar p = 1); 95 % of the logits that both give differ by at most 0.00"
    )
    assert "2 of 2 flips are near ties" in text
    assert "equivalent within 0.1 points: cannot be decided from 500 images; it takes about " in text


def test_the_sentence_without_a_flip_says_nothing_of_ties() -> None:
    text = sentence(compared(), "timm", "mmcls")
    assert "500 of 500 images; 0 images are right only with timm and 0 only with mmcls" in text
    assert "flip" not in text
    assert text.endswith("cannot be decided from 500 images; it takes about 3,000")


def test_the_sentence_says_equivalent_only_where_it_is() -> None:
    assert "equivalent within 0.1 points (p = 0.05)" in sentence(counted(2_995, 0, 0), "a", "b")
    far = sentence(compared(i00001=swapped(1), i00002=swapped(1)), "timm", "mmcls")
    assert "0 of 2 flips are near ties" in far
    assert "not shown to be equivalent within 0.1 points: on these images they differ by -0.4 points" in far
