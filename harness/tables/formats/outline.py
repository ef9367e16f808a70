"""What stands around the tables of a page: headings, text, lists of statistics and addresses."""

from __future__ import annotations

import bisect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from markdown_it.token import Token

_ADDRESS = re.compile(r"https?://[^\s<>()\[\]\"'`|]{1,500}")
#: `- Params (M): 28.6`, also with the key in bold
_STATISTIC = re.compile(r"\s*[-*+]\s+\**\s*([^:*|]{1,60}?)\s*\**\s*:\s*\**\s*(\S[^|]{0,200})$")
_MARKUP = re.compile(r"[*`_]{2,}|`")
#: characters and paragraphs of text above a table that are kept
_ABOVE = 2000
_PARAGRAPHS = 5


@dataclass(frozen=True)
class Heading:
    """A heading of a page."""

    line: int  #: 1-based
    level: int
    text: str


@dataclass(frozen=True)
class Outline:
    """What stands around the tables of a page."""

    headings: tuple[Heading, ...] = ()
    paragraphs: tuple[tuple[int, str], ...] = ()  #: 1-based line and text of those that hold no table
    links: tuple[str, ...] = ()

    def section(self, line: int) -> tuple[str, ...]:
        """The headings above a line, the outermost first."""
        place = bisect.bisect_left(self._lines, line)
        return self._chains[place - 1] if place else ()

    def above(self, line: int) -> str:
        """The text between the last heading above a line and the line, as far as it is near."""
        place = bisect.bisect_left(self._lines, line)
        start = self._lines[place - 1] if place else 0
        last = bisect.bisect_left(self.paragraphs, (line, ""))
        near = self.paragraphs[max(0, last - _PARAGRAPHS) : last]
        return "\n".join(paragraph for at, paragraph in near if at > start)[-_ABOVE:]

    @property
    def title(self) -> str:
        """The first heading of the highest level."""
        best = min(self.headings, key=lambda one: (one.level, one.line), default=None)
        return best.text if best else ""

    @cached_property
    def _lines(self) -> list[int]:
        return [heading.line for heading in self.headings]

    @cached_property
    def _chains(self) -> list[tuple[str, ...]]:
        """Each heading with those that it stands under."""
        chains, chain = [], list[Heading]()
        for heading in self.headings:
            while chain and chain[-1].level >= heading.level:
                chain.pop()
            chain.append(heading)
            chains.append(tuple(one.text for one in chain))
        return chains


def outline_of(tokens: Sequence[Token], text: str) -> Outline:
    """The outline of a Markdown page from its parsed blocks."""
    headings, paragraphs = [], []
    for i, token in enumerate(tokens):
        if token.type not in ("heading_open", "paragraph_open") or token.map is None:
            continue
        content = _MARKUP.sub("", tokens[i + 1].content).strip()
        if token.type == "heading_open":
            headings.append(Heading(token.map[0] + 1, int(token.tag[1:]), content))
        elif "|" not in content:
            paragraphs.append((token.map[0] + 1, content))
    return Outline(tuple(headings), tuple(paragraphs), addresses(text))


def addresses(text: str) -> tuple[str, ...]:
    """Every address in a text, once."""
    return tuple(dict.fromkeys(found[0].rstrip(".,;:") for found in _ADDRESS.finditer(text)))


def statistics(text: str) -> list[tuple[int, str, str]]:
    """Line, key and value of every item of a list such as `- Params (M): 28.6`."""
    found = ((number, _STATISTIC.match(line)) for number, line in enumerate(text.split("\n"), 1) if len(line) < 300)
    return [(number, match[1], match[2].strip(" *")) for number, match in found if match]
