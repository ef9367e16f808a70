"""The accuracy in a checkpoint's name beside the cell: one that differs is found, whichever figure the names have."""

import dataclasses
import random

import pytest
from builders import claim, row

from harness.checks.documents.checkpoint_names import contradicting
from harness.core.records import Claim, Metric


def table(count: int, metric: Metric = "top5", as_error: bool = True, seed: int = 1) -> list[Claim]:
    """Rows whose file is named by one of their figures."""
    chance, claims = random.Random(seed), []
    for number in range(1, count + 1):
        figures: dict[Metric, float] = {"top1": chance.uniform(60, 85), "top5": chance.uniform(85, 97)}
        named = 100 - figures[metric] if as_error else figures[metric]
        address = (
            f"https://example.org/v0.0.{number}/net{number}-{round(named * 100):04d}-4dd7cfb{number % 10}.params.log"
        )
        of = dataclasses.replace(row(number, f"net{number}"), links=(address,))
        claims += [claim(f"{value:.2f}", one, of) for one, value in figures.items()]
    return claims


def typed(claims: list[Claim], place: int, text: str) -> list[Claim]:
    wrong = dataclasses.replace(claims[place], text=text, value=float(text))
    return [*claims[:place], wrong, *claims[place + 1 :]]


@pytest.mark.parametrize("metric", ["top1", "top5"])
@pytest.mark.parametrize("as_error", [True, False])
@pytest.mark.parametrize("count", [3, 40])
def test_names_that_agree_are_no_news(metric: Metric, as_error: bool, count: int) -> None:
    assert contradicting(table(count, metric, as_error)) == []


def test_a_cell_that_its_name_contradicts_is_an_error_among_many_that_agree() -> None:
    claims = table(150)
    (found,) = contradicting(typed(claims, 21, f"{claims[21].value + 1:.2f}"))
    assert (found.kind, found.severity, found.model) == ("checkpoint_name", "error", "net11")
    assert (
        f"says a top5 error of {100 - claims[21].value:.2f}; in 149 other rows of the table the two agree" in found.text
    )
    assert found.suspects[0].claim.metric == "top5"


def test_among_a_few_it_is_a_warning() -> None:
    claims = table(6)
    (found,) = contradicting(typed(claims, 3, f"{claims[3].value + 1:.2f}"))
    assert found.severity == "warning"


def test_where_names_differ_in_many_rows_no_cell_is_an_error() -> None:
    claims = table(40)
    for place in range(1, 38, 2):
        claims = typed(claims, place, f"{claims[place].value + 0.5:.2f}")
    assert {found.severity for found in contradicting(claims)} <= {"warning"}, "they may be of other weights"


def test_digits_that_are_no_accuracy_say_nothing() -> None:
    claims = [
        dataclasses.replace(
            one, row=dataclasses.replace(one.row, links=(f"https://x.org/net_{i * 37 % 900 + 100}-a.pth",))
        )
        for i, one in enumerate(table(30))
    ]
    assert contradicting(claims) == []


def test_a_table_without_links_has_no_names() -> None:
    assert contradicting([claim("76.13", "top1", row())]) == []
