"""How the figures of one source in one column are counted: known conventions and the search, applied in turn."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

from harness.checks.counts.conventions import Convention, FlopsConvention, flops_conventions, params_conventions
from harness.checks.counts.matching import CHANCE_ACCEPTED, Measured, agrees, chance_of, figure, paddings, printed
from harness.checks.counts.search import Explanation, best_convention, constant_ratio

#: A source uses one convention. Where several of its rows agree on it, another convention for fewer rows has to match
#: this much better than chance.
CHANCE_ACCEPTED_AGAINST_COLUMN = 1e-4
#: A convention is a table's own if it gives at least so many figures of a source, and this share of those that hold.
COMMON_ROWS, COMMON_SHARE = 3, 2 / 3


class CommonConvention(NamedTuple):
    """The convention by which nearly all figures of a source are counted in other tables."""

    text: str
    rows: int  #: figures that are counted so


class ColumnConvention:
    """The conventions of one column: which rows hold under which.

    A row is either open, or explained by a convention that is not the plain one, or holds under the plain meaning.
    `search`, `other_factor` and `other_tables` each explain further open rows; call them in this order.
    """

    def __init__(self, group: Sequence[Measured]) -> None:
        """`group` are the claims of one source about one metric in one table, at least one."""
        self.group = group
        claims, statics = [item.claim for item in group], [item.static for item in group]
        self.is_flops = claims[0].metric == "flops"
        self.conventions: Sequence[Convention] = (
            flops_conventions(statics, claims[0].multiply_adds, paddings(claims))
            if self.is_flops
            else params_conventions(statics, paddings(claims))
        )
        self.plain = self.conventions[0]
        self.explained: dict[int, Explanation] = {}  # row -> what explains it
        self.open_rows = [i for i, item in enumerate(group) if not agrees(self.plain, item)]
        self.common: CommonConvention | None = None

    def search(self, known_conventions: Collection[str]) -> None:
        """The conventions that explain most rows, found one after the other.

        `known_conventions` are the texts of conventions by which other tables of the source are counted.
        """
        texts = [printed(convention, self.group) for convention in self.conventions]
        while self.open_rows:
            match = best_convention(self.conventions, texts, self.group, self.open_rows, known_conventions)
            if match is None and self.is_flops:
                match = constant_ratio(self.conventions, self.group, self.open_rows)
            if match is None:
                return
            agreed = self._agreed()
            if agreed >= 2 and agreed > len(match.rows) and match.chance > CHANCE_ACCEPTED_AGAINST_COLUMN:
                return
            self._explain(match)

    def other_factor(self) -> None:
        """Multiply-adds counted as two operations instead of one or the reverse, where no row is explained yet.

        This is tried first, so it is not a search and needs no correction for one.
        """
        if not isinstance(self.plain, FlopsConvention) or len(self.open_rows) < len(self.group):
            return
        other_way = replace(self.plain, factor=3 - self.plain.factor)
        for i in list(self.open_rows):
            chance = chance_of(1, 1, [self.group[i]])
            if agrees(other_way, self.group[i]) and chance <= CHANCE_ACCEPTED:
                self._explain(Explanation(other_way, (i,), chance, 1))

    def other_tables(self, common: CommonConvention | None) -> None:
        """The convention of the source's other tables, where the rows of this one do not agree on another."""
        self.common = common
        if self._convention_of_other_tables is None:
            return
        convention = self._convention_of_other_tables
        rows = [i for i in self.open_rows if agrees(convention, self.group[i])]
        if self._agreed() <= max(1, len(rows)):
            for i in rows:
                self._explain(Explanation(convention, (i,), chance_of(1, 1, [self.group[i]]), 1))

    @cached_property
    def _convention_of_other_tables(self) -> Convention | None:
        common = self.common
        return next((c for c in self.conventions if common is not None and c.text == common.text), None)

    def _explain(self, match: Explanation) -> None:
        self.explained.update(dict.fromkeys(match.rows, match))
        self.open_rows = [i for i in self.open_rows if i not in match.rows]

    def _agreed(self) -> int:
        """The largest number of rows that are known to be counted in one way."""
        conventions = [match.convention for match in self.explained.values()]
        plain_rows = len(self.group) - len(self.explained) - len(self.open_rows)
        return max([plain_rows, *(conventions.count(convention) for convention in conventions)])

    # -- once all are applied: how the column as a whole is counted ------------------------------------

    def rows_counted_by(self, convention: Convention) -> int:
        """How many figures of the column a convention gives."""
        return sum(agrees(convention, item) for item in self.group)

    @cached_property
    def used(self) -> list[Convention]:
        """The plain convention and those that explain rows."""
        return [self.plain, *(match.convention for match in self.explained.values())]

    @cached_property
    def _most_used(self) -> tuple[Convention, int]:
        """The convention that gives most of the figures, and how many; of equals the plain one, which comes first."""
        rows = {convention: self.rows_counted_by(convention) for convention in self.used}
        most_used = max(rows, key=lambda convention: rows[convention])
        return most_used, rows[most_used]

    @cached_property
    def usual(self) -> Convention:
        """How the column is counted: as most of its figures are, or if none holds as in the source's other tables."""
        most_used, rows = self._most_used
        elsewhere = self._convention_of_other_tables
        return elsewhere if not rows and elsewhere is not None else most_used

    @cached_property
    def rows_elsewhere(self) -> int:
        """Figures of other tables that show how this column is counted; 0 where its own rows do."""
        by_other_tables = not self._most_used[1] and self._convention_of_other_tables is not None
        return self.common.rows if by_other_tables and self.common is not None else 0

    @cached_property
    def rows_as_usual(self) -> int:
        """How many figures most rows agree on, if these are nearly all that hold; else 0."""
        rows = self._most_used[1]
        return rows if rows >= max(COMMON_ROWS, COMMON_SHARE * (len(self.group) - len(self.open_rows))) else 0

    def likeliest(self, row: int) -> Convention:
        """How a wrong figure was probably counted: by the nearest convention of several rows, else as usual."""
        item = self.group[row]
        common = [convention for convention in self.used if self.rows_counted_by(convention) >= 2]
        values = {c: value for c in (self.usual, *common) if (value := figure(c, item)) is not None}
        return min(values, key=lambda convention: abs(values[convention] - item.claim.value), default=self.usual)

    def explained_alike(self, row: int) -> list[Measured]:
        """The claims that the same convention explains as this row."""
        convention = self.explained[row].convention
        return [self.group[i] for i, match in self.explained.items() if match.convention == convention]

    def explained_as_well_by(self, row: int) -> tuple[str, ...]:
        """Other conventions that give the same figures for all rows that this row's convention explains."""
        convention, alike = self.explained[row].convention, self.explained_alike(row)
        own_sizes = {item.size for item in alike}
        return tuple(
            other.text
            for other in self.conventions
            if other != convention
            and other.cut == convention.cut
            and getattr(other, "size", None) not in own_sizes
            and all(agrees(other, item) for item in alike)
        )
