"""A report gives way to its size: what nobody has to look at goes first, and what is wrong last."""

from collections.abc import Mapping
from typing import Any

import pytest
from builders import claim, row, verdict

from harness.core.records import Outcome
from harness.report.fitting import fitted

LISTS = ("entries", "expected", "beside", "paragraphs", "tables")


def context(rows: int, wrong: int = 1, entries: int = 1) -> dict[str, Any]:
    """A report of some rows, the first of which are wrong."""
    outcomes = [Outcome.CONTRADICTED] * wrong + [Outcome.NOT_MEASURED] * (rows - wrong)
    cells = [{"cells": {"flops": verdict(one, claim("1.0", of=row(n)))}} for n, one in enumerate(outcomes)]
    return {
        **{name: ["entry"] * entries for name in LISTS},
        **{"rows": cells, "wrong": (), "unmeasured": [("why", "a, b, c")], "files": ["a.md", "total"]},
        **{"brief": False, "left_out": "", "cut": ""},
    }


def render(given: Mapping[str, Any]) -> str:
    cell = 10 if given["brief"] else 100
    cells = "c" * cell * len(given["rows"])
    return f"{cells}{' '.join(given['entries'])}|{given['unmeasured']}|{given['left_out']}|{given['cut']}"


def test_what_fits_is_shown_whole() -> None:
    whole = context(20)
    assert fitted(render, whole, of_cell=1, largest=5_000) == render(whole)


def test_details_go_before_rows_do() -> None:
    text = fitted(render, context(20), of_cell=1, largest=1_500)
    assert text.startswith("c" * 200 + "entry")
    assert "3 cells" in text, "and names of cells that nobody measured"


def test_rows_in_which_nothing_is_wrong_go_before_those_that_are_wrong() -> None:
    text = fitted(render, context(1_000), of_cell=1, largest=5_000)
    assert text.startswith("c" * 10 + "entry")
    assert "999 rows in which nothing is wrong are left out here; report.json has every cell." in text


def test_of_thousands_that_are_wrong_the_first_are_shown_and_the_rest_is_counted() -> None:
    text = fitted(render, context(1_000, wrong=1_000, entries=1_000), of_cell=1, largest=5_000)
    assert text.count("entry") == 500
    assert "500 more cells are left out here" in text
    assert "1,000 rows are left out here" in text


def test_what_is_too_large_by_its_cells_alone_is_not_rendered_to_see() -> None:
    rendered: list[int] = []

    def counting(given: Mapping[str, Any]) -> str:
        rendered.append(len(given["rows"]))
        return ""

    fitted(counting, context(1_000), of_cell=100, largest=10_000)
    assert rendered == [1]


@pytest.mark.parametrize("largest", [0, 10])
def test_what_never_fits_is_shown_as_short_as_it_can_be(largest: int) -> None:
    assert "entry" not in fitted(render, context(5, wrong=5, entries=5), of_cell=1, largest=largest)
