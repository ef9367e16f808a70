"""Tables of counted networks as people print them, right and wrong, with the truth beside each figure.

Nothing here is shared with the judgement in harness/checks/counts: ways of counting, of printing and of being wrong
are written down again, on decimal texts instead of numbers. The networks were counted once with the harness and stand
in counted_networks.json.
"""

from __future__ import annotations

import json
import math
import random
import re
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
    passes: bool = False  #: wrong, but what another way of counting prints for the network

    @property
    def is_wrong(self) -> bool:
        return self.story is not None


@dataclass(frozen=True)
class Column:
    """The figures of one column."""

    metric: str  #: flops or params
    counted: str  #: name of the way of counting; of two, where rows are counted in two ways
    digits: int  #: significant digits of its smallest figure, at most
    cells: tuple[Printed, ...]


@dataclass(frozen=True)
class Wanted:
    """The kind of columns that are printed."""

    metric: str
    rows: int
    digits: int
    wrong: float = 0.0  #: how likely each cell is wrong
    mixed: bool = False  #: some rows are counted in a second way
    unknown: bool = False  #: by a tool that the harness does not have
    stories: Sequence[str] | None = None  #: ways to be wrong; None for all that are usual


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
#: second ways of a column: papers' figures beside one's own, one row at another size, another tool
_SECOND = {"flops": ("multiply-adds", "twice", "fvcore", "thop", "twice at 224"), "params": ("learnable", "stored")}
#: how figures are rounded, and how often: half up, cut off, to one digit less and a zero behind it
PRINTING = {"rounded": 0.86, "cut": 0.04, "padded": 0.10}
#: ways to be wrong that were written down when the harness was finished, and rated once
HELD_BACK = ("other column", "other column of the row above", "mirrored", "same kind of network")
STORIES = ("digit", "exchanged digits", "dropped digit", "doubled", "halved", "power of ten", "neighbour", "network")


def _with_additions(network: Network, size: int) -> float | None:
    """As by a tool that counts an operation for each bias and each scale too, which the harness does not have."""
    count = network["multiply_adds"].get(str(size), {}).get(network["plain_counter"])
    parameters = network["parameters"]
    return None if count is None else 1.004 * count + 49 * (parameters["biases"] + parameters["normalisation_affine"])


def column(chosen: random.Random, found: Mapping[str, Network], wanted: Wanted) -> Column | None:
    """A column of so many networks; None where one of them was not counted so."""
    flops = wanted.metric == "flops"
    ways = FLOPS if flops else PARAMS
    odds = None if flops else _PARAMS_ODDS
    names = chosen.choices(list(ways), odds)
    counts: list[Count] = [ways[names[0]]]
    if wanted.unknown:
        names, counts = ["a tool that is not known"], [_with_additions]
    elif wanted.mixed:
        names.append(chosen.choice([name for name in _SECOND[wanted.metric] if name != names[0]]))
        counts.append(ways[names[1]])
    unit = Decimal(10) ** (9 if flops else 6)
    models = chosen.sample(list(found), wanted.rows)
    by = [chosen.choices(counts, [0.65, 0.35][: len(counts)])[0] for _ in models]
    values = [count(found[one], found[one]["input_size"]) for one, count in zip(models, by, strict=True)]
    if any(not value for value in values):
        return None
    exact = [Decimal(float(value or 0)) / unit for value in values]
    decimals = max(0, wanted.digits - 1 - math.floor(math.log10(max(float(min(exact)), 0.1))))
    how = chosen.choices(list(PRINTING), list(PRINTING.values()))[0]

    def printed(value: float | None) -> str | None:
        return _printed(Decimal(float(value)) / unit, decimals, how) if value else None

    rights = [_printed(value, decimals, how) for value in exact]
    others = [
        (one, text)
        for one in chosen.sample(list(found), min(5, len(found)))
        if (text := printed(counts[0](found[one], found[one]["input_size"])))
    ]
    cells = []
    for i, one in enumerate(models):
        size, text, story = found[one]["input_size"], rights[i], None
        if chosen.random() < wanted.wrong:
            alike = [printed(by[i](found[other], found[other]["input_size"])) for other in _alike(one, found)]
            texts = [other for _, other in others], [other for other in alike if other]
            page = Page(rights, i, *texts, models, found, wanted.metric, decimals, exact[i])
            text, story = _spoilt(chosen, page, wanted.stories or STORIES)
        passes = story is not None and _passes(found[one], wanted.metric, text)
        cells.append(Printed(one, size, text, rights[i], story, passes))
    return Column(wanted.metric, " and ".join(names), wanted.digits, tuple(cells))


def _passes(network: Network, metric: str, text: str) -> bool:
    """Whether a figure is what some tool counts for the network, once or twice, however it was rounded."""
    if metric == "flops":
        sizes = {str(network["input_size"]), "224"} & network["multiply_adds"].keys()
        counts = [f * n / 1e9 for size in sizes for n in network["multiply_adds"][size].values() for f in (1, 2)]
        counts += [2 * round(count / 2, decimals) for count in counts for decimals in (1, 2)]
    else:
        counts = [count(network, 0) for count in PARAMS.values()]
        counts = [float(count) / 1e6 for count in counts if count]
    decimals = len(text.partition(".")[2])
    zeros = len(text) - len(text.rstrip("0")) if decimals else 0
    for count in map(Decimal, counts):
        texts = {_rounded(count, decimals), _rounded(count, decimals, ROUND_DOWN)}
        texts.update(_rounded(count, decimals - padded) for padded in range(1, min(zeros, decimals) + 1))
        if any(Decimal(other) == Decimal(text) for other in texts):
            return True
    return False


def _printed(value: Decimal, decimals: int, how: str) -> str:
    if how == "padded" and decimals > 1:
        return _rounded(value, decimals - 1) + "0"
    return _rounded(value, decimals, ROUND_DOWN if how == "cut" else ROUND_HALF_UP)


def _rounded(value: Decimal, decimals: int, how: str = ROUND_HALF_UP) -> str:
    return f"{value.quantize(Decimal(1).scaleb(-decimals), rounding=how):f}"


@dataclass(frozen=True)
class Page:
    """What stands around a cell."""

    rights: Sequence[str]  #: figures of the column
    i: int  #: the cell's position
    others: Sequence[str]  #: figures of other networks
    alike: Sequence[str]  #: figures of networks that are called alike
    models: Sequence[str]
    found: Mapping[str, Network]
    metric: str
    decimals: int
    exact: Decimal  #: what was counted

    @property
    def neighbours(self) -> Sequence[str]:
        return [*self.rights[: self.i], *self.rights[self.i + 1 :]]

    def other_column(self, i: int) -> str | None:
        """What the other column says of a row."""
        network = self.found[self.models[i]]
        size = str(network["input_size"])
        learnable = network["parameters"]["learnable"] / 1e6
        count = learnable if self.metric == "flops" else network["multiply_adds"][size][network["plain_counter"]] / 1e9
        return _rounded(Decimal(float(count)), self.decimals)


def _alike(name: str, found: Mapping[str, Network]) -> list[str]:
    """Networks whose names differ in their numbers alone: other widths and depths."""

    def kind(of: str) -> str:
        return re.sub(r"[\d.]+", "", of.split(".IMAGENET")[0].split("_8xb")[0])

    return [one for one in found if one != name and kind(one) == kind(name)]


def _spoilt(chosen: random.Random, page: Page, stories: Sequence[str]) -> tuple[str, str | None]:
    """A wrong figure in place of the right one, and how it came about; the right one where nothing else came out."""
    right = page.rights[page.i]
    for _ in range(30):
        story = chosen.choice(stories)
        text = _wrong(chosen, story, right, page)
        if text is not None and float(text) > 0 and not _is_right(text, page):
            return text, story
    return right, None


def _is_right(text: str, page: Page) -> bool:
    """Whether a figure says what was counted, maybe in fewer digits."""
    decimals = len(text.partition(".")[2])
    rounded = {_rounded(page.exact, decimals, how) for how in (ROUND_HALF_UP, ROUND_DOWN)}
    return any(Decimal(text) == Decimal(right) for right in (*rounded, page.rights[page.i]))


def _wrong(chosen: random.Random, story: str, right: str, page: Page) -> str | None:
    if story in ("digit", "exchanged digits", "dropped digit"):
        return _slip(chosen, story, right)
    if story in ("doubled", "halved"):
        return _rounded(Decimal(right) * (2 if story == "doubled" else Decimal("0.5")), page.decimals)
    if story == "power of ten":
        return f"{Decimal(right).scaleb(chosen.choice([1, -1, 3, -3])):f}"
    if story == "mirrored":
        digits = iter([sign for sign in reversed(right) if sign.isdigit()])
        return "".join(next(digits) if sign.isdigit() else sign for sign in right)
    if story == "other column":
        return page.other_column(page.i)
    if story == "other column of the row above":
        return page.other_column(page.i - 1) if page.i else None
    if story == "same kind of network":
        return chosen.choice(page.alike) if page.alike else None
    if story == "neighbour" and page.neighbours:
        return chosen.choice(page.neighbours)
    return chosen.choice(page.others) if story == "network" and page.others else None


def _slip(chosen: random.Random, story: str, right: str) -> str | None:
    """A slip of the hand."""
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
    return None
