"""Reports of whole zoos stay files that people open: what nobody has to look at gives way first.

report.json has every cell, whatever these show.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any

from harness.core.records import UNJUDGED, Claim, Outcome
from harness.core.text import plural

#: Bytes of a page. A browser lays 3 MB of tables out in a second; a page of 8,000 rows with all details has 30 MB.
LARGEST = 3_000_000
#: outcomes of cells that nobody has to look at
SETTLED = (Outcome.REPRODUCED, Outcome.WITHIN_REPETITIONS, Outcome.EXPLAINED, *UNJUDGED)

#: parts of a report that are lists of their own
_LISTS = ("entries", "expected", "beside", "paragraphs", "tables")


def fitted(
    render: Callable[[Mapping[str, Any]], str],
    context: Mapping[str, Any],
    of_cell: int,
    largest: int = LARGEST,
) -> str:
    """What `render` makes of a report's context, with less and less in it until that is no larger than it may be.

    `of_cell`: bytes that a cell takes at least; what is larger by its cells alone is not rendered to see.
    """
    text = ""
    for smaller in _smaller(context):
        if sum(len(row["cells"]) for row in smaller["rows"]) * (_BRIEF if smaller["brief"] else of_cell) > largest:
            continue
        text = render(smaller)
        if len(text.encode(errors="backslashreplace")) <= largest:
            break
    return text


#: bytes that a cell without details takes at least
_BRIEF = 50


def _smaller(context: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The context as it is, then with less in it each time, the least important first."""
    yield context
    unmeasured = [(reason, plural(cells.count(", ") + 1, "cell")) for reason, cells in context["unmeasured"]]
    brief = {**context, "brief": True, "unmeasured": unmeasured}
    yield brief
    rows = striking(context["rows"], context["wrong"])
    few = {**brief, "rows": rows, "left_out": left_out(len(context["rows"]) - len(rows), "row", NOTHING_WRONG)}
    yield few
    for size in _halves(max(len(context[name]) for name in (*_LISTS, "files"))):
        yield {
            **few,
            **{name: context[name][:size] for name in _LISTS},
            "files": context["files"][-size:] if size else [],
            "rows": [],
            "left_out": left_out(len(context["rows"]), "row"),
            "cut": left_out(max(0, len(context["entries"]) - size), "more cell"),
        }


def _halves(size: int) -> Iterator[int]:
    while size:
        yield size
        size //= 2
    yield 0


#: which rows are left out first
NOTHING_WRONG = " in which nothing is wrong"


def striking(rows: Sequence[Mapping[str, Any]], wrong: Container[Claim | None]) -> list[Mapping[str, Any]]:
    """The rows with a cell that somebody has to look at."""
    return [
        row for row in rows if any(one.outcome not in SETTLED or one.claim in wrong for one in row["cells"].values())
    ]


def left_out(number: int, noun: str, which: str = "") -> str:
    """A sentence about what is not shown; empty where everything is."""
    if not number:
        return ""
    return f"{plural(number, noun)}{which} {'is' if number == 1 else 'are'} left out here; report.json has every cell."
