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

#: An explanation is accepted if a wrong figure would match it with at most this probability.
CHANCE_ACCEPTED = 0.01
#: Percentage points of one image in 50,000: accuracies are not finer, however many digits are printed.
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
        return self.claim.counted_at or self.claim.row.input_size or self.static.input_size


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
    if value is None or not (convention.padding or convention.cut):
        return value
    step = item.claim.step * 10.0**convention.padding
    return (math.floor(value / step) if convention.cut else round(value / step)) * step


def agrees(convention: Convention, item: Measured) -> bool:
    value = figure(convention, item)
    return value is not None and item.claim.agrees(value)


def tries(conventions: Sequence[Convention], items: Sequence[Measured], departures: int) -> int:
    """How many different figures the conventions up to so many departures print for these rows."""
    return len({printed(c, items) for c in conventions if c.departures <= departures})


def printed(convention: Convention, items: Sequence[Measured]) -> tuple[str | None, ...]:
    values = [(item.claim, figure(convention, item)) for item in items]
    return tuple(None if value is None else claim.printed(value) for claim, value in values)


def chance_of(tried: int, among: int, items: Sequence[Measured], padding: int = 0) -> float:
    """Probability that wrong figures would all match one of the tries.

    A wrong figure is taken to be anywhere within its own magnitude, so that it hits a given printed value with
    probability step / value, not counting padded digits; choosing which of the rows match counts as further
    tries (Bonferroni).
    """
    # two rows of one network count as one
    claims = {(item.claim.text, item.claim.unit): item.claim for item in items if item.claim.value}
    hits = math.prod(10.0**padding * claim.step / claim.value for claim in claims.values())
    return min(1.0, tried * math.comb(among, len(items)) * hits)


def paddings(claims: Sequence[Claim]) -> list[int]:
    """How many last digits are 0 in more of the figures than expected by chance."""
    found = []
    for padding in (1, 2):
        padded = [claim for claim in claims if claim.decimals >= padding and claim.text.endswith("0" * padding)]
        if stats.binom.sf(len(padded) - 1, len(claims), 10.0**-padding) <= CHANCE_PADDED:
            found.append(padding)
    return found
