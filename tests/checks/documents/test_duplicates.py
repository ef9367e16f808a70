"""Rows and figures that stand twice, and digits that are padding."""

import dataclasses

import pytest
from builders import claim, row

from harness.checks.documents.duplicates import repeated
from harness.core.records import Claim, Metric


def column(*texts: str, metric: Metric = "top1", **of: str) -> list[Claim]:
    """A figure for each of the models m1, m2, ... of one source."""
    return [claim(text, metric, of=row(i, of.get(f"m{i}", f"m{i}"))) for i, text in enumerate(texts, 1)]


def kinds(claims: list[Claim]) -> list[str]:
    return [finding.kind for finding in repeated(claims)]


def moved(claims: list[Claim], **place: object) -> list[Claim]:
    return [dataclasses.replace(one, row=dataclasses.replace(one.row, **place)) for one in claims]  # type: ignore[arg-type]


SPREAD = ("60.123", "70.457", "75.331", "81.239")


def test_nothing_is_repeated_in_a_table_of_different_figures() -> None:
    assert kinds(column(*SPREAD)) == []


# --- rows


def test_a_row_that_stands_twice_with_the_same_figures_is_a_note() -> None:
    (found,) = repeated(column("60.123", "70.457", "60.123", m3="M-1"))
    assert (found.kind, found.severity) == ("duplicated_row", "note")
    assert found.text == "M-1 has rows in lines 5 and 7 with the same figures."
    assert found.row == row(3, "M-1")


def test_a_row_that_stands_twice_with_other_figures_is_a_warning() -> None:
    (found,) = repeated(column("60.123", "70.457", "60.321", m3="m1"))
    assert (found.kind, found.severity) == ("duplicated_row", "warning")
    assert "(top1 60.123 and 60.321)" in found.text
    assert found.evidence == {"lines": [5, 7], "metrics": ["top1"]}


@pytest.mark.parametrize("place", [{"input_size": 384}, {"version": "0.6.13"}, {"source": "mmcls"}, {"table": 40}])
def test_the_same_model_elsewhere_is_another_row(place: dict[str, object]) -> None:
    claims = column("60.123", "70.457", "60.321", m3="m1")
    assert kinds([*claims[:2], *moved(claims[2:], **place)]) == []


def test_names_that_differ_in_a_point_between_numbers_are_two() -> None:
    assert kinds(column("60.123", "70.457", "80.321", m1="regnet_x_16gf", m2="regnet_x_1_6gf", m3="x")) == []


# --- figures


def test_an_accuracy_that_two_models_share_is_named_with_both_lines_and_its_chance() -> None:
    (found,) = repeated(column(*SPREAD, "70.457"))
    assert (found.kind, found.severity) == ("repeated_figure", "warning")
    assert "m2 (line 6) and m5 (line 9) have the same top1 of 70.457" in found.text
    assert found.evidence == {"metrics": ["top1"], "lines": [6, 9]}
    assert found.suspects == (), "which of the two is the copy, the table does not tell"


def test_accuracies_that_chance_makes_equal_are_no_news() -> None:
    assert kinds(column("76.1", "76.5", "76.9", "77.2", "76.5")) == []
    assert kinds(column("76.123", "76.457")) == [], "of two figures nobody can tell how they are spread"
    assert kinds(column("76.123", "76.123")) == []


def test_both_accuracies_together_are_telling_where_each_alone_is_not() -> None:
    top1 = ("76.1", "70.5", "60.9", "77.2", "66.3", "79.4", "73.2", "70.5")
    top5 = ("97.1", "83.5", "91.9", "84.2", "97.9", "88.8", "94.0", "83.5")
    assert kinds(column(*top1)) == []
    both = [*column(*top1), *column(*top5, metric="top5")]
    assert kinds(both) == ["repeated_figure"]
    assert "top1 of 70.5 and top5 of 83.5" in repeated(both)[0].text


def test_counts_may_be_shared_by_many_networks() -> None:
    assert kinds(column("11.690", "21.798", "25.557", "11.690", metric="params")) == []


# --- padding


def test_digits_that_are_always_0_are_noted() -> None:
    (found,) = repeated(column("14.560", "22.600", "46.020", "63.670", metric="flops"))
    assert (found.kind, found.severity) == ("padded_digits", "note")
    assert "The last digit is 0 in 4 of the 4 figures of flops from timm (14.560, 22.600, 46.020, …)" in found.text
    assert found.evidence == {"metric": "flops", "digits": 1}
    two = repeated(column("2.500", "5.500", "7.100", "3.900", metric="params"))
    assert [one.evidence["digits"] for one in two] == [2]


def test_some_zeros_are_no_padding() -> None:
    assert kinds(column("14.560", "22.600", metric="flops")) == []
    assert kinds(column("14.560", "22.601", "46.022", "63.673", metric="flops")) == []
    assert kinds(column("10", "20", "30", "40", metric="params")) == [], "only digits behind the point are padded"


def test_one_figure_that_is_not_padded_does_not_hide_the_others() -> None:
    texts: list[str] = [f"{20 + i}.{i}70" for i in range(1, 9)]
    assert kinds(column(*texts, "33.333", metric="flops")) == ["padded_digits"]


def test_zeros_before_padding_are_what_chance_makes_of_rounded_figures() -> None:
    """All end in one 0; that some end in two says nothing more."""
    texts = ["78.440", "456.200", "5.100", "7.520", "8.810", "42.000", "64.920", "18.760", "29.610", "4.650"]
    (found,) = repeated(column(*texts, metric="params"))
    assert "The last digit is 0 in 10 of the 10 figures" in found.text
    (found,) = repeated(column(*[f"{text[:-2]}00" for text in texts], metric="params"))
    assert "The last 2 digits are 0" in found.text
