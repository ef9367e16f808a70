"""How likely each figure of a column is under each convention by which the column may have been printed.

Arrays are conventions x cells. Figures are in the unit of their claim. Everything is a probability of the printed text,
given its number of decimals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from harness.checks.counts.conventions import Convention, FlopsConvention, parameter_counts
from harness.checks.counts.evidence import misprints, priors, unknown_tools
from harness.checks.counts.matching import Measured

Floats: TypeAlias = npt.NDArray[np.float64]

#: rows above and below from which a figure is copied by mistake
NEIGHBOURHOOD = 8
_SPREAD, _ROUNDING = 100.0, 1e-9  #: factor over which published figures of one column spread; share of a step


@dataclass(frozen=True)
class Kin:
    """Conventions that differ in one choice."""

    choice: str
    share: float  #: of the cells of a column that make this choice otherwise
    groups: npt.NDArray[np.intp]  #: number of its group, for each convention
    order: npt.NDArray[np.intp]  #: conventions, group by group
    starts: npt.NDArray[np.intp]  #: where each group starts in that order

    def sums(self, values: Floats) -> Floats:
        """For each convention the sum over its group."""
        return np.asarray(np.add.reduceat(values[self.order], self.starts)[self.groups])


@dataclass(frozen=True)
class Hypotheses:
    """The ways in which a column may be counted."""

    conventions: Sequence[Convention]
    multiply_adds: bool  #: what the heading says

    @cached_property
    def prior(self) -> Floats:
        weights = np.array([priors.of_convention(c, self.multiply_adds) for c in self.conventions])
        return np.asarray(weights / weights.sum())

    @cached_property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether figures that are printed so are right."""
        return np.array([convention.fault is None for convention in self.conventions])

    @property
    def unknown_share(self) -> float:
        """How often a column is counted by a tool that is not known here."""
        return float(self._shares["unknown"])

    @property
    def unknown_spread(self) -> float:
        """By how much such a tool differs from the plain counter, as a logarithm."""
        return float(self._shares["unknown_spread"])

    @property
    def _shares(self) -> Mapping[str, float]:
        is_flops = isinstance(self.conventions[0], FlopsConvention)
        shares: Mapping[str, float] = priors.table()["flops" if is_flops else "params"]
        return shares

    @cached_property
    def plain(self) -> Sequence[tuple[float, int]]:
        """The plain convention and, of FLOPs, the one with another factor, each with how likely it is of them."""
        first = self.conventions[0]
        alike = [first]
        if isinstance(first, FlopsConvention):
            alike.append(replace(first, factor=3 - first.factor))
        numbers = [i for i, convention in enumerate(self.conventions) if convention in alike]
        total = self.prior[numbers].sum()
        return [(float(self.prior[number] / total), number) for number in numbers]

    @cached_property
    def bases(self) -> tuple[Sequence[Convention], npt.NDArray[np.intp], Floats]:
        """What is counted, which of it each convention uses, and what it multiplies it by."""
        each = [convention.base for convention in self.conventions]
        numbers = {base: number for number, base in enumerate(dict.fromkeys(each))}
        multipliers = np.array([convention.multiplier for convention in self.conventions])
        return list(numbers), np.array([numbers[base] for base in each]), multipliers

    @cached_property
    def kin(self) -> Sequence[Kin]:
        """For each choice which conventions agree in all others."""
        shares: Mapping[str, float] = priors.table()["both"]["mixed"]
        made = [priors.choices(convention) for convention in self.conventions]
        parts: dict[str, npt.NDArray[np.int64]] = {}
        options = 1
        for choice in made[0]:
            numbers = {value: number for number, value in enumerate(dict.fromkeys(one[choice] for one in made))}
            parts[choice] = np.array([numbers[one[choice]] for one in made]) * options
            options *= len(numbers)
        every = sum(parts.values())
        kin = []
        for choice, part in parts.items():
            _, groups = np.unique(every - part, return_inverse=True)
            order = np.argsort(groups, kind="stable")
            kin.append(Kin(choice, shares[choice], groups, order, np.flatnonzero(np.diff(groups[order], prepend=-1))))
        return kin


#: by the number of their conventions' tuple, which they keep, so that no other has it
_KNOWN: dict[tuple[int, bool], Hypotheses] = {}


def hypotheses_of(conventions: Sequence[Convention], multiply_adds: bool) -> Hypotheses:
    key = id(conventions), multiply_adds
    if key not in _KNOWN:
        _KNOWN[key] = Hypotheses(conventions, multiply_adds)
    return _KNOWN[key]


def forget() -> None:
    """Forgets the hypotheses, whose priors have changed."""
    _KNOWN.clear()


class Column:
    """The cells of one column under every hypothesis."""

    def __init__(self, items: Sequence[Measured], hypotheses: Hypotheses) -> None:
        self.items, self.hypotheses = items, hypotheses
        self._misprinted: dict[int, Floats] = {}
        scales = np.array([misprints.scale(item.claim) for item in items])
        bases, numbers, multipliers = hypotheses.bases
        counted = [[base.value(item.static, item.size) for item in items] for base in bases]
        values = np.array(counted, dtype=float).reshape(len(bases), len(items))
        self.values: Floats = values[numbers] * multipliers[:, None] / scales
        self.figures = np.array([float(item.claim.text) for item in items])
        self.steps = np.array([10.0**-item.claim.decimals for item in items])
        self.sizes = np.maximum(self.figures, self.steps)  # what is printed as 0 is less than a step
        both = priors.table()["both"]
        self.wrong_share, self.unknown_share = float(both["wrong"]), float(both["unknown_cell"])
        mixed = sum(kin.share for kin in hypotheses.kin) + both["mixed_otherwise"]
        self.own_share = 1 - self.wrong_share - self.unknown_share - mixed

    @cached_property
    def matches(self) -> Floats:
        """1 where a way to print gives a cell, else 0: ways x conventions x cells."""
        with np.errstate(invalid="ignore"):
            exact = self.values / self.steps
            printed = np.round(self.figures / self.steps)
            found = [self._printed(way, exact, printed) for way in priors.printings()]
        return np.array(found, dtype=float)

    @staticmethod
    def _printed(way: priors.Printing, exact: Floats, printed: Floats) -> npt.NDArray[np.bool_]:
        if way.cut:
            return np.asarray(np.floor(exact + _ROUNDING) == printed)
        if way.twice:
            return np.asarray(np.floor(np.floor(exact * 10 + 0.5) / 10 + 0.5 + _ROUNDING) == printed)
        unit = 10.0**way.padding
        ends_so = (printed % unit == 0) & ((printed > 0) | (unit == 1))
        return np.asarray(ends_so & (np.abs(exact - printed) <= unit / 2 * (1 + _ROUNDING)))

    @cached_property
    def printed_by_any(self) -> Floats:
        """The probability of each cell where it is counted so and nothing is known of how it is printed."""
        shares = np.array([way.probability for way in priors.printings()])
        return np.asarray(np.tensordot(shares, self.matches, axes=1))

    @cached_property
    def otherwise(self) -> Mapping[str, Floats]:
        """For each choice the probability of the cells where they make it otherwise than their column, and right."""
        weights = np.where(self.hypotheses.right, self.hypotheses.prior, 0.0)
        weighed = weights[:, None] * self.printed_by_any
        found = {}
        for kin in self.hypotheses.kin:
            others = (kin.sums(weights) - weights)[:, None]
            with np.errstate(invalid="ignore", divide="ignore"):
                each = (kin.sums(weighed) - weighed) / others
            # what rounding leaves where nothing agrees is nothing
            found[kin.choice] = np.where(others > 1e-15, np.clip(each, 0.0, 1.0), 0.0)
        return found

    @cached_property
    def mixed(self) -> Floats:
        """The probability that a cell of a column that is counted so is counted otherwise, and right."""
        weights = np.where(self.hypotheses.right, self.hypotheses.prior, 0.0)
        anyhow: float = priors.table()["both"]["mixed_otherwise"]
        total = np.zeros_like(self.printed_by_any) + anyhow * (weights @ self.printed_by_any)
        for kin in self.hypotheses.kin:
            total += kin.share * self.otherwise[kin.choice]
        return np.asarray(total)

    @cached_property
    def two_ways(self) -> Floats:
        """By how much likelier a cell is to be counted otherwise where about half of its column is, in one choice.

        Half of the cells are then counted as the column, and half with the other choice.
        """
        (choice,) = priors.table()["both"]["two_ways"]
        return np.asarray(self.otherwise.get(choice, np.zeros_like(self.printed_by_any)) * self.own_share / 2)

    @cached_property
    def anything(self) -> Floats:
        """The probability of each figure among all figures of that size, per cell."""
        return np.asarray(self.steps / self.sizes / math.log(_SPREAD))

    def misprinted(self, padding: int) -> Floats:
        """The probability of each cell where it is wrong, over all the ways to be; the last digits may be padded."""
        if padding in self._misprinted:  # asked for every cell, of which a table has thousands
            return self._misprinted[padding]
        padded = [item.claim.text.endswith("0" * padding) for item in self.items]
        if padding and not any(padded):
            self._misprinted[padding] = self.misprinted(0)
        else:
            total = np.zeros_like(self.values)
            for i in range(len(self.items)):
                if padding and not padded[i]:
                    total[:, i] = self.misprinted(0)[:, i]
                    continue
                for chances in self.stories(i, self.values, padding).values():
                    total[:, i] += chances
            self._misprinted[padding] = total
        return self._misprinted[padding]

    def stories(self, i: int, values: Floats, padding: int = 0) -> Mapping[tuple[misprints.Kind, object], Floats]:
        """For each way in which cell `i` may be wrong its probability, where the column has these values.

        A way is its kind, and the figure that was meant or the row that it was taken from, where there is one.
        """
        shares = priors.table()["stories"]
        if not self.items[i].claim.text.endswith("0" * padding):
            padding = 0  # a figure that is not padded is as precise as it is printed
        own, figure, step = values[:, i], self.figures[i], self.steps[i]
        found: dict[tuple[misprints.Kind, object], Floats] = {
            ("any", None): (shares["any"] + shares["other_network"]) * np.full(len(own), self.anything[i])
        }
        with np.errstate(invalid="ignore", divide="ignore"):
            is_near = np.abs(np.log(own / self.sizes[i])) < math.log(unknown_tools.NEAR)
            found["near", None] = shares["near"] * step / self.sizes[i] / (2 * math.log(unknown_tools.NEAR)) * is_near
            slips = misprints.meant_by(self.items[i].claim, padding)
            within = (own >= _lows(slips)[:, None]) & (own <= _highs(slips)[:, None])
            for number in np.flatnonzero(within.any(axis=1)):
                slip = slips[number]
                key = (slip.kind, slip.text)
                found[key] = found.get(key, np.zeros(len(own))) + slip.chance * within[number]
            near = [j for j in range(max(0, i - NEIGHBOURHOOD), min(len(self.items), i + NEIGHBOURHOOD + 1)) if j != i]
            for j in near:
                most = step * 10.0**padding / 2 * (1 + _ROUNDING)
                hit = np.abs(values[:, j] * self._unit_ratio(j, i) - figure) <= most
                if hit.any():
                    found["neighbour", j] = shares["neighbour"] / len(near) * hit
        if self._is_of_other_column(i):
            found["other_column", None] = np.full(len(own), shares["other_column"])
        return found

    def _unit_ratio(self, j: int, i: int) -> float:
        return misprints.scale(self.items[j].claim) / misprints.scale(self.items[i].claim)

    def _is_of_other_column(self, i: int) -> bool:
        """Whether the figure is what the row's other column would show."""
        item = self.items[i]
        if item.claim.metric == "flops":
            others = [value / 1e6 for value in list(parameter_counts(item.static).values())[:1]]
        else:
            counted = item.static.multiply_adds.get(item.size, {}).get(item.static.plain_counter)
            others = [factor * counted / 1e9 for factor in (1, 2)] if counted else []
        return any(abs(value - self.figures[i]) <= self.steps[i] / 2 for value in others)

    @cached_property
    def by_unknown_tools(self) -> Floats:
        """The probability of each cell by each tool that is not known here: tools x cells."""
        return unknown_tools.likelihoods(self)

    @cached_property
    def misprinted_by_unknown_tools(self) -> Floats:
        """The probability of each cell where it is wrong in a column by such a tool: tools x cells."""
        return unknown_tools.misprinted(self)

    @cached_property
    def by_unknown_tool(self) -> Floats:
        """The same for a single cell, of which nothing is known but that it is in its column's unit."""
        each = unknown_tools.tools(self.hypotheses)
        weights = np.array([0.0 if tool.power else tool.prior for tool in each])
        return np.asarray((weights / weights.sum()) @ self.by_unknown_tools)


def _lows(slips: Sequence[misprints.Meant]) -> Floats:
    return np.array([slip.low for slip in slips])


def _highs(slips: Sequence[misprints.Meant]) -> Floats:
    return np.array([slip.high for slip in slips])
