"""Why an accuracy differs: the question, one swapped factor, and the answer. Pure records.

Swaps are judged in harness.checks.diagnosis.judge (against a document) and harness.checks.diagnosis.agreement (against
another source).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.core.records import Metric

#: what an attribution can be against, other than another source
DOCUMENT, NOTHING = "the documented figures", "nothing"
LABEL_ORDER = "label order"
#: the factor of a swap that takes over all of another source's preprocessing
PREPROCESSING = "preprocessing"
Status = Literal["fits", "refuted", "undecided", "not tried", "control"]
Outcome = Literal["named", "consistent", "together", "ambiguous", "unexplained", "cannot_tell", "nothing_to_explain"]


@dataclass(frozen=True)
class Target:
    """What a document claims of a row, as counts of images."""

    population: int  #: images that the claims are about
    allowed: Mapping[Metric, tuple[float, float]]  #: least and greatest count that agrees with the documented figure
    own: Mapping[Metric, int] | None  #: counts of the run over all of the population; None where it saw only a part


@dataclass(frozen=True)
class Swap:
    """One factor swapped, and what that did to the images seen."""

    factor: str
    text: str
    status: Status
    images: int = 0  #: on which it was run, or which it leaves as they are
    changed: int = 0  #: images of these on which the best class differs
    gained: int = 0  #: images that only the swap has right, by top1
    lost: int = 0  #: images that only the source's own has right, by top1
    gained5: int = 0
    lost5: int = 0
    top1: tuple[int, int] | None = None  #: images of the population that it has right: least and greatest
    top5: tuple[int, int] | None = None
    p: float | None = None  #: exact McNemar, Holm over all swaps, of the metric that misses most
    needed: int | None = None  #: images that would decide at the observed effect; None where none was observed
    why: str = ""  #: why it was not tried


@dataclass(frozen=True)
class Coincidence:
    """What a list of swaps says of a figure that is missed for another reason."""

    fitting: float  #: swaps of the list that fit such a figure, on average
    chance: float  #: that at least one does


@dataclass(frozen=True)
class Agreement:
    """One factor swapped, and how close that brings a source to another."""

    factor: str
    text: str
    status: Status
    images: int = 0
    same_class: int = 0  #: images with the same best class as the other source
    relative: float | None = None  #: 2-norm of agreement.least_logit_differences() over that of the other's logits
    why: str = ""


@dataclass(frozen=True)
class Attribution:
    """The answer for one row, or for one pair of runs."""

    source: str  #: with version
    model: str  #: as documented
    input_size: int  #: pixels
    against: str  #: DOCUMENT, NOTHING, or another source with its version
    outcome: Outcome
    factors: tuple[str, ...]  #: the cause where it is named, else what is left
    text: str
    images: int  #: seen
    population: int  #: images that the question is about
    evidence: tuple[Swap, ...] | tuple[Agreement, ...]
    coincidence: Coincidence | None = None  #: where a documented figure is missed


def conclude(swaps: Sequence[Swap]) -> tuple[Outcome, tuple[str, ...]]:
    """What all swaps together say, and of which factors."""
    fits, undecided = with_status(swaps, "fits"), with_status(swaps, "undecided")
    if len(fits) == 1 and set(undecided) <= set(fits):
        return "named", fits
    if fits:
        return "ambiguous", tuple(dict.fromkeys((*fits, *undecided)))
    return ("cannot_tell", undecided) if undecided else ("unexplained", ())


def images_seen(swaps: Sequence[Swap]) -> int:
    """On how many images swaps were run; other labels take no run, so they are tried on all there are."""
    run = [swap.images for swap in swaps if swap.factor != LABEL_ORDER]
    return max(run or [swap.images for swap in swaps], default=0)


def with_status(swaps: Sequence[Swap] | Sequence[Agreement], status: Status) -> tuple[str, ...]:
    """The factors of the swaps of which this was found, each once."""
    return tuple(dict.fromkeys(swap.factor for swap in swaps if swap.status == status))
