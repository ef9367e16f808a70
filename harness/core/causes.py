"""Why a cell has its verdict: each cause is a type with its evidence, and one function puts causes into words.

A verdict holds its causes in the order in which they were found. Other modules decide by their types; the words are
for people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from harness.core.records import Row


@dataclass(frozen=True)
class Stated:
    """A cause that is words alone: why a cell was not measured, or by how much an accuracy is off."""

    text: str


@dataclass(frozen=True)
class LeftOut:
    """The parameters that a convention does not count."""

    parameters: int
    layer_types: tuple[str, ...]  #: that hold them


@dataclass(frozen=True)
class CountedAs:
    """A convention gives the documented figure."""

    convention: str
    row_size: int | None = None  #: pixels that the row says, where the convention counts at another size
    left_out: LeftOut | None = None
    size: int | None = None  #: pixels that the convention counts at, where it is not the row's own


@dataclass(frozen=True)
class NoConvention:
    """No convention gives the documented figure better than chance."""

    coincidence: str | None = None  #: the convention that gives it no better than chance


@dataclass(frozen=True)
class Expected:
    """What the figure would be by the convention by which it was probably counted."""

    figure: str  #: as the document would print it
    convention: str


@dataclass(frozen=True)
class OneDigit:
    """One digit of the expected figure was changed, or two neighbouring digits were swapped."""

    expected: str  #: as the document would print it
    convention: str


@dataclass(frozen=True)
class SlippedUnit:
    """The figure is right in another unit."""

    expected: str  #: as the document would print it, in the unit of its column
    documented: str
    right_unit: str
    wrong_unit: str
    convention: str
    whole_column: bool = False  #: so have the other figures of the column
    probability: float = 1.0  #: that it has slipped, and so


@dataclass(frozen=True)
class SlippedPoint:
    """The figure is right with the decimal point elsewhere."""

    expected: str  #: as the document would print it
    unit: str
    convention: str


@dataclass(frozen=True)
class Misprint:
    """The figure came about in another way that is known."""

    kind: str  #: of harness.checks.counts.evidence.misprints
    expected: str  #: as the document would print it
    convention: str
    row: Row | None = None  #: whose figure it is, where it is another row's
    fault: str | None = None  #: what is wrong with the whole column, in words
    probability: float = 1.0  #: that it came about so


@dataclass(frozen=True)
class RunnerUp:
    """The next likely way in which the figure came about."""

    text: str  #: a clause
    probability: float


@dataclass(frozen=True)
class Doubt:
    """It cannot be decided whether the figure is right."""

    text: str  #: what it may be and what would settle it, without a full stop


@dataclass(frozen=True)
class Exchanged:
    """FLOPs and parameters of the row are exchanged."""

    expected: str  #: as the document would print it
    probability: float = 1.0


@dataclass(frozen=True)
class OtherNetwork:
    """The figure is that of another network of the same source."""

    source: str  #: name, without the release
    model: str  #: the source's own name
    convention: str
    chance: float  #: probability that some other figure would match any network that was tried


@dataclass(frozen=True)
class SameFigureElsewhere:
    """Other rows of the table print the same figure."""

    rows: tuple[Row, ...]


@dataclass(frozen=True)
class MayBeCopied:
    """Another row prints the same figure and is reproduced; not part of the words of a cause."""

    row: Row


@dataclass(frozen=True)
class Diagnosed:
    """What swapping one factor of an evaluation at a time shows about a contradicted accuracy."""

    outcome: str  #: of harness.checks.diagnosis.attribution.Attribution
    factors: tuple[str, ...]
    text: str  #: a clause, without a full stop


@dataclass(frozen=True)
class StaleGap:
    """The known gap that is listed for the cell is no longer what is measured."""

    listed: str  #: as measured when it was listed
    outcome: str  #: of the cell now
    measured: str  #: as the document would print it


Slipped = SlippedUnit | SlippedPoint
Cause = (
    Stated | CountedAs | NoConvention | Expected | OneDigit | Slipped | Misprint | RunnerUp | Doubt | Exchanged
    | OtherNetwork | SameFigureElsewhere | MayBeCopied | Diagnosed | StaleGap
)  # fmt: skip

#: causes that say where a contradicted count comes from, so that no other network is searched for it
LOCATED = (OneDigit, SlippedUnit, SlippedPoint, Misprint, Exchanged, OtherNetwork, SameFigureElsewhere)
#: causes that say what a wrong figure should be, under any convention of the column
RIGHT_ELSEWHERE: tuple[type[SlippedUnit | SlippedPoint | Exchanged], ...] = (SlippedUnit, SlippedPoint, Exchanged)
#: causes that replace those that were found before
_REPLACING = (SlippedUnit, SlippedPoint, Exchanged, OtherNetwork, StaleGap)
_ROWS_NAMED = 3

C = TypeVar("C")


def last(causes: Sequence[Cause], kind: type[C] | tuple[type[C], ...]) -> C | None:
    """The latest cause of a kind, or of one of several; None where there is none."""
    return next((cause for cause in reversed(causes) if isinstance(cause, kind)), None)


def words(causes: Sequence[Cause]) -> str | None:
    """The causes in words, without a full stop at the end; None where there is nothing to say."""
    text: str | None = None
    for cause in causes:
        said = _words(cause)
        if said is None:
            continue
        if text is None or isinstance(cause, _REPLACING):
            text = said
        else:
            text = f"{text}{'. ' if isinstance(cause, Diagnosed) else '; '}{said}"
    return text


def _words(cause: Cause) -> str | None:
    match cause:
        case Stated(text):
            return text
        case CountedAs():
            return _counted_as(cause)
        case NoConvention(coincidence):
            return "no convention reproduces it" + (_no_better_than_chance(coincidence) if coincidence else "")
        case Expected(figure, convention):
            return f"expected {figure} ({convention})"
        case OneDigit(expected, convention):
            return f"it is one digit away from {expected}, which is {convention}"
        case SlippedUnit(_, documented, right_unit, wrong_unit, convention, whole_column):
            what = "the unit of the column" if whole_column else "the unit"
            return f"{what} is wrong: it is {documented} {right_unit}, not {wrong_unit} ({convention})"
        case Misprint():
            return _misprint(cause)
        case RunnerUp(text, probability):
            return f"less likely ({_percent(probability)}), {text}"
        case Doubt(text):
            return text
        case SlippedPoint(expected, unit, convention):
            return f"the decimal point is misplaced: it is {expected} {unit} ({convention})"
        case _:
            return _place_in_words(cause)


def _place_in_words(cause: Cause) -> str | None:
    """The words of causes outside of the cell itself."""
    match cause:
        case Exchanged():
            return "FLOPs and parameters of the row are exchanged"
        case OtherNetwork(source, model, convention):
            return f"the figure belongs to another network of {source}: {model} ({convention})"
        case SameFigureElsewhere(rows):
            return f"the same figure is in {', '.join(map(row_in_words, rows[:_ROWS_NAMED]))}"
        case Diagnosed(_, _, text):
            return f"{text[0].upper()}{text[1:]}"
        case StaleGap(listed, outcome, measured):
            return (
                f"the known gap listed for it is stale: it says that {listed} is measured, but the cell is "
                f"{outcome} and {measured} is measured. Correct or remove the entry"
            )
        case _:
            return None


def _misprint(cause: Misprint) -> str:
    expected, convention = cause.expected, cause.convention
    where = row_in_words(cause.row) if cause.row is not None else "another row"
    match cause.kind:
        case "exchanged_rows":
            return f"the figures of this row and of {where} are exchanged: it is {expected} ({convention})"
        case "neighbour":
            return f"it is the figure of {where}; expected {expected} ({convention})"
        case "dropped_digit":
            return f"a digit of {expected} is missing, which is {convention}"
        case "added_digit":
            return f"it has a digit more than {expected}, which is {convention}"
        case "factor_of_two":
            return f"it is twice or half of {expected}, by which the column is counted ({convention})"
        case "other_column":
            return f"it is the figure of the row's other column; expected {expected} ({convention})"
        case _:
            return f"{cause.fault}; expected {expected} ({convention})"


def _percent(probability: float) -> str:
    return f"{100 * probability:.0f} %" if probability >= 0.01 else "under 1 %"


def _counted_as(cause: CountedAs) -> str:
    text = f"counted as {cause.convention}"
    if cause.row_size is not None:
        text += f", although the row says {cause.row_size} pixels"
    if cause.left_out:
        held_by = ", ".join(cause.left_out.layer_types)
        text += f", which leaves out the {cause.left_out.parameters:,} parameters held by {held_by}"
    return text


def _no_better_than_chance(convention: str) -> str:
    return (
        f" better than chance: it is {convention}, but too few digits are printed, or too many other rows are counted "
        "differently, to distinguish that from a coincidence"
    )


def row_in_words(row: Row) -> str:
    return f"row {row.number} ({row.model} of {row.source})"
