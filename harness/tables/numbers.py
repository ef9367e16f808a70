"""The cells of a column of figures: numbers with their printed digits, or a mark for an unknown value."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from harness.core.records import UNITS
from harness.core.text import plain, without_notes

#: figures that a column needs for its unit to be inferred
ENOUGH = 5
_NOTHING = {"n/a", "na", "none", "nan", "null", "tbd", "tba", "unknown", "无", "暂无", "待定", "未知"}
#: digits as they are written, without a sign and a power of ten
DIGITS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+")
#: commands of a formula within each other
_NESTED = 3
#: digits and signs of a figure that anybody prints
_MOST_DIGITS = 40
#: thousands apart by another sign than a comma, by points where there are two and more; a percentage with a comma
#: before its decimals
_GROUPS = re.compile(r"(?<![\d.,])\d{1,3}(?:([ '_\N{RIGHT SINGLE QUOTATION MARK}])\d{3})(?:\1\d{3})*(?![\d.,])")
_POINTS = re.compile(r"(?<![\d.,])\d{1,3}(?:\.\d{3}){2,}(?![\d.,])")
_DECIMAL_COMMA = re.compile(r"(?<![\d.,])(\d{1,2}),(\d{1,2})(?![\d.,])")
#: marks that say that a figure is better or worse than another
_ARROWS = "\N{UPWARDS ARROW}\N{DOWNWARDS ARROW}\N{BLACK UP-POINTING TRIANGLE}\N{BLACK DOWN-POINTING TRIANGLE}"
_NUMBER = re.compile(
    rf"([+-]?(?:{DIGITS.pattern}))"
    r"(?:e\+?(\d+)|\s*[x×*]\s*10\s*(?:\^|\*\*)\s*\{?(\d+)\}?)?(?!\d)",
    re.IGNORECASE,
)
_SPREAD = re.compile(r"\(?\s*(?:±|\+/-|\+-|\\pm)\s*[\d.]+\s*%?\s*\)?")
_ABOUT = re.compile(r"^(?:~(?!~)|[≈≃∼]|约)\s*")
#: what formulas have around figures and units
_FORMULA = re.compile(r"\\(?:math\w{1,4}|text\w{0,4}|bf|bm|boldsymbol|underline|emph)\s*\{([^{}]*)\}")
_SIGNS = {r"\times": "×", r"\cdot": "×", r"\%": "%", "{,}": ",", "$": "", r"\,": " ", r"\;": " ", r"\:": " ", r"\!": ""}
_CROP = re.compile(r"\s*\([^()]*crop[^()]*\)\s*$")
_PIXELS = re.compile(r"\s*(?:px|pixels?|像素)\s*")


@dataclass(frozen=True)
class Number:
    """A number as printed."""

    value: Decimal  #: without its unit
    exponent: int  #: power of ten of its last printed digit
    suffix: str  #: the text behind it, without a spread and marks of footnotes
    is_whole: bool = False  #: printed with a power of ten that replaces the unit

    @property
    def is_plain_integer(self) -> bool:
        """Whether it is a count without a unit; decimals that are all zero do not matter."""
        return not self.suffix and self.value == self.value.to_integral_value()


def is_blank(text: str) -> bool:
    """Whether a cell is empty or says that the value is unknown."""
    shown = plain(text)
    return not any(char.isalnum() for char in shown) or without_notes(shown).lower() in _NOTHING


def read_number(text: str, percent: bool = False) -> Number | None:
    """The number that a cell begins with, and the text behind it; None where it begins with none.

    In a percentage a comma before one or two digits is a decimal one; in a count it may have lost its third digit.
    """
    shown = without_formula(plain(text)).strip(f"* `{_ARROWS}")
    shown = _GROUPS.sub(lambda group: re.sub(r"\D", "", group[0]), shown)
    shown = _POINTS.sub(lambda group: group[0].replace(".", ""), shown)
    shown = _DECIMAL_COMMA.sub(r"\1.\2", shown) if percent else shown
    found = _NUMBER.match(_ABOUT.sub("", shown))
    if found is None or len(found.group(1)) > _MOST_DIGITS:
        return None
    printed = Decimal(found.group(1).replace(",", ""))
    digits = found.group(2) or found.group(3) or "0"
    power = int(digits) if len(digits) < 3 else _MOST_DIGITS
    if power > 15:
        return None
    exponent = printed.as_tuple().exponent
    assert isinstance(exponent, int)
    suffix = without_notes(_SPREAD.sub(" ", without_notes(_ABOUT.sub("", shown)[found.end() :])))
    return Number(printed.scaleb(power), exponent + power, suffix.strip(" .,;:'\""), power >= 5)


def without_formula(text: str) -> str:
    """A figure without what a formula has around it: $4.1\\times10^9$ is 4.1×10^9."""
    if "$" not in text and "\\" not in text:
        return text
    for _ in range(_NESTED):
        text = _FORMULA.sub(r"\1", text)
    for written, meant in _SIGNS.items():
        text = text.replace(written, meant)
    return " ".join(text.split())


def written_as(written: str, figure: str, other: str) -> str | None:
    """Another figure in the way in which a cell writes one; None where `written` does not have the figure's digits.

    `written` is what DIGITS finds. A unit, a share of one and a power of ten move the digits of a figure and leave
    them as they are, so that how far they are moved in `written` tells how far those of the other have to be.
    """
    there, claimed = Decimal(written.replace(",", "")), Decimal(figure)
    if there.normalize().as_tuple().digits != claimed.normalize().as_tuple().digits:
        return None
    moved = Decimal(other).scaleb(there.adjusted() - claimed.adjusted())
    decimals = max(_decimals(there), _decimals(moved))
    text = f"{moved:{',' if ',' in written else ''}.{decimals}f}"
    return text.removeprefix("0") if written.startswith(".") else text


def _decimals(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return max(-exponent, 0)


def read_pixels(text: str) -> int | None:
    """The side of the square that a cell says, e.g. 224, 224x224, (3, 224, 224) or 224 px; None for anything else."""
    shown = _PIXELS.sub("", _CROP.sub("", without_formula(plain(text).lower()).replace("×", "x")))
    # a superscript 2 is removed like a footnote mark
    bare = shown if shown.startswith("[") else without_notes(shown)
    numbers = re.split(r"\s*[x×*,]\s*", re.sub(r"[\[\](){}]", "", bare).strip())
    sides = [number for number in numbers if len(numbers) < 3 or number not in ("1", "3")]
    is_square = len(set(sides)) == 1 and len(sides) <= 2 and len(sides[0]) < 5
    return int(sides[0]) if is_square and sides[0].isdecimal() else None


def padding(numbers: Iterable[Number]) -> int:
    """Zeros at the end that all plain integers of a column of counts share: they were rounded to these."""
    integers = [int(number.value) for number in numbers if number.is_plain_integer and number.value >= 10**5]
    return min((len(str(one)) - len(str(one).rstrip("0")) for one in integers), default=0)


def likely_unit(column: Sequence[Number], usual: tuple[float, float], enough: int = ENOUGH) -> str | None:
    """The unit in which the median of a column of small numbers is a usual count; None for too few or plain counts."""
    values = [float(number.value) for number in column]
    if len(values) < enough or max(values) >= 10**5:
        return None
    low, high = usual
    middle = statistics.median(values)
    return next((unit for unit in ("K", "M", "G", "T") if low <= middle * UNITS[unit] < high), None)


def in_a_unit(value: Decimal, exponent: int) -> tuple[str, str]:
    """A count as it would be printed, and its unit, so that its last known digit is the last that is printed."""
    if exponent <= 0:
        return f"{value:.{-exponent}f}", ""
    fitting = [unit for unit in ("K", "M", "G", "T") if UNITS[unit] <= value]
    precise = [unit for unit in ("K", "M", "G", "T") if UNITS[unit] >= 10**exponent]
    unit = max([*fitting[-1:], *precise[:1]], key=lambda one: UNITS[one])
    scale = Decimal(UNITS[unit])
    return f"{value / scale:.{max(scale.adjusted() - exponent, 0)}f}", unit
