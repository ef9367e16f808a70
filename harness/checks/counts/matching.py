"""A documented count with the network that it is about, and how likely a wrong figure would match by chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scipy import stats

from harness.checks.counts.conventions import Convention
from harness.core.causes import Cause, words
from harness.core.evidence import ConventionMatch, NoMatch, PlainMatch, evidence_mapping
from harness.core.records import Claim, Outcome, Static

#: steps by which a count divided by its step may be off in binary
ROUNDING = 1e-9
#: Points in percent, of one image of 50,000: accuracies are no finer, however many digits are printed.
ONE_IMAGE = 0.002
#: Last digits are taken for padding if that many zeros occur by chance with at most this probability.
CHANCE_PADDED = 1e-3


@dataclass(frozen=True)
class Measured:
    """A claim with the network that it is about."""

    claim: Claim
    static: Static

    @property
    def size(self) -> int:
        """Pixels at which FLOPs are claimed."""
        return self.said_size or self.static.input_size

    @property
    def said_size(self) -> int | None:
        """Pixels that the page says; None where it says nothing."""
        return self.claim.counted_at or self.claim.row.input_size


@dataclass(frozen=True)
class Judgement:
    """What static measurements say about one claim."""

    outcome: Outcome
    plain: float | None  #: the count under the plain meaning of the column
    convention: str | None = None
    causes: tuple[Cause, ...] = ()
    basis: PlainMatch | ConventionMatch | NoMatch | None = None

    @property
    def cause(self) -> str | None:
        """The causes in words, as those of a verdict."""
        return words(self.causes)

    @property
    def evidence(self) -> dict[str, Any]:
        """The evidence as report.json has it, as that of a verdict."""
        return evidence_mapping(self.basis, self.causes)


def figure(convention: Convention, item: Measured) -> float | None:
    """What the document would print under a convention, before the last rounding; None where it was not counted."""
    value = convention.value(item.static, item.size)
    if value is None or not (convention.padding or convention.cut or convention.twice):
        return value
    step = item.claim.step * 10.0**convention.padding
    if convention.twice:
        value = math.floor(value / step * 10 + 0.5) * step / 10
        return math.floor(value / step + 0.5 + ROUNDING) * step
    return (math.floor(value / step + ROUNDING) if convention.cut else round(value / step)) * step


def agrees(convention: Convention, item: Measured) -> bool:
    value = figure(convention, item)
    return value is not None and item.claim.agrees(value)


def paddings(claims: Sequence[Claim]) -> list[int]:
    """How many last digits are 0 in more of the figures than expected by chance."""
    found = []
    for padding in (1, 2):
        padded = [claim for claim in claims if claim.decimals >= padding and claim.text.endswith("0" * padding)]
        if stats.binom.sf(len(padded) - 1, len(claims), 10.0**-padding) <= CHANCE_PADDED:
            found.append(padding)
    return found
