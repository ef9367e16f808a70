"""Why an accuracy differs: the question, one swapped factor, and the answer. Pure records.

Swaps are judged in harness.checks.diagnosis.judge (against a document) and harness.checks.diagnosis.agreement (against
another source).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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


# -- coincidence ---------------------------------------------------------------------------------

#: greatest chance of a coincidence at which a swap is said to be the cause
COINCIDENCE = 0.05
#: as often the difference as figures are moved, to either side
_REACH = 2.0

_Interval = tuple[float, float]


def coincidence(target: Target, counts: Mapping[Metric, float], swaps: Iterable[Swap]) -> Coincidence:
    """How often a swap would give a documented figure by coincidence, were the cause none of those that are tried.

    Every tolerance admits more than the cause: of enough swaps one will fit whatever is documented. So the figures are
    moved, together and along the line from what was measured to what is documented: to twice the difference, and as
    far to the other side. Of the places on that line at which a figure would be missed, some are fitted by a swap.

    `counts`: right images of the population as the run has them, by metric.
    """
    missed = _cut((-_REACH, _REACH), _all(target, counts, {m: (counts[m], counts[m]) for m in target.allowed}))
    length = _length(missed)
    fits = [_within(missed, _of(target, counts, swap)) for swap in swaps if swap.status != "not tried"]
    if not length:
        return Coincidence(0.0, 0.0)
    every = _length(_union([part for one in fits for part in one]))
    return Coincidence(sum(map(_length, fits)) / length, every / length)


def _of(target: Target, counts: Mapping[Metric, float], swap: Swap) -> _Interval | None:
    totals: Mapping[Metric, tuple[int, int] | None] = {"top1": swap.top1, "top5": swap.top5}
    found = {metric: total for metric in target.allowed if (total := totals[metric]) is not None}
    return _all(target, counts, found)


def _all(target: Target, counts: Mapping[Metric, float], totals: Mapping[Metric, _Interval]) -> _Interval | None:
    """The places on the line at which these totals agree with every figure; None where there are none.

    0 is what the run has, 1 what is documented.
    """
    low, high = -_REACH, _REACH
    for metric, (least, most) in totals.items():
        first, last = target.allowed[metric]
        half, step = (last - first) / 2, (first + last) / 2 - counts[metric]
        ends = (least - half - counts[metric], most + half - counts[metric])
        if step:
            at = sorted(end / step for end in ends)
            low, high = max(low, at[0]), min(high, at[1])
        elif not ends[0] <= 0 <= ends[1]:
            return None
    return (low, high) if low < high else None


def _cut(whole: _Interval, gap: _Interval | None) -> list[_Interval]:
    if gap is None:
        return [whole]
    return [part for part in ((whole[0], gap[0]), (gap[1], whole[1])) if part[0] < part[1]]


def _within(parts: Sequence[_Interval], one: _Interval | None) -> list[_Interval]:
    if one is None:
        return []
    both = [(max(a, one[0]), min(b, one[1])) for a, b in parts]
    return [part for part in both if part[0] < part[1]]


def _union(parts: Iterable[_Interval]) -> list[_Interval]:
    found: list[_Interval] = []
    for low, high in sorted(parts):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found


def _length(parts: Iterable[_Interval]) -> float:
    return sum(high - low for low, high in parts)
