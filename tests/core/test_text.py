"""Counts and lists as people write them."""

import pytest

from harness.core.text import first_few, plural


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [(0, "image", "0 images"), (1, "image", "1 image"), (2_000, "image", "2,000 images"), (3, "class", "3 classes"),
     (1, "forward pass", "1 forward pass"), (2, "forward pass", "2 forward passes")],
)  # fmt: skip
def test_a_count_agrees_with_its_noun(number: int, noun: str, text: str) -> None:
    assert plural(number, noun) == text


def test_an_irregular_plural_is_given() -> None:
    assert plural(2, "entry", "entries") == "2 entries"
    assert plural(1, "entry", "entries") == "1 entry"


def test_a_long_list_ends_in_an_ellipsis() -> None:
    assert first_few(["a", "b", "c"]) == "a, b, c"
    assert first_few(["a", "b", "c", "d"]) == "a, b, c, …"
    assert first_few(["a", "b"], shown=1) == "a, …"
    assert first_few([]) == ""
