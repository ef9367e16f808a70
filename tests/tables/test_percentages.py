"""What a percentage is of: its images by words and by figures, right or wrong ones, percents or shares of one."""

import csv
import dataclasses
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from builders import claim, row
from folders import SHARED

from harness.core.records import Claim, Metric
from harness.tables.claims import read_table
from harness.tables.percentages import grid, image_sets, kinds, settle
from harness.tables.percentages.grid import CUT_OFF, UNKNOWN, Meaning, possible

TIMM = SHARED / "zoos" / "timm"
RESULTS = {
    "results-imagenet": "ImageNet val",
    "results-imagenet-real": "ImageNet-ReaL",
    "results-imagenet-a": "ImageNet-A",
    "results-sketch": "ImageNet-Sketch",
}
needs_zoos = pytest.mark.skipif(not TIMM.is_dir(), reason="the published tables are not here (../shared/zoos)")


def percentages(path: Path) -> list[Claim]:
    return [one for one in read_table(path).claims if one.unit == "%"]


def table(tmp_path: Path, text: str, name: str = "table.md") -> list[Claim]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return percentages(path)


# --- words


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("results-imagenet", ["ImageNet val"]),
        ("ImageNet-1K", ["ImageNet val"]),
        ("Top-1 (IN1k)", ["ImageNet val"]),
        ("results-imagenet-real", ["ImageNet-ReaL"]),
        ("ReaL top-1", ["ImageNet-ReaL"]),
        ("IN-1K ReaL acc@1", ["ImageNet-ReaL"]),
        ("Real-time models", []),
        ("results-imagenetv2-matched-frequency", ["ImageNet-V2"]),
        ("ImageNet V2", ["ImageNet-V2"]),
        ("results-imagenet-a", ["ImageNet-A"]),
        ("results-imagenet-a-clean", ["ImageNet-A's classes in ImageNet val"]),
        ("IN-R top-1", ["ImageNet-R"]),
        ("In a nutshell", []),
        ("results-sketch", ["ImageNet-Sketch"]),
        ("Cifar10", ["CIFAR-10"]),
        ("CIFAR-10 and CIFAR-100", ["CIFAR-10", "CIFAR-100"]),
        ("tiny-imagenet", ["Tiny ImageNet"]),
        ("ImageNet-22K pretrained", []),
        ("ImageNet-100", ["ImageNet-100"]),
        ("Fashion-MNIST", ["Fashion-MNIST"]),
        ("CUB-200-2011", ["CUB-200-2011"]),
        ("top1", []),
    ],
)
def test_words_name_a_set(text: str, names: list[str]) -> None:
    assert [known.name for known in image_sets.named(text)] == names


def test_the_name_of_a_model_says_no_set_by_chance() -> None:
    assert [known.name for known in image_sets.named("resnet18_8xb16_cifar10", of_a_model=True)] == ["CIFAR-10"]
    assert image_sets.named("sketch_former_imagenet_a", of_a_model=True) == ()


def test_every_set_has_a_source_and_words_that_find_something() -> None:
    names = [known.name for known in image_sets.known_sets()]
    assert len(names) == len(set(names))
    assert names[0] == image_sets.VAL
    assert image_sets.known_sets()[0].images == image_sets.VAL_IMAGES
    for known in image_sets.known_sets():
        assert known.source.startswith("http"), known.name
        assert known.words, known.name


def test_a_long_heading_is_not_searched_for_long() -> None:
    assert image_sets.named("in- " * 100_000) == ()


def told(*texts: str, metric: Metric = "top1", **place: object) -> list[Claim]:
    """Settled claims of a table whose rows are at `place`."""
    rows = [dataclasses.replace(row(i, f"m{i}"), **place) for i in range(1, len(texts) + 1)]  # type: ignore[arg-type]
    return settle.settled([claim(text, metric, of) for text, of in zip(texts, rows, strict=True)])


@pytest.mark.parametrize(
    ("place", "name", "by"),
    [
        ({"section": ("Results", "CIFAR-10")}, "CIFAR-10", "the section 'CIFAR-10'"),
        ({"section": ("CIFAR-10", "ImageNet-1k")}, "ImageNet val", "the section 'ImageNet-1k'"),
        ({"file": "results-sketch.csv"}, "ImageNet-Sketch", "the file's name 'results-sketch'"),
        ({"links": ("https://x.org/a/resnet18_cifar10.py",)}, "CIFAR-10", "the linked file 'resnet18_cifar10.py'"),
        ({"model": "resnet20_svhn", "section": ("ImageNet",)}, "SVHN", "the name 'resnet20_svhn'"),
        ({"section": ("CIFAR-10 and CIFAR-100",)}, "CIFAR-10 or CIFAR-100", "the section 'CIFAR-10 and CIFAR-100'"),
    ],
)
def test_the_nearest_words_tell_the_images(place: dict[str, object], name: str, by: str) -> None:
    (one,) = told("94.82", **place)
    assert one.measured_on is not None
    assert (one.measured_on.name, one.measured_on.told_by) == (name, by)


def test_words_that_name_imagenet_among_others_tell_nothing() -> None:
    assert told("94.82", section=("ImageNet and CIFAR-10",))[0].measured_on is None
    assert told("94.82")[0].measured_on is None


def test_counts_are_of_no_images() -> None:
    (count,) = settle.settled([claim("4.1", "flops", dataclasses.replace(row(), section=("CIFAR-10",)))])
    assert count.measured_on is None


# --- figures


@pytest.mark.parametrize("images", [50_000, 46_837, 10_000, 7_500, 50_889])
@pytest.mark.parametrize("decimals", [1, 2, 3, 4])
def test_what_is_possible_is_what_some_number_of_images_gives(images: int, decimals: int) -> None:
    """Against all numbers of images near the figure; rounded twice, by one more digit first, included."""
    for steps in range(5_000, 5_000 + 400):
        text = f"{steps / 10**decimals:.{decimals}f}"
        if text.endswith("0") or float(text) > 100:
            continue
        near = int(float(text) * images / 100)
        exact = [Fraction(100 * count, images) for count in range(near - 3, near + 4)]
        within = any(abs(one - Fraction(text)) <= Fraction(55, 100 * 10**decimals) for one in exact)
        assert possible(text, Meaning(images)) == within, text


@pytest.mark.parametrize("images", [50_000, 46_837, 30_000, 10_000, 7_500, 50_889])
@pytest.mark.parametrize("window", [grid.ROUNDED, CUT_OFF])
def test_the_density_is_the_share_of_figures_that_are_possible(images: int, window: tuple[int, int]) -> None:
    meaning = Meaning(images, window)
    texts = [text for steps in range(100_000) if not (text := f"{steps / 1000:.3f}").endswith("0")]
    share = sum(possible(text, meaning) for text in texts) / len(texts)
    assert share == pytest.approx(grid.density(meaning, 3), abs=0.06)
    assert grid.density(meaning, 1) == 1


def test_zeros_at_the_end_may_be_padding() -> None:
    assert possible("45.270", Meaning(7_500))
    assert not possible("45.271", Meaning(7_500))


def test_zeros_at_the_end_are_more_frequent_among_even_digits() -> None:
    assert grid.ending_in_zeros(50_000, 3, 1) == pytest.approx(0.2, abs=0.001)
    assert grid.ending_in_zeros(7_500, 3, 1) == pytest.approx(0.4, abs=0.07)
    assert grid.ending_in_zeros(46_837, 3, 1) == pytest.approx(0.1, abs=0.01)


def test_a_column_of_many_figures_tells_its_images() -> None:
    real = [f"{100 * count / 46_837:.3f}" for count in range(40_000, 40_020)]
    (images,) = {one.measured_on.images if one.measured_on else None for one in told(*real)}
    assert images == 46_837
    val = [f"{count / 500:.3f}" for count in range(40_000, 40_020)]
    assert {one.measured_on for one in told(*val)} == {None}, "what a page is about is not said of its figures"


def test_a_few_figures_tell_nothing() -> None:
    assert [one.measured_on for one in told("79.583")] == [None]
    assert [one.measured_on for one in told("79.5", "80.1", "81.3")] == [None] * 3


def test_figures_of_no_known_number_of_images_have_an_unknown_one() -> None:
    averaged = [f"{70 + i * 0.0373:.4f}" for i in range(60)]
    meant = grid.posterior(averaged, grid.meanings([]))
    assert meant[UNKNOWN] > 0.99
    assert all(grid.probability_wrong(text, meant) < 0.01 for text in averaged)


def test_one_wrong_digit_among_many_is_certainly_wrong_and_alone_is_doubtful() -> None:
    right = [f"{count / 500:.3f}" for count in range(40_001, 40_012)]
    assert grid.probability_wrong("79.583", grid.posterior([*right, "79.583"], grid.meanings([]))) > 0.99
    assert 0.05 < grid.probability_wrong("79.583", grid.posterior(["79.583"], grid.meanings([]))) < 0.9


@needs_zoos
@pytest.mark.parametrize("name", RESULTS)
def test_every_published_result_is_possible_on_its_images(name: str) -> None:
    with (TIMM / f"{name}.csv").open(encoding="utf-8") as file:
        texts = [line[column] for line in csv.DictReader(file) for column in ("top1", "top5", "top1_err", "top5_err")]
    claims = percentages(TIMM / f"{name}.csv")
    assert {one.measured_on.name for one in claims if one.measured_on} == {RESULTS[name]}
    meant = settle.meant(claims)
    assert not [text for text in texts if grid.probability_wrong(text, meant) >= 0.05]


@needs_zoos
@pytest.mark.parametrize("name", RESULTS)
def test_the_figures_alone_tell_the_images_of_twenty_rows(tmp_path: Path, name: str) -> None:
    lines = (TIMM / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    found = Counter()
    for start in range(1, 1501, 100):
        claims = table(tmp_path, "\n".join([lines[0], *lines[start : start + 20]]), "some.csv")
        found[claims[0].measured_on.name if claims[0].measured_on else "ImageNet val"] += 1
    assert found == {RESULTS[name]: 15}


# --- right or wrong, percents or shares


def test_a_table_whose_top5_is_below_its_top1_is_of_errors(tmp_path: Path) -> None:
    text = "| model | top1 | top5 |\n| -- | -- | -- |\n| a | 38.07 | 16.10 |\n| b | 29.59 | 10.16 |\n"
    claims = table(tmp_path, text)
    assert [(one.text, one.value, one.is_error) for one in claims[:2]] == [
        ("61.93", pytest.approx(61.93), True),
        ("83.90", pytest.approx(83.90), True),
    ]
    assert [kinds.printed(one) for one in claims] == ["38.07", "16.10", "29.59", "10.16"]


def test_one_row_of_two_with_top5_below_top1_makes_no_table_of_errors(tmp_path: Path) -> None:
    text = "| model | top1 | top5 |\n| -- | -- | -- |\n| a | 76.131 | 72.86 |\n| b | 69.76 | 89.08 |\n"
    assert not any(one.is_error for one in table(tmp_path, text))


def test_a_heading_that_says_accuracy_is_believed(tmp_path: Path) -> None:
    text = "| model | top1 acc | top5 acc |\n| -- | -- | -- |\n| a | 38.07 | 16.10 |\n| b | 29.59 | 10.16 |\n"
    assert not any(one.is_error for one in table(tmp_path, text))


def test_shares_of_one_among_percents_are_read_cell_by_cell(tmp_path: Path) -> None:
    text = "| model | top1 | top5 |\n| -- | -- | -- |\n| a | 76.1 | 93.1 |\n| b | 0.713 | .9012 |\n"
    assert [one.text for one in table(tmp_path, text)] == ["76.1", "93.1", "71.3", "90.12"]


def test_small_accuracies_on_hard_images_are_percents() -> None:
    claims = told("0.48", "0.95", "60.52", "88.63", section=("ImageNet-A",))
    assert [one.text for one in claims] == ["0.48", "0.95", "60.52", "88.63"]
