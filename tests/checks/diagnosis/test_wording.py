"""What is said of an outcome: every count and swap by name, in whole sentences."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from builders import run

from harness.checks.diagnosis.attribution import PREPROCESSING, Agreement, Outcome, Swap, Target
from harness.checks.diagnosis.wording import against_document, against_source, holding, without_document
from harness.core.records import Metric, Run

WHOLE = Target(
    50_000,
    {"top1": (39_787.0, 39_795.0), "top5": (47_348.0, 47_356.0)},
    {"top1": 39_391, "top5": 47_352},
)
#: the same documented figures, of which the run saw 1,000 images
SAMPLE = Target(50_000, WHOLE.allowed, None)

CAUSE = Swap(
    "filter", "bilinear instead of bicubic", "fits", images=50_000, changed=900, gained=621, lost=221, gained5=7,
    lost5=8, top1=(39_791, 39_791), top5=(47_351, 47_351), p=1.234e-9, needed=4_321,
)  # fmt: skip
REFUTED = [
    Swap("scale", "not divided by 255 instead of divided by 255", "refuted", images=256, p=1.0),
    Swap("decoder", "OpenCV instead of PIL", "refuted", images=256, p=1.0),
]
UNTRIED = Swap("input size", "288 pixels", "not tried", why="the network takes 224 pixels alone")
CHANCE = Swap(
    "antialias", "not antialiased instead of antialiased", "undecided", images=1_000, gained=3, lost=1,
    top1=(39_000, 40_500), p=0.62, needed=12_345,
)  # fmt: skip
RARE = Swap("rounding", "long side: round instead of floor", "undecided", images=1_000, gained=1, p=1.0, needed=98_765)


def sound(text: str) -> str:
    """A text that no field was left out of; its caller ends the sentence."""
    assert not re.search(r"None(?! of \d+ swaps)", text), text
    for odd in ("  ", " .", " ,", " ;", "()", "..", "nan", ": ;"):
        assert odd not in text, (odd, text)
    assert text == text.strip()
    assert not text.endswith((".", ";", ",", ":"))
    return text


def documented(
    outcome: Outcome,
    *swaps: Swap,
    about: Target = WHOLE,
    apart: int | None = None,
    factors: tuple[str, ...] = (),
    **of: Any,
) -> str:
    fields = {"top1_count": 39_391, **of}
    return sound(against_document(run(**fields), about, ["top1"], outcome, factors, swaps, apart))


# --- what is missed


def test_the_gap_is_told_in_images() -> None:
    text = documented("unexplained", *REFUTED)
    assert text.startswith("top1 is 39,391 of 50,000 images, documented 39,791 (-400). ")
    assert documented("unexplained", top1_count=39_801).startswith(
        "top1 is 39,801 of 50,000 images, documented 39,791 (+10). "
    )


def test_every_figure_that_is_missed_is_told() -> None:
    off: list[Metric] = ["top1", "top5"]
    text = sound(against_document(run(39_391, 47_300), WHOLE, off, "unexplained", (), REFUTED, None))
    assert "top1 is 39,391 of 50,000 images, documented 39,791 (-400) and top5 is 47,300 of 50,000" in text
    assert "documented 47,352 (-52)" in text


def test_a_sample_is_told_with_what_it_should_have() -> None:
    text = documented("unexplained", *REFUTED, about=SAMPLE, top1_count=710, images=1_000)
    # 39,791 of 50,000 are 795.82 of 1,000
    assert text.startswith("top1 is 710 of 1,000 images, where the document implies 796. ")


# --- the cause of a documented figure


def test_a_cause_is_named_with_its_counts() -> None:
    worse = Swap("filter", "nearest instead of bicubic", "refuted", images=256, gained=1, lost=99, p=1e-12)
    text = documented("named", REFUTED[0], worse, CAUSE, REFUTED[1], UNTRIED, factors=("filter",))
    for told in (
        "The cause is the filter: with bilinear instead of bicubic, ",
        "top1 is 39,791 and top5 is 47,351 of 50,000 images",
        "of 50,000 images 621 are right with it alone and 221 without it alone",
        "p = 1e-09 after Holm",
        "3 other swaps are refuted",
    ):
        assert told in text
    assert "would too" not in text


def test_totals_that_are_not_known_exactly_are_told_as_a_range() -> None:
    seen = Swap("filter", "bilinear", "fits", images=1_024, gained=30, lost=8, top1=(39_100, 40_200), p=1e-4)
    text = documented("named", seen, factors=("filter",), about=SAMPLE, top1_count=710, images=1_024)
    assert "with bilinear, top1 is 39,100 to 40,200 of 50,000 images; of 1,024 images 30 are" in text
    assert "top5" not in text


def test_other_values_of_the_cause_that_fit_are_told() -> None:
    second = Swap("filter", "lanczos instead of bicubic", "fits", images=50_000, gained=500, lost=110, p=1e-5)
    third = Swap("filter", "box instead of bicubic", "fits", images=50_000, gained=480, lost=90, p=1e-3)
    weak = Swap("filter", "nearest instead of bicubic", "undecided", images=50_000, gained=3, p=0.9)
    for swaps in ([CAUSE, weak, second, third, *REFUTED], [third, *REFUTED, second, weak, CAUSE]):
        text = documented("named", *swaps, factors=("filter",))
        told = text.partition("with bilinear instead of bicubic (")[2].partition(" would too)")[0]
        assert set(told.split("; ")) == {"lanczos instead of bicubic", "box instead of bicubic"}
        assert "nearest" not in text


def test_factors_that_cannot_be_told_apart_are_all_told() -> None:
    second = Swap("short side", "248 pixels", "fits", images=16_384, gained=130, lost=20, p=1e-6)
    text = documented("ambiguous", CAUSE, second, CHANCE, *REFUTED, factors=("filter", "short side", "antialias"))
    assert "one of several that 50,000 images cannot distinguish" in text
    for factor, value in (("filter", CAUSE.text), ("short side", second.text), ("antialias", CHANCE.text)):
        assert f"{factor} ({value})" in text
    assert "scale" not in text
    assert "could" not in text


@pytest.mark.parametrize(("apart", "rounded"), [(61_234, "62,000"), (1_700, "1,700"), (1_701, "1,800"), (7, "7")])
def test_the_images_that_could_tell_factors_apart_are_told_where_that_is_known(apart: int, rounded: str) -> None:
    text = documented("ambiguous", CAUSE, CHANCE, factors=("filter", "antialias"), apart=apart)
    assert f"about {rounded} images could" in text


def test_what_cannot_be_told_from_chance_says_how_many_images_could() -> None:
    effective = Swap("scale", "not divided by 255", "refuted", images=1_000, lost=9, p=1e-9, needed=17)
    text = documented(
        "cannot_tell", RARE, CHANCE, *REFUTED, effective, UNTRIED, factors=("rounding", "antialias"), about=SAMPLE,
        top1_count=710, images=1_000,
    )  # fmt: skip
    assert "On 1,000 images no swap" in text
    assert f"rounding ({RARE.text}); antialias ({CHANCE.text})" in text
    assert "about 13,000 images could" in text


def test_what_showed_no_effect_says_so() -> None:
    silent = Swap("rounding", "long side: round instead of floor", "undecided", images=1_000, p=1.0)
    text = documented("cannot_tell", silent, factors=("rounding",), about=SAMPLE, top1_count=710, images=1_000)
    assert "no effect of any of them was seen" in text
    assert "could" not in text


def test_of_several_values_the_likelier_one_is_told() -> None:
    unlikely = Swap("antialias", "something else", "undecided", images=1_000, gained=30, lost=25, p=1.0, needed=99_999)
    refuted = Swap("antialias", "something else again", "refuted", images=1_000, lost=90, p=1e-9)
    for swaps in ([unlikely, CHANCE, refuted], [refuted, CHANCE, unlikely]):
        text = documented("cannot_tell", *swaps, factors=("antialias",))
        assert f"antialias ({CHANCE.text})" in text
        assert "something else" not in text
    fitting = Swap("antialias", "what fits", "fits", images=1_000, gained=9, p=0.9)
    assert "antialias (what fits)" in documented("ambiguous", CHANCE, fitting, CAUSE, factors=("antialias", "filter"))


def test_what_is_unexplained_says_how_many_swaps_were_tried() -> None:
    text = documented("unexplained", *REFUTED, UNTRIED)
    assert text.endswith("None of 2 swaps, one factor at a time, gives the documented figures: unexplained")


# --- images that nothing documented is about


def better(factor: str, text: str, gained: int, p: float | None = 1e-6) -> Swap:
    return Swap(factor, text, "fits", images=500, changed=80, gained=gained, lost=7, p=p)


def test_what_holds_is_told_with_what_would_hold_too() -> None:
    left = [
        Swap("decoder", "OpenCV instead of PIL", "undecided", images=500),
        Swap("filter", "bilinear instead of bicubic", "undecided", images=500, gained=4, lost=2, needed=11_727),
    ]
    text = sound(holding(run(), WHOLE, [*left, *REFUTED, UNTRIED]))
    assert text.startswith("the documented top1 (39,791 of 50,000 images)")
    assert f"On 500 images, the counts could not detect 2 of {2 + len(REFUTED)} swaps" in text
    assert "decoder (OpenCV instead of PIL; no effect was seen)" in text
    assert "filter (bilinear instead of bicubic; about 12,000 images would decide)" in text


def test_where_no_swap_would_hold_that_is_said() -> None:
    assert f"with each of {len(REFUTED)} swaps, one factor at a time, not all of it would" in sound(
        holding(run(), WHOLE, REFUTED)
    )


def test_five_swaps_are_listed_and_the_others_counted() -> None:
    left = [Swap("filter", f"kind {n}", "undecided", images=500) for n in range(8)]
    text = sound(holding(run(), WHOLE, left))
    assert "kind 4; " in text
    assert "kind 5" not in text
    assert text.endswith("; and 3 more")


def undocumented(outcome: Outcome, *swaps: Swap, factors: tuple[str, ...] = ()) -> str:
    fields: Mapping[str, Any] = {"top1_count": 391, "images": 500}
    text = sound(without_document(run(**fields), outcome, factors, swaps))
    assert text.startswith("no documented figure is about these images; 391 of 500 are right by top1. ")
    return text


def test_nothing_does_better() -> None:
    text = undocumented("nothing_to_explain", Swap("scale", "x", "refuted", images=500), UNTRIED, *REFUTED)
    assert "of 3 swaps, one factor at a time, has more of 500 images right beyond chance" in text


def test_a_factor_that_does_better_is_suspected() -> None:
    text = undocumented(
        "named", *REFUTED, better("channel order", "BGR instead of RGB", 60), factors=("channel order",)
    )
    assert "the channel order, with BGR instead of RGB" in text
    assert (
        "of 500 images 60 are right with it alone and 7 without it alone (exact McNemar p = 1e-06 after Holm)" in text
    )
    assert text.endswith("Suspect it")


@pytest.mark.parametrize("factor", ["input size", "short side"])
def test_another_size_that_does_better_need_be_no_defect(factor: str) -> None:
    text = undocumented("named", better(factor, "288 instead of 256", 60), factors=(factor,))
    assert text.endswith("Suspect it, though many networks do better at another size")


def test_a_chance_that_is_not_known_is_not_told() -> None:
    text = undocumented("named", better("scale", "not divided by 255", 60, None), factors=("scale",))
    assert "60 are right with it alone and 7 without it alone. Suspect it" in text


def test_the_value_that_does_best_is_told() -> None:
    values = [better("mean and std", "of 0.5", 40, 1e-3), better("mean and std", "of 0 and 1", 60, 1e-9)]
    for swaps in (values, values[::-1]):
        assert "with of 0 and 1" in undocumented("named", *swaps, factors=("mean and std",))


def test_several_factors_that_do_better_are_all_told() -> None:
    swaps = [better("channel order", "BGR instead of RGB", 60), better("scale", "not divided by 255", 55, 1e-5)]
    text = undocumented("ambiguous", *swaps, factors=("channel order", "scale"))
    assert "500 images cannot show which most" in text
    assert "channel order (BGR instead of RGB: of 500 images 60 are" in text
    assert "scale (not divided by 255: of 500 images 55 are" in text


# --- another source

OWN = Agreement("", "", "refuted", images=64, same_class=40, relative=0.123)
FITS = Agreement("resize library", "OpenCV instead of PIL", "fits", images=64, same_class=64, relative=3.21e-6)
DIFFERS = Agreement("filter", "bilinear instead of bicubic", "refuted", images=64, same_class=50, relative=0.1)
ALL = Agreement(PREPROCESSING, "as mmcls==0.25.0 prepares images", "fits", 64, 64, 2e-6)


def compared(
    outcome: Outcome, *swaps: Agreement, factors: tuple[str, ...] = (), unknown: tuple[str, ...] = (),
    same_function: bool | None = None, own: Agreement = OWN,
) -> str:  # fmt: skip
    return sound(against_source("mmcls==0.25.0", outcome, factors, own, swaps, unknown, same_function))


@pytest.mark.parametrize("outcome", ["named", "ambiguous", "together", "unexplained"])
def test_how_far_two_sources_are_apart_is_told_first(outcome: Outcome) -> None:
    text = compared(outcome, FITS, DIFFERS, ALL, factors=("resize library",))
    assert text.startswith("24 of 64 images, ")
    assert "another best class than in mmcls==0.25.0 (logits differ by 1.2e-01). " in text


def test_lists_that_have_too_little_in_common_are_apart_by_all() -> None:
    own = Agreement("", "", "refuted", 64, 0)
    assert "in mmcls==0.25.0 (logits differ by all). " in compared("unexplained", DIFFERS, own=own)


def test_a_factor_that_makes_sources_equal_is_the_cause() -> None:
    text = compared("named", DIFFERS, FITS, ALL, factors=("resize library",))
    assert (
        "The cause is the resize library (OpenCV instead of PIL), which alone makes them equal up to rounding" in text
    )
    assert text.endswith("(logits differ by 3.2e-06)")
    assert "filter" not in text
    assert "as mmcls" not in text


def test_several_factors_that_do_are_all_told() -> None:
    second = Agreement("decoder", "OpenCV instead of PIL (JPEG)", "fits", 64, 64, 9e-6)
    text = compared("ambiguous", FITS, DIFFERS, second, ALL, factors=("resize library", "decoder"))
    assert "the resize library (OpenCV instead of PIL) or the decoder (OpenCV instead of PIL (JPEG))" in text
    assert "each alone makes them equal" in text


def test_factors_that_only_together_make_sources_equal_are_listed() -> None:
    text = compared("together", DIFFERS, ALL, factors=("filter", "decoder"))
    assert (
        "No single factor is the cause: filter, decoder together, taken over from mmcls==0.25.0, make them equal"
        in text
    )
    assert text.endswith("(logits differ by 2.0e-06)")
    weights = Agreement("weights", "those of mmcls", "fits", 64, 64, 4.5e-6)
    apart = Agreement(PREPROCESSING, ALL.text, "refuted", 64, 60, 0.05)
    text = compared("together", DIFFERS, apart, weights, factors=("filter", "weights"))
    assert "filter, weights together" in text
    assert text.endswith("(logits differ by 4.5e-06)")


def test_a_step_that_is_not_known_is_told_where_the_preprocessing_is_the_cause() -> None:
    text = compared("together", ALL, unknown=("resize", "crop"))
    assert text.endswith("; how the resize and crop step is done is not known")
    assert "No single factor is the cause: preprocessing together" in text


UNSURE = "weights or network differ; run --checks numerics to find out whether the networks compute the same function"


@pytest.mark.parametrize(
    ("same_function", "says"),
    [
        (None, UNSURE),
        (True, "the numerics check found that the networks run the same function"),
        (False, "the numerics check found that the networks run different functions"),
    ],
)
def test_what_is_unexplained_is_told_with_what_came_nearest(same_function: bool | None, says: str) -> None:
    apart = Agreement("weights", "those of mmcls", "refuted", 64, 30)
    untried = Agreement("activation", "SiLU instead of ReLU", "not tried", why="it cannot be altered")
    text = compared("unexplained", apart, DIFFERS, untried, same_function=same_function)
    assert "of 2 swaps towards mmcls==0.25.0 none makes them equal" in text
    assert "the nearest is the filter (bilinear instead of bicubic; logits differ by 1.0e-01)" in text
    assert text.endswith(f"; {says}")
    assert "not known" not in text
    assert "; how the crop step is done is not known; " in compared("unexplained", DIFFERS, unknown=("crop",))


# --- every outcome of every question


def one_of_each(outcome: Outcome, off: list[Metric], about: Target, of: Run) -> list[str]:
    swaps = [CAUSE, CHANCE, RARE, UNTRIED, *REFUTED]
    factors = {"named": ("filter",), "ambiguous": ("filter", "antialias"), "cannot_tell": ("antialias", "rounding")}
    left = factors.get(outcome, ())
    return [against_document(of, about, off, outcome, left, swaps, apart) for apart in (None, 12_345)]


@pytest.mark.parametrize("outcome", ["named", "ambiguous", "cannot_tell", "unexplained"])
@pytest.mark.parametrize("off", [["top1"], ["top5"], ["top1", "top5"]])
@pytest.mark.parametrize("about", [WHOLE, SAMPLE])
def test_every_text_is_whole(outcome: Outcome, off: list[Metric], about: Target) -> None:
    for text in one_of_each(outcome, off, about, run()):
        sound(text)
        assert all(metric in text for metric in off)
