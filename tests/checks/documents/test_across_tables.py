"""One model in several tables: a figure that differs where the tables agree is found, and other weights are not."""

import dataclasses

from builders import claim, row

from harness.checks.documents.across_tables import differing
from harness.core.records import Claim, ImagesMeant, Metric

PARAMS = ["25.557", "11.690", "44.549", "60.193", "28.681", "13.004", "5.289", "7.794", "9.110", "12.233"] * 3


def table(file: str, texts: list[str], metric: Metric = "params") -> list[Claim]:
    rows = [dataclasses.replace(row(i, f"net{i}"), file=file) for i in range(len(texts))]
    return [claim(text, metric, of) for text, of in zip(texts, rows, strict=True)]


def changed(texts: list[str], place: int, text: str) -> list[str]:
    return [*texts[:place], text, *texts[place + 1 :]]


def test_tables_that_agree_are_no_news() -> None:
    assert differing([*table("a.md", PARAMS), *table("b.md", PARAMS)]) == []


def test_a_digit_that_differs_between_tables_is_a_warning() -> None:
    (found,) = differing([*table("a.md", PARAMS), *table("b.md", changed(PARAMS, 4, "28.631"))])
    assert (found.kind, found.severity, found.model) == ("differs_between_tables", "warning", "net4")
    assert "in 29 other rows the two tables agree" in found.text
    assert "which of the two is right, the tables do not tell" in found.text


def test_of_three_tables_the_odd_one_is_named() -> None:
    tables = [table("a.md", PARAMS), table("b.md", changed(PARAMS, 4, "28.631")), table("c.md", PARAMS)]
    (found,) = differing([one for each in tables for one in each])
    assert found.row is not None
    assert found.row.file == "b.md"
    assert "2 tables have the second, so that the first is odd" in found.text
    assert [figure["documented"] for figure in found.evidence["figures"]] == ["28.681", "28.631", "28.681"]


def test_other_weights_are_not_accused() -> None:
    first = [f"{70 + i * 0.31:.2f}" for i in range(30)]
    other = [f"{70 + i * 0.31 + (0.37 if i % 3 else 0):.2f}" for i in range(30)]
    assert differing([*table("a.md", first, "top1"), *table("b.md", other, "top1")]) == []


def test_fewer_digits_are_no_difference() -> None:
    rounded = [f"{float(text):.1f}" for text in PARAMS]
    assert differing([*table("a.md", PARAMS), *table("b.md", rounded)]) == []


def test_accuracies_on_other_images_are_not_compared() -> None:
    top1 = [f"{70 + i * 0.31:.2f}" for i in range(30)]
    real = ImagesMeant("ImageNet-ReaL", 46_837, "the section 'ReaL'")
    second = [dataclasses.replace(one, measured_on=real) for one in table("b.md", changed(top1, 3, "99.93"), "top1")]
    assert differing([*table("a.md", top1, "top1"), *second]) == []


def test_a_model_that_a_table_has_twice_is_not_compared() -> None:
    twice = [dataclasses.replace(one, row=dataclasses.replace(one.row, model="net")) for one in table("a.md", PARAMS)]
    assert differing([*twice, *table("b.md", ["28.631"])]) == []
