"""Columns that were counted by a tool that is not known here: near a plain count, in the heading's unit or another.

Of 19 published columns of FLOPs 12 are by such a tool (reference/priors/counts.toml).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.checks.counts.candidates import POWERS
from harness.checks.counts.conventions import Convention
from harness.checks.counts.evidence import priors

if TYPE_CHECKING:
    from harness.checks.counts.evidence.likelihood import Column, Hypotheses

Floats = npt.NDArray[np.float64]

#: factor within which a figure is near another
NEAR = 2.0


@dataclass(frozen=True)
class UnknownTool:
    """What such a tool counts near."""

    plain: int  #: position of the plain convention among the hypotheses
    power: int  #: of ten by which all figures are off, because the unit slipped
    prior: float  #: probability among all of these

    def convention(self, hypotheses: Hypotheses) -> Convention:
        return replace(hypotheses.conventions[self.plain], power=self.power)  # type: ignore[type-var]


def tools(hypotheses: Hypotheses) -> Sequence[UnknownTool]:
    """A tool counts a multiply-add as one or as two throughout."""
    found = [
        UnknownTool(plain, power, weight * priors.of_power(power))
        for power in (0, *POWERS)
        for weight, plain in hypotheses.plain
    ]
    total = sum(tool.prior for tool in found)
    return [replace(tool, prior=tool.prior / total) for tool in found]


def likelihoods(column: Column) -> Floats:
    """The probability of each cell by each of these tools: tools x cells."""
    spread = column.hypotheses.unknown_spread
    near = np.nan_to_num(np.exp(-_apart(column) / spread)) / (2 * spread)
    return np.asarray(near * column.steps / column.sizes)


def misprinted(column: Column) -> Floats:
    """The probability of each cell where it is wrong in such a column: tools x cells.

    Of slips it is known only that they are about as large as the figure was.
    """
    shares = priors.table()["stories"]
    far = shares["any"] + shares["other_network"]
    about = column.steps / column.sizes / (2 * math.log(NEAR)) * (_apart(column) < math.log(NEAR))
    return np.asarray(far * column.anything + (1 - far) * about)


def _apart(column: Column) -> Floats:
    """By how much each cell differs from what each tool counts near, as a logarithm: tools x cells."""
    with np.errstate(invalid="ignore", divide="ignore"):
        near = np.array([column.values[tool.plain] * 10.0**tool.power for tool in tools(column.hypotheses)])
        return np.asarray(np.abs(np.log(column.sizes / near)))


def figure(text: str, tool: UnknownTool) -> str:
    """A printed figure in the unit of its heading."""
    return f"{Decimal(text).scaleb(-tool.power):f}"
