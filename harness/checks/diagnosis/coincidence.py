"""How often a swap would give a documented figure by coincidence, were the cause none of those that are tried.

Every tolerance admits more than the cause: of enough swaps one will fit whatever is documented. So the figures are
moved, together and along the line from what was measured to what is documented: to twice the difference, and as far to
the other side. Of the places on that line at which a figure would be missed, some are fitted by a swap of the list.
Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.checks.diagnosis.attribution import Coincidence, Swap, Target
from harness.core.records import Metric

#: greatest chance of a coincidence at which a swap is said to be the cause
LEVEL = 0.05
#: as often the difference as figures are moved, to either side
_REACH = 2.0

_Interval = tuple[float, float]


def coincidence(target: Target, counts: Mapping[Metric, float], swaps: Iterable[Swap]) -> Coincidence:
    """`counts`: right images of the population as the run has them, by metric."""
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
