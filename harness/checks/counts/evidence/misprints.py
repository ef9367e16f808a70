"""The ways in which people print a wrong figure: for each, which values they meant, and how likely the slip is.

A slip is undone on the text: whoever prints 4.21 and has exchanged two digits meant 4.12, or 2.41.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Literal

from harness.checks.counts.evidence import priors
from harness.core.records import UNITS, Claim

Kind = Literal[
    "digit", "exchanged_digits", "dropped_digit", "added_digit", "factor_of_two", "slipped_unit", "slipped_point",
    "neighbour", "other_column", "near", "any", "convention",
]  # fmt: skip


@dataclass(frozen=True)
class Meant:
    """A figure that was meant where another one is printed, both in the unit of the claim."""

    kind: Kind
    low: float  #: least value that would have been printed as this figure
    high: float
    chance: float  #: of this very slip, if there was one
    text: str  #: the figure


def meant_by(claim: Claim, padding: int = 0) -> tuple[Meant, ...]:
    """Every figure that a slip of the hand turns into the printed one, where the last digits are `padding` zeros."""
    text = claim.text
    padded = "." in text and len(text.partition(".")[2]) > padding and text.endswith("0" * padding)
    return _meant_by(text[:-padding] if padding and padded else text)


@cache
def _meant_by(text: str) -> tuple[Meant, ...]:
    return tuple(one for one in _slips(text) if one.high > 0)


def _slips(text: str) -> Iterator[Meant]:
    shares = priors.table()["stories"]
    places = [i for i, sign in enumerate(text) if sign.isdigit()]
    telling = max(1, len(text.replace(".", "").lstrip("0")))
    for i in places:
        for digit in "0123456789":
            if digit != text[i]:
                yield from _figure("digit", text[:i] + digit + text[i + 1 :], shares["digit"] / 9 / telling)
    for i, j in itertools.pairwise(places):
        if text[i] != text[j]:
            meant = text[:i] + text[j] + text[i + 1 : j] + text[i] + text[j + 1 :]
            yield from _figure("exchanged_digits", meant, shares["exchanged_digits"] / max(1, len(places) - 1))
    # one that is dropped after the point is no slip, but a digit less
    for i in range(len(text) if "." in text else len(text) + 1):
        for digit in "0123456789":
            meant = text[:i] + digit + text[i:]
            yield from _figure("dropped_digit", meant, shares["dropped_digit"] / (telling + 1))
    for i in places if len(places) > 1 else ():
        yield from _figure("added_digit", text[:i] + text[i + 1 :], shares["added_digit"] / 10 / telling)
    yield from _powers(text)
    step = _step(text)
    for factor in (Decimal(2), Decimal("0.5")):
        value = Decimal(text) / factor
        half = float(step / factor)  # the printed figure was doubled, or the exact one
        share = shares["factor_of_two"] / 2
        yield Meant("factor_of_two", float(value) - half, float(value) + half, share, f"{value:f}")


def _powers(text: str) -> Iterator[Meant]:
    shares = priors.table()["stories"]
    chances = {3: 0.4, -3: 0.4, 6: 0.1, -6: 0.1}
    for power, chance in chances.items():
        yield from _figure("slipped_unit", _shifted(text, power), shares["slipped_unit"] * chance)
    for power, chance in {1: 0.4, -1: 0.4, 2: 0.1, -2: 0.1}.items():
        yield from _figure("slipped_point", _shifted(text, power), shares["slipped_point"] * chance)


def _shifted(text: str, power: int) -> str:
    return f"{Decimal(text).scaleb(power):f}"


def _figure(kind: Kind, text: str, chance: float) -> Iterator[Meant]:
    whole, point, decimals = text.partition(".")
    if not whole or (point and not decimals) or (len(whole) > 1 and whole[0] == "0"):
        return
    value, half = float(text), float(_step(text)) / 2
    yield Meant(kind, value - half, value + half, chance, text)


def _step(text: str) -> Decimal:
    return Decimal(1).scaleb(-len(text.partition(".")[2]))


def scale(claim: Claim) -> float:
    """How many scalars the unit of a claim is."""
    return UNITS[claim.unit]
