"""Tables of counted networks as people print them, right and wrong, with the truth beside each figure.

Nothing here is shared with the judgement in harness/checks/counts: ways of counting, of printing and of being wrong
are written down again, on decimal texts instead of numbers. The networks were counted once with the harness and stand
in counted_networks.json.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

NETWORKS = Path(__file__).with_name("counted_networks.json")

Network = Mapping[str, Any]
#: how a table counts: a network and a row's size give a count; None where it was not counted so
Count = Callable[[Network, int], float | None]


@dataclass(frozen=True)
class Printed:
    """One figure of a table."""

    network: str
    size: int  #: pixels
    text: str
    right: str  #: what should stand there
    story: str | None  #: how it came to be wrong; None where it is right

    @property
    def is_wrong(self) -> bool:
        return self.story is not None


@dataclass(frozen=True)
class Column:
    """The figures of one column."""

    metric: str  #: flops or params
    counted: str  #: name of the way of counting
    digits: int  #: significant digits of its smallest figure, at most
    cells: tuple[Printed, ...]


def networks() -> dict[str, Network]:
    found: dict[str, Network] = json.loads(NETWORKS.read_text(encoding="utf-8"))
    return found


def _by(counter: str, factor: float, size: int | None = None, rounded: int | None = None) -> Count:
    def count(network: Network, row_size: int) -> float | None:
        name = network["plain_counter"] if counter == "plain" else counter
        value = network["multiply_adds"].get(str(size or row_size), {}).get(name)
        if value is None:
            return None
        return factor * (round(value / 1e9, rounded) * 1e9 if rounded is not None else value)

    return count


#: eleven ways to count FLOPs, as published tables have them
FLOPS: Mapping[str, Count] = {
    "multiply-adds": _by("plain", 1),
    "twice": _by("plain", 2),
    "fvcore": _by("fvcore", 1),
    "thop": _by("thop", 1),
    "twice thop": _by("thop", 2),
    "ptflops": _by("ptflops", 1),
    "twice ptflops": _by("ptflops", 2),
    "multiply-adds at 224": _by("plain", 1, 224),
    "twice at 224": _by("plain", 2, 224),
    "twice what was rounded": _by("plain", 2, rounded=2),
    "fvcore at 224": _by("fvcore", 1, 224),
}
PARAMS: Mapping[str, Count] = {
    "learnable": lambda network, _: network["parameters"]["learnable"],
    "stored": lambda network, _: network["parameters"]["learnable"] + network["parameters"]["running_statistics"],
    "thop": lambda network, _: network["parameters"]["by_counter"].get("thop"),
}
#: how often a table counts parameters so; FLOPs evenly
_PARAMS_ODDS = (0.9, 0.05, 0.05)
STORIES = ("digit", "exchanged digits", "dropped digit", "doubled", "halved", "power of ten", "neighbour", "network")


def column(
    chosen: random.Random, found: Mapping[str, Network], metric: str, rows: int, digits: int, wrong: float
) -> Column | None:
    """A column of so many networks in which each figure is wrong with a probability; None where one was not counted."""
    unit = Decimal(10) ** (9 if metric == "flops" else 6)
    name = chosen.choice(list(FLOPS)) if metric == "flops" else chosen.choices(list(PARAMS), _PARAMS_ODDS)[0]
    count = (FLOPS if metric == "flops" else PARAMS)[name]
    names = chosen.sample(list(found), rows)
    values = [(one, found[one]["input_size"], count(found[one], found[one]["input_size"])) for one in names]
    if any(not value for _, _, value in values):
        return None
    exact = [Decimal(float(value or 0)) / unit for _, _, value in values]
    decimals = max(0, digits - 1 - math.floor(math.log10(max(float(min(exact)), 0.1))))
    rights = [_rounded(value, decimals) for value in exact]
    others = [
        Decimal(float(v)) / unit
        for n in chosen.sample(list(found), min(5, len(found)))
        if (v := count(found[n], found[n]["input_size"]))
    ]
    cells = []
    for i, (one, size, _) in enumerate(values):
        text, story = rights[i], None
        if chosen.random() < wrong:
            text, story = _spoilt(chosen, rights, i, [_rounded(value, decimals) for value in others])
        cells.append(Printed(one, size, text, rights[i], story))
    return Column(metric, name, digits, tuple(cells))


def _rounded(value: Decimal, decimals: int, how: str = ROUND_HALF_UP) -> str:
    return f"{value.quantize(Decimal(1).scaleb(-decimals), rounding=how):f}"


def cut(value: Decimal, decimals: int) -> str:
    return _rounded(value, decimals, ROUND_DOWN)


def _spoilt(chosen: random.Random, rights: Sequence[str], i: int, others: Sequence[str]) -> tuple[str, str | None]:
    """A wrong figure in place of the right one, and how it came about; the right one where nothing else came out."""
    right = rights[i]
    for _ in range(30):
        story = chosen.choice(STORIES)
        text = _wrong(chosen, story, right, [*rights[:i], *rights[i + 1 :]], others)
        if text is not None and float(text) > 0 and Decimal(text) != Decimal(right):
            return text, story
    return right, None


def _wrong(
    chosen: random.Random, story: str, right: str, neighbours: Sequence[str], others: Sequence[str]
) -> str | None:
    places = [k for k, sign in enumerate(right) if sign.isdigit()]
    if story == "digit":
        k = chosen.choice(places)
        return right[:k] + chosen.choice([d for d in "0123456789" if d != right[k]]) + right[k + 1 :]
    if story == "exchanged digits" and len(places) > 1:
        k = chosen.randrange(len(places) - 1)
        a, b = places[k], places[k + 1]
        signs = list(right)
        signs[a], signs[b] = signs[b], signs[a]
        return "".join(signs)
    if story == "dropped digit" and len(places) > 2:
        # a digit less at the end of a decimal number is no error
        k = chosen.choice(places[:-1] if "." in right else places)
        text = right[:k] + right[k + 1 :]
        return None if text[0] == "." or (text[0] == "0" and text[1] != ".") else text
    decimals = len(right.partition(".")[2])
    if story in ("doubled", "halved"):
        return _rounded(Decimal(right) * (2 if story == "doubled" else Decimal("0.5")), decimals)
    if story == "power of ten":
        power = chosen.choice([1, -1, 3, -3])
        return f"{Decimal(right).scaleb(power):f}"
    if story == "neighbour" and neighbours:
        return chosen.choice(neighbours)
    return chosen.choice(others) if story == "network" and others else None
