"""How a wrong or doubtful count came about, as causes: the likeliest story, and the next one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from decimal import Decimal

from harness.checks.counts.evidence.cells import Story
from harness.checks.counts.evidence.posterior import Belief
from harness.checks.counts.matching import Measured
from harness.core.causes import (
    Cause,
    Doubt,
    Expected,
    Misprint,
    NoConvention,
    OneDigit,
    RunnerUp,
    SlippedPoint,
    SlippedUnit,
)
from harness.core.records import UNITS, Outcome

_PRINTED_UNITS = ("K", "M", "G", "T")
#: a runner-up is told if it is at least so likely
_TOLD = 0.01


def causes(group: Sequence[Measured], beliefs: Sequence[Belief], row: int, outcome: Outcome) -> tuple[Cause, ...]:
    """The causes of a cell that is contradicted or doubtful."""
    item, belief = group[row], beliefs[row]
    if outcome is Outcome.DOUBTFUL:
        return (Doubt(_doubt(item, belief)),)
    if not belief.stories:
        return (NoConvention(),)
    story = belief.stories[0]
    told = _cause(group, beliefs, row, story)
    named = [one for one in belief.stories[1:] if one.kind not in ("near", "any")]
    other = next((one for one in named if _clause(item, one) != _clause(item, story)), None)
    if other is not None and other.probability >= _TOLD:
        return (*told, RunnerUp(_clause(item, other), other.probability))
    return told


def _cause(group: Sequence[Measured], beliefs: Sequence[Belief], row: int, story: Story) -> tuple[Cause, ...]:
    item, text, by = group[row], story.figure, _by(story)
    so = min(1.0, sum(one.probability for one in beliefs[row].stories if _is_alike(one, story)))
    if text is None or story.kind in ("near", "any"):
        return (NoConvention(), *((Expected(text, by),) if text is not None else ()))
    if story.kind in ("digit", "exchanged_digits"):
        return (NoConvention(), OneDigit(text, by))
    if story.kind == "convention" and story.convention.power:
        return (_slipped(item, story.convention.power, by, so, whole_column=len(group) > 1),)
    if story.kind in ("slipped_unit", "slipped_point"):
        power = _power(item, text)
        right = text if len(group) > 1 else None
        return (_slipped(item, power, by, so, right=right) if power else SlippedPoint(text, item.claim.unit, by),)
    if story.kind == "neighbour" and story.row is not None:
        back = beliefs[story.row].stories[:1]
        exchanged = bool(back) and back[0].kind == "neighbour" and back[0].row == row
        kind = "exchanged_rows" if exchanged else "neighbour"
        return (Misprint(kind, text, by, group[story.row].claim.row, probability=so),)
    if story.kind == "convention":
        return (Misprint("convention", text, by, fault=story.convention.fault, probability=so),)
    return (NoConvention(), Misprint(story.kind, text, by, probability=so))


def _by(story: Story) -> str:
    if not story.is_near:
        return story.convention.text
    plain = dataclasses.replace(story.convention, power=0)  # type: ignore[type-var]
    return f"by a tool that is not known, near {plain.text}"


def _is_alike(one: Story, other: Story) -> bool:
    """Whether two stories differ in nothing but the figure: both are a slip of one power, or of one row."""
    return (one.kind, one.row, one.convention.fault) == (other.kind, other.row, other.convention.fault)


def _power(item: Measured, text: str) -> int:
    """The power of ten between what is printed and what should be."""
    if not float(text):
        return 0
    return round((Decimal(item.claim.text) / Decimal(text)).log10())


def _slipped(
    item: Measured, power: int, by: str, probability: float, whole_column: bool = False, right: str | None = None
) -> Cause:
    """The unit or the point has slipped: the figure is too large by a power of ten.

    `right` is what should stand there; None for the figure's own digits.
    """
    claim = item.claim
    right = f"{Decimal(claim.text).scaleb(-power):f}" if right is None else right
    unit = next((sign for sign, scale in UNITS.items() if scale == UNITS[claim.unit] * 10.0**-power), None)
    if unit in _PRINTED_UNITS:
        return SlippedUnit(right, claim.text, unit, claim.unit, by, whole_column, probability)
    return SlippedPoint(right, claim.unit, by)


def _clause(item: Measured, story: Story) -> str:
    """A story as a clause."""
    what = {
        "digit": "one digit is wrong",
        "exchanged_digits": "two digits are exchanged",
        "dropped_digit": "a digit is missing",
        "added_digit": "there is a digit too many",
        "factor_of_two": "it is twice or half of that",
        "slipped_unit": "the unit is wrong",
        "slipped_point": "the decimal point is misplaced",
        "neighbour": "it is the figure of another row",
        "other_column": "it is the figure of the row's other column",
        "near": "it is of another release, resolution or network",
        "any": "it is of something else",
        "convention": story.convention.fault or "",
    }[story.kind]
    return f"{story.figure} {item.claim.unit} was meant and {what}".replace(" and it is", ", but it is")


def _doubt(item: Measured, belief: Belief) -> str:
    """What a doubtful figure may be, and what would settle it."""
    may_be = []
    if belief.right:
        convention, _ = belief.right[0]
        right = max(0.0, 1 - belief.wrong - belief.unknown)
        may_be.append((right, f"right, as {convention.text}"))
    if belief.stories:
        may_be.append((belief.wrong, f"wrong: {_clause(item, belief.stories[0])}"))
    may_be.append((belief.unknown, "counted by a tool that is not known here"))
    told = " or ".join(f"{text} ({100 * p:.0f} %)" for p, text in sorted(may_be, reverse=True) if p >= _TOLD)
    if belief.unknown > max(belief.wrong, 1 - belief.wrong - belief.unknown):
        settles = "the name of the tool that counted it"
    else:
        settles = "another printed digit, or the name of the tool that counted it,"
    return f"this cannot be decided: it may be {told}. What would settle it is {settles.rstrip(',')}"
