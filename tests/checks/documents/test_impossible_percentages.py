"""Percentages that cannot be true are errors where no other meaning is left, and warnings where one is."""

import dataclasses
from pathlib import Path

import pytest
from builders import claim, row
from folders import SHARED

from harness.checks.accuracy import other_images
from harness.checks.documents.percentages import impossible
from harness.core.records import Claim, ImagesMeant, Metric
from harness.plan.page import DocumentedData, Page
from harness.report.wording import figure
from harness.tables.claims import read_table

ZOOS = SHARED / "zoos"


def of(name: str, images: int | None) -> ImagesMeant:
    return ImagesMeant(name, images, f"the section {name!r}")


def column(*texts: str, metric: Metric = "top1", measured_on: ImagesMeant | None = None) -> list[Claim]:
    claims = [claim(text, metric, row(i, f"m{i}")) for i, text in enumerate(texts, 1)]
    return [dataclasses.replace(one, measured_on=measured_on) for one in claims]


def beside(one: Claim, printed: str) -> Claim:
    """An error beside an accuracy, as it is read."""
    rest = f"{100 - float(printed):.{len(printed.partition('.')[2])}f}"
    return dataclasses.replace(claim(rest, one.metric, one.row), is_error=True)


RIGHT = [f"{count / 500:.3f}" for count in range(40_001, 40_012)]


def test_among_enough_right_figures_an_impossible_one_is_an_error() -> None:
    (found,) = impossible(column(*RIGHT, "79.583"))
    assert (found.kind, found.severity, found.model) == ("impossible_percentage", "error", "m12")
    assert "A digit is wrong, or it was measured on other images or averaged." in found.text


def test_alone_an_impossible_one_is_a_warning_that_says_what_settles_it() -> None:
    (found,) = impossible(column("79.583"))
    assert found.severity == "warning"
    assert "A heading that names the images settles it." in found.text


def test_a_figure_is_held_against_the_images_that_it_is_of() -> None:
    assert impossible(column("90.689", "98.751", measured_on=of("ImageNet-ReaL", 46_837))) == []
    right = [f"{100 * count / 7_500:.3f}" for count in range(3_001, 3_012)]
    (found,) = impossible(column(*right, "41.275", measured_on=of("ImageNet-A", 7_500)))
    assert (found.severity, found.evidence["images"]) == ("error", 7_500)
    assert "7,500 images of ImageNet-A (told by the section 'ImageNet-A')" in found.text


def test_figures_of_images_whose_number_is_not_known_are_left_alone() -> None:
    assert impossible(column(*RIGHT, "79.583", measured_on=of("ImageNet-C", None))) == []


def test_figures_of_two_sets_in_one_table_are_judged_apart() -> None:
    real = [f"{100 * count / 46_837:.3f}" for count in range(40_000, 40_011)]
    claims = [*column(*RIGHT), *column(*real, metric="top5", measured_on=of("ImageNet-ReaL", 46_837))]
    assert [found for found in impossible(claims) if found.kind == "impossible_percentage"] == []


# --- the error beside an accuracy


@pytest.mark.parametrize(("accuracy", "error"), [("82.11", "17.89"), ("90.689", "9.312"), ("82.1", "17.89")])
def test_an_accuracy_and_its_error_make_100_as_far_as_they_are_printed(accuracy: str, error: str) -> None:
    (one,) = column(accuracy)
    assert [f.kind for f in impossible([one], asides=[beside(one, error)])] in ([], ["impossible_percentage"])


@pytest.mark.parametrize(("accuracy", "error"), [("82.11", "18.89"), ("82.11", "17.98"), ("90.689", "9.314")])
def test_an_accuracy_and_another_error_beside_it_are_an_error(accuracy: str, error: str) -> None:
    (one,) = column(accuracy)
    found = [f for f in impossible([one], asides=[beside(one, error)]) if f.kind == "accuracy_and_error"]
    assert [(f.kind, f.severity) for f in found] == [("accuracy_and_error", "error")]
    assert f"{accuracy} and its error {error}, together" in found[0].text


# --- top-5 below top-1


def pair(top1: str, top5: str, number: int = 1, is_error: bool = False) -> list[Claim]:
    claims = [claim(top1, "top1", row(number, f"m{number}")), claim(top5, "top5", row(number, f"m{number}"))]
    return [dataclasses.replace(one, is_error=is_error) for one in claims]


def test_one_exchanged_row_among_others_is_an_error() -> None:
    (found,) = impossible([*pair("80.5", "69.8"), *pair("69.8", "89.1", 2), *pair("73.3", "91.4", 3)])
    assert (found.kind, found.severity) == ("top5_below_top1", "error")


def test_one_row_alone_with_a_low_top5_is_a_warning() -> None:
    (found,) = impossible(pair("76.1", "72.9"))
    assert found.severity == "warning"
    assert "or the table is of errors; a heading that says so settles it" in found.text


def test_in_a_table_of_errors_the_row_that_is_exchanged_is_found(tmp_path: Path) -> None:
    rows = "| a | 30.24 | 10.92 |\n| b | 26.70 | 8.58 |\n| c | 7.13 | 23.85 |\n"
    path = tmp_path / "table.md"
    path.write_text(f"| model | top1 | top5 |\n| -- | -- | -- |\n{rows}", encoding="utf-8")
    (found,) = impossible(read_table(path).claims)
    assert (found.kind, found.severity, found.model) == ("top5_below_top1", "error", "c")
    assert "a top5 error of 23.85 above its top1 error of 7.13" in found.text


# --- what is measured on other images is never held against ImageNet val


def test_a_claim_of_other_images_is_not_measured_and_says_why() -> None:
    (one,) = column("94.82", measured_on=of("CIFAR-10", 10_000))
    why = "it is of CIFAR-10 (10,000 images), told by the section 'CIFAR-10', and not of ImageNet val"
    assert other_images.reason(one, Page()) == why
    assert other_images.reason(column("76.1")[0], Page()) is None
    assert other_images.reason(column("76.1", measured_on=of("ImageNet val", 50_000))[0], Page()) is None


def test_what_stands_beside_a_table_says_which_images_all_of_it_is_of() -> None:
    (one,) = column("94.82", measured_on=of("CIFAR-10", 10_000))
    assert other_images.reason(one, Page(data=DocumentedData("photographs", "00" * 32))) is None


def test_a_figure_is_shown_with_its_images_and_as_an_error() -> None:
    (one,) = column("61.93", measured_on=of("ImageNet-A", 7_500))
    assert figure(one) == "61.93 % of ImageNet-A"
    assert figure(dataclasses.replace(one, is_error=True, measured_on=None)) == "61.93 % (an error of 38.07 %)"


# --- published tables


@pytest.mark.skipif(not ZOOS.is_dir(), reason="the published tables are not here (../shared/zoos)")
@pytest.mark.parametrize(
    "name",
    ["results-imagenet.csv", "results-imagenet-real.csv", "results-imagenet-a.csv", "results-sketch.csv"],
)
def test_no_published_result_of_timm_is_called_wrong(name: str) -> None:
    table = read_table(ZOOS / "timm" / name)
    assert table.claims
    assert impossible(table.claims, None, table.asides) == []


@pytest.mark.skipif(not ZOOS.is_dir(), reason="the published tables are not here (../shared/zoos)")
@pytest.mark.parametrize("name", ["gluon.md", "keras.md"])
def test_no_published_error_of_imgclsmob_is_called_wrong(name: str) -> None:
    table = read_table(ZOOS / "imgclsmob" / name)
    assert sum(one.is_error for one in table.claims) >= 300
    assert impossible(table.claims, None, table.asides) == []
