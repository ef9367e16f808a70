"""From counts of right images to an outcome: of all images, of a part, at two input sizes."""

import dataclasses
from typing import Any

import pytest
from builders import TIMM, claim, row, run

from harness.checks import repetitions
from harness.checks.accuracy import confidence
from harness.checks.accuracy.judge import allowed_counts, decided, judge_accuracy, plain_run
from harness.core.records import CheckpointUsed, Claim, Outcome, Run, Verdict

TOP1 = claim("79.582", "top1")  # 39,791 of 50,000 images


def judged(runs: list[Run], of: Claim = TOP1, is_imagenet_val: bool = True) -> Verdict:
    population = runs[0].images if is_imagenet_val else None
    return judge_accuracy(of, TIMM, runs, population, "1,000 images of 1,000 classes; not ImageNet val")


def judged_of(runs: list[Run], population: int) -> Verdict:
    return judge_accuracy(TOP1, TIMM, runs, population, "ImageNet val")


# --- how far off a count may be

SAME, OTHER = repetitions.limit("same", "top1"), repetitions.limit("other", "top1")


@pytest.mark.parametrize("off", [-SAME, 0, SAME])
def test_a_count_as_the_same_libraries_give_it_is_reproduced(off: int) -> None:
    found = judged([run(top1_count=39_791 + off)])
    assert (found.outcome, found.measured) == (Outcome.REPRODUCED, (39_791 + off) / 500)
    assert found.convention == "at 256 pixels"
    assert found.evidence["count"] == 39_791 + off
    assert found.evidence["images"] == 50_000


@pytest.mark.parametrize("off", [-OTHER, -SAME - 1, SAME + 1, 8, OTHER])
def test_a_count_as_other_libraries_give_it_is_within_repetitions(off: int) -> None:
    found = judged([run(top1_count=39_791 + off)])
    assert (found.outcome, found.measured) == (Outcome.WITHIN_REPETITIONS, (39_791 + off) / 500)
    share = found.evidence["share_of_repetitions_as_great"]
    assert 0 < share < 1
    assert f"off by {abs(off)} of 50,000 images; of " in (found.cause or "")
    assert f" {100 * share:.2g} % differ by as much or more" in (found.cause or "")


@pytest.mark.parametrize("off", [-OTHER - 1, OTHER + 1, -500, 500])
def test_a_count_beyond_all_repetitions_is_contradicted_on_either_side(off: int) -> None:
    found = judged([run(top1_count=39_791 + off)])
    assert (found.outcome, found.measured) == (Outcome.CONTRADICTED, (39_791 + off) / 500)
    assert found.evidence["off_by_images"] == pytest.approx(off)
    assert found.evidence["share_of_repetitions_as_great"] == 0
    assert f"off by {abs(off)} of 50,000 images; of " in (found.cause or "")
    assert f"none differs by more than {OTHER}" in (found.cause or "")


def test_the_greater_a_difference_the_fewer_repetitions_are_as_great() -> None:
    shares = [repetitions.as_great("top1", off)[0] for off in range(OTHER + 2)]
    assert shares == sorted(shares, reverse=True)
    assert (shares[0], shares[-1]) == (1, 0)


def test_an_author_who_measures_again_years_later_does_not_contradict_himself() -> None:
    """timm's cspdarknet53 in 2022 and in 2025."""
    assert judged([run(top1_count=40_039)], claim("80.062", "top1")).outcome is Outcome.WITHIN_REPETITIONS
    assert judged([run(top5_count=47_530)], claim("95.084", "top5")).outcome is Outcome.WITHIN_REPETITIONS


@pytest.mark.parametrize(("text", "half"), [("79.500", 0), ("79.50", 2), ("79.5", 25)])
@pytest.mark.parametrize("side", [-1, 1])
def test_half_the_last_printed_digit_is_allowed_on_top(text: str, half: int, side: int) -> None:
    """79.5 stands for 39,725 to 39,775 images, 79.50 for 39,748 to 39,752."""
    outcomes = {SAME: Outcome.REPRODUCED, SAME + 1: Outcome.WITHIN_REPETITIONS, OTHER: Outcome.WITHIN_REPETITIONS}
    for off, outcome in (outcomes | {OTHER + 1: Outcome.CONTRADICTED}).items():
        found = judged([run(top1_count=39_750 + side * (half + off))], claim(text, "top1"))
        assert found.outcome is outcome


def test_top5_is_judged_by_its_own_count_and_repetitions() -> None:
    top5 = claim("94.704", "top5")  # 47,352 images
    assert judged([run(top1_count=1, top5_count=47_352)], top5).outcome is Outcome.REPRODUCED
    assert judged([run(top1_count=47_352, top5_count=1)], top5).outcome is Outcome.CONTRADICTED
    beyond = repetitions.limit("other", "top5") + 1
    assert beyond < OTHER
    assert judged([run(top1_count=1, top5_count=47_352 + beyond)], top5).outcome is Outcome.CONTRADICTED


@pytest.mark.parametrize(("text", "documented", "half"), [("79.582", 39_791, 0.25), ("79.5", 39_750, 25)])
@pytest.mark.parametrize("images", [200_000, 50_000, 10_000, 500])
def test_of_fewer_images_repetitions_differ_by_the_root_and_of_more_in_proportion(
    text: str, documented: int, half: float, images: int
) -> None:
    low, high = allowed_counts(claim(text, "top1"), images)
    share = images / 50_000
    assert (low + high) / 2 == pytest.approx(documented * share)
    assert (high - low) / 2 == pytest.approx(half * share + OTHER * max(share, share**0.5))


# --- input sizes


@pytest.mark.parametrize(
    ("size", "runs", "plain"),
    [
        (256, [224, 256], 256),
        (256, [256, 224], 256),
        (None, [224, 256], 224),
        (192, [224, 256], 224),
    ],
)
def test_the_plain_run_is_the_one_at_the_rows_size_if_there_is_one(
    size: int | None, runs: list[int], plain: int
) -> None:
    assert plain_run(size, [run(input_size=one) for one in runs]).input_size == plain


def test_the_run_at_the_rows_size_is_the_plain_one() -> None:
    found = judged([run(top1_count=39_000, input_size=224), run(top1_count=39_791, input_size=256)])
    assert (found.outcome, found.measured, found.convention) == (Outcome.REPRODUCED, 79.582, "at 256 pixels")


def test_a_figure_of_the_sources_own_size_is_explained_beside_the_plain_value() -> None:
    found = judged([run(top1_count=39_791, input_size=224), run(top1_count=39_000, input_size=256)])
    assert (found.outcome, found.measured) == (Outcome.EXPLAINED, 78.0)
    assert found.convention == "at 224 pixels, the source's own input size"
    assert found.evidence["input_size"] == 256


def test_a_figure_of_neither_size_is_contradicted() -> None:
    found = judged([run(top1_count=39_700, input_size=224), run(top1_count=39_000, input_size=256)])
    assert (found.outcome, found.measured) == (Outcome.CONTRADICTED, 78.0)


@pytest.mark.parametrize(("right", "outcome"), [(39_790, Outcome.EXPLAINED), (39_000, Outcome.CONTRADICTED)])
def test_a_run_with_an_undecodable_image_explains_what_that_image_cannot_change(right: int, outcome: Outcome) -> None:
    other = run(top1_count=right, images=49_999, input_size=224, decode_errors={"a.JPEG": "truncated"})
    assert judged_of([other, run(top1_count=39_000)], 50_000).outcome is outcome


def test_without_a_run_at_the_rows_size_another_size_can_explain_but_never_contradict() -> None:
    explained = judged([run(top1_count=39_791, input_size=224)])
    assert (explained.outcome, explained.measured) == (Outcome.EXPLAINED, None)
    unknown = judged([run(top1_count=39_000, input_size=224)])
    assert (unknown.outcome, unknown.measured) == (Outcome.NOT_MEASURED, None)
    assert unknown.cause == "it was measured at 224 pixels only, not at the row's 256"


def test_where_the_row_says_no_size_the_sources_own_is_the_plain_one() -> None:
    of = claim("79.582", "top1", of=row(input_size=None))
    found = judged([run(top1_count=39_791, input_size=288)], of)
    assert (found.outcome, found.convention) == (Outcome.REPRODUCED, "at 288 pixels")


# --- what cannot be judged


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"checkpoint": CheckpointUsed("a.pth", "0" * 64, None, "stand-in: seed 0")},
            "stand-in weights, which say nothing about the documented accuracy",
        ),
        ({"label_note": "labels look off by one"}, "labels look off by one"),
    ],
)
def test_a_run_that_proves_nothing_is_not_measured(fields: dict[str, Any], reason: str) -> None:
    for count in (39_791, 100):
        found = judged([run(top1_count=count, **fields)])
        assert (found.outcome, found.measured, found.cause) == (Outcome.NOT_MEASURED, None, reason)
        assert found.evidence["count"] == count
        assert found.requested


def test_images_that_are_not_imagenet_val_prove_nothing() -> None:
    found = judged([run(images=1000, top1_count=796)], is_imagenet_val=False)
    assert (found.outcome, found.measured) == (Outcome.NOT_COMPARABLE, 79.6)
    assert found.cause == (
        "796 of 1,000 images are right, 79.60 % (95 %: 76.99 to 81.98), which is no figure of the document's, since "
        "the data is not ImageNet val (1,000 images of 1,000 classes; not ImageNet val)"
    )


# --- images that could not be decoded, which may be right or wrong


@pytest.mark.parametrize(
    ("right", "lost", "outcome"),
    [
        (39_790, 1, Outcome.REPRODUCED),
        (39_792, 1, Outcome.WITHIN_REPETITIONS),
        (39_791 + OTHER, 1, Outcome.NOT_MEASURED),
        (39_791 + OTHER + 1, 1, Outcome.CONTRADICTED),
        (39_791 - OTHER - 2, 1, Outcome.CONTRADICTED),
        (39_791 - OTHER - 2, 2, Outcome.NOT_MEASURED),
        (39_000, 500, Outcome.CONTRADICTED),
        (39_500, 500, Outcome.NOT_MEASURED),
    ],
)
def test_an_undecodable_image_decides_only_where_it_can(right: int, lost: int, outcome: Outcome) -> None:
    errors = {f"{number}.JPEG": "truncated" for number in range(lost)}
    found = judged_of([run(top1_count=right, images=50_000 - lost, decode_errors=errors)], 50_000)
    assert found.outcome is outcome
    assert "could not be decoded" in (found.cause or "")


def test_an_undecodable_image_in_a_part_is_one_of_those_seen() -> None:
    whole = part(45_000, 36_000)
    lost = dataclasses.replace(whole, images=44_999, decode_errors={"a.JPEG": "truncated"})
    found = judged_part([lost])
    assert found.outcome is Outcome.REPRODUCED
    assert found.evidence["possible_counts"][1] >= judged_part([whole]).evidence["possible_counts"][1]


# --- a part of the images

#: of 50,000 images
PARTS = {"refuted": (2_000, 1_200), "undecided": (2_000, 1_592), "holds": (45_000, 36_000)}
EIGHTY = claim("80", "top1")


def part(images: int, right: int, **fields: Any) -> Run:
    return run(images=images, top1_count=right, planned=50_000, **fields)


def judged_part(runs: list[Run], of: Claim = EIGHTY, population: int | None = 50_000) -> Verdict:
    return judge_accuracy(of, TIMM, runs, population, "a part of it")


def test_a_part_may_refute() -> None:
    found = judged_part([part(*PARTS["refuted"])])
    assert (found.outcome, found.measured, found.convention) == (Outcome.CONTRADICTED, 60.0, "at 256 pixels")
    assert (found.cause or "").startswith(
        "refuted after 2,000 of 50,000 images in shuffled order: 1,200 right; between"
    )
    assert found.evidence["images"] == 2_000
    assert found.evidence["count"] == 1_200
    assert found.evidence["population"] == 50_000
    assert found.evidence["error_rate"] == confidence.ALPHA
    first, last = found.evidence["possible_counts"]
    assert 25_000 < first < 30_000 < last < 35_000
    assert f"between {first:,} and {last:,} of all are right" in (found.cause or "")
    assert found.evidence["possible_percent"] == [first / 500, last / 500]
    assert "off_by_images" not in found.evidence, "nobody knows by how many"


def test_a_part_may_confirm_and_says_so() -> None:
    found = judged_part([part(*PARTS["holds"])])
    assert (found.outcome, found.measured) == (Outcome.REPRODUCED, 80.0)
    assert "holds after 45,000 of 50,000 images in shuffled order, confirmed on a part of the images" in (
        found.cause or ""
    )
    first, last = found.evidence["possible_counts"]
    assert 39_746 <= first < last <= 40_254


def test_a_part_may_leave_it_open() -> None:
    found = judged_part([part(*PARTS["undecided"])])
    assert (found.outcome, found.measured, found.requested) == (Outcome.NOT_MEASURED, None, True)
    assert (found.cause or "").startswith("undecided after 2,000 of 50,000 images in shuffled order: 1,592 right; ")
    assert found.evidence["population"] == 50_000


@pytest.mark.parametrize("right", [1_590, 1_591, 1_592, 1_593, 1_600])
def test_what_is_allowed_is_that_of_all_images(right: int) -> None:
    """Of 2,000 images alone 1,591.6 would be documented, give or take 0.2."""
    found = judged_part([part(2_000, right)], TOP1)
    assert found.outcome is Outcome.NOT_MEASURED
    assert (found.evidence["documented_count"], found.evidence["allowed_images"]) == pytest.approx(
        (39_791, OTHER + 0.25)
    )


def test_all_images_are_no_part() -> None:
    for right, outcome in ((40_000, Outcome.REPRODUCED), (30_000, Outcome.CONTRADICTED)):
        found = judged_part([run(top1_count=right)])
        assert found.outcome is outcome
        assert found.evidence["off_by_images"] == right - 40_000
        assert {"population", "possible_counts", "error_rate"} & set(found.evidence) == set()


def test_each_metric_is_judged_by_its_own_count_of_the_part() -> None:
    both = part(2_000, 1_592, top5_count=1_200)
    assert judged_part([both], claim("80", "top1")).outcome is Outcome.NOT_MEASURED
    assert judged_part([both], claim("80", "top5")).outcome is Outcome.CONTRADICTED


OUTCOMES = {"holds": Outcome.REPRODUCED, "refuted": Outcome.CONTRADICTED, "undecided": Outcome.NOT_MEASURED}


@pytest.mark.parametrize("own", PARTS)
@pytest.mark.parametrize("plain", PARTS)
def test_a_part_at_another_size_explains_only_what_is_refuted_at_the_rows(plain: str, own: str) -> None:
    found = judged_part([part(*PARTS[own], input_size=224), part(*PARTS[plain])])
    assert found.evidence["input_size"] == 256
    if plain != "refuted":
        assert found.outcome is OUTCOMES[plain]
        return
    assert (found.cause or "").startswith("refuted after 2,000 of 50,000 images")
    at_its_own = "at 224 pixels, the source's own input size"
    if own == "holds":
        assert (found.outcome, found.measured) == (Outcome.EXPLAINED, 60.0)
        assert f"; reproduced {at_its_own} (holds after 45,000 of 50,000 images" in (found.cause or "")
    elif own == "undecided":
        assert (found.outcome, found.measured) == (Outcome.NOT_MEASURED, None)
        assert f"; {at_its_own}, undecided after 2,000 of 50,000 images" in (found.cause or "")
    else:
        assert (found.outcome, found.measured) == (Outcome.CONTRADICTED, 60.0)


def test_without_a_run_at_the_rows_size_a_part_can_explain_and_never_contradict() -> None:
    explained = judged_part([part(*PARTS["holds"], input_size=224)])
    assert (explained.outcome, explained.measured) == (Outcome.EXPLAINED, None)
    for other in ("refuted", "undecided"):
        found = judged_part([part(*PARTS[other], input_size=224)])
        assert found.outcome is Outcome.NOT_MEASURED
        assert found.cause == "it was measured at 224 pixels only, not at the row's 256"


@pytest.mark.parametrize("which", PARTS)
def test_a_part_that_proves_nothing_is_not_measured(which: str) -> None:
    stand_in = CheckpointUsed("a.pth", "0" * 64, None, "stand-in: seed 0")
    for fields, reason in (
        ({"checkpoint": stand_in}, "stand-in weights"),
        ({"label_note": "labels look off by one"}, "labels look off by one"),
    ):
        found = judged_part([part(*PARTS[which], **fields)])
        assert found.outcome is Outcome.NOT_MEASURED
        assert reason in (found.cause or "")
    assert "is not ImageNet val (a part of it)" in (judged_part([part(*PARTS[which])], population=None).cause or "")


def test_a_run_may_stop_where_the_verdict_would_be_more_than_not_measured() -> None:
    assert not decided(EIGHTY, 50_000, 0, 0)
    assert not decided(claim("120", "top1"), 50_000, 0, 0), "not even what cannot be is decided without an image"
    for images in (500, 2_000, 20_000, 45_000, 49_000, 50_000):
        for share in (0.6, 0.77, 0.79, 0.795, 0.8, 0.82):
            right = round(share * images)
            found = judged_part([part(images, right)])
            assert decided(EIGHTY, 50_000, images, right) is (found.outcome is not Outcome.NOT_MEASURED)


@pytest.mark.parametrize("text", ["64.1", "64.6", "78.1", "89.9"])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_count_just_at_the_edge_is_allowed_whatever_a_float_makes_of_it(text: str, side: int) -> None:
    right = round(float(text) * 500) + side * (25 + OTHER)
    assert judged([run(right)], claim(text, "top1")).outcome is Outcome.WITHIN_REPETITIONS
    assert judged([run(right + side)], claim(text, "top1")).outcome is Outcome.CONTRADICTED


def test_an_accuracy_whose_column_names_a_size_is_of_that_size() -> None:
    of = dataclasses.replace(claim("83.10", "top1", row(input_size=None)), counted_at=384)
    at_224, at_384 = run(40_900, input_size=224), run(41_550, input_size=384)
    found = judged([at_224, at_384], of)
    assert (found.outcome, found.convention) == (Outcome.REPRODUCED, "at 384 pixels")
    assert judged([at_224], of).outcome is Outcome.NOT_MEASURED
    assert judged([at_224, run(41_000, input_size=384)], of).outcome is Outcome.CONTRADICTED
