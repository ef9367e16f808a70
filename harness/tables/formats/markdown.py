"""The tables of a Markdown file, including those that a strict parser takes for HTML, code or text."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from harness.tables import reshape
from harness.tables.cells import Cell, Problem, RawTable
from harness.tables.formats import directives, html, models_list
from harness.tables.formats.outline import Outline, outline_of, statistics

_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_COMMENT = re.compile(r"(?<!`)<!--")
#: HTML whose content is not rendered as Markdown
_VERBATIM = re.compile(r"\s*<(?:!--|pre|script|style|textarea)", re.IGNORECASE)
_TAGS = re.compile(r"^\s*(?:<[^<>|]{0,500}>\s*)+")
#: blocks within blocks that are looked into: HTML in indented text in HTML
_DEEPEST = 3
_PIPE = re.compile(r"(?<!\\)\|")
_DELIMITER = re.compile(r":?\s*-+\s*:?")
_STRUCK = re.compile(rf"<(/?)(?:{'|'.join(html.STRUCK)})\s*>", re.IGNORECASE)
_CONTAINER = re.compile(r"^[\s>]*")
_FIRST_IN_CONTAINER = re.compile(r"^(?:[\s>]|[-+*]\s|\d+[.)]\s)*")


class _Line(NamedTuple):
    """A line with cells in it."""

    number: int  #: 1-based
    cells: list[str]  #: as written
    framed: bool  #: between two pipes, which a sentence never is


def read(file: str, text: str) -> tuple[list[RawTable], list[Problem]]:
    """Every table of a Markdown text, HTML tables among them, in the order of their lines.

    Tables in comments and in fenced code are left out. Rows that an empty line separates from their table are problems.
    The statistics of one model, in lists or in tables of two columns, are one table of one row.
    """
    env: dict[str, Any] = {}
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text, front, name = models_list.front_matter(file, text)
    written = _PARSER.parse(text)
    shown = _without_hidden_parts(text, written)
    tokens = _PARSER.parse(shown, env)
    found: list[RawTable] = []
    problems: list[Problem] = []
    for lines in _blocks(shown, env, tokens):
        headings = _headings(lines)
        above = lines[: headings[0] if headings else len(lines)]
        cut_off = _cut_off(above, len(found[-1].heading) if found else 0)
        problems += [
            Problem(file, line.number, f"{' | '.join(line.cells)!r} looks like a row of the table above; join the two")
            for line in cut_off
        ]
        tables = list(_tables(lines, headings))
        if not cut_off and len(above) > 1 and all(line.framed for line in above):
            tables.insert(0, above)  # without its line of dashes
        for table in tables:
            rows = [(line.number, tuple(_cell(written, env) for written in line.cells)) for line in table]
            found.append(RawTable(file, rows[0][0], rows[0][1], tuple(rows[1:])))
    of_directives, wrong = _directives(file, written)
    problems += wrong
    found += [RawTable(file, rows[0][0], rows[0][1], tuple(rows[1:])) for rows in [*html.read(shown), *of_directives]]
    found.sort(key=lambda raw: raw.line)
    outline = outline_of(tokens, shown)
    return [*front, *reshape.reshaped(_placed(found, outline), statistics(shown), name or outline.title)], problems


def _placed(tables: Sequence[RawTable], outline: Outline) -> list[RawTable]:
    """The tables with what stands around them on the page."""
    return [
        RawTable(
            raw.file,
            raw.line,
            raw.heading,
            raw.rows,
            section=outline.section(raw.line),
            above=outline.above(raw.line),
            links=outline.links,
        )
        for raw in tables
    ]


def _directives(file: str, tokens: Sequence[Token]) -> tuple[list[html.Rows], list[Problem]]:
    """The tables that are directives of MyST in fenced blocks."""
    found: list[html.Rows] = []
    problems = []
    for token in tokens:
        if token.type == "fence" and token.map and (lines := directives.fenced(token.info, token.content)):
            table = directives.read(
                ["" for _ in range(token.map[0])] + lines, token.map[0], lambda text: _cell(text, {})
            )
            found += [table.rows] if table.rows else []
            problems += [Problem(file, token.map[0] + 1, table.wrong)] if table.wrong else []
    return found, problems


def _without_hidden_parts(text: str, tokens: Sequence[Token]) -> str:
    """Fenced code and comments become empty lines, so that all others keep their numbers."""
    lines = text.split("\n")
    for token in tokens:
        if token.type == "fence" and token.map:
            lines[slice(*token.map)] = [""] * (token.map[1] - token.map[0])
    return _without_comments("\n".join(lines))


def _without_comments(text: str) -> str:
    kept, end = [], 0
    while (comment := _COMMENT.search(text, end)) and (closed := text.find("-->", comment.end())) >= 0:
        kept += [text[end : comment.start()], "\n" * text.count("\n", comment.start(), closed)]
        end = closed + len("-->")
    return "".join([*kept, text[end:]])


def _blocks(
    text: str, env: dict[str, Any], tokens: Sequence[Token] | None = None, before: int = 0, depth: int = 0
) -> Iterator[list[_Line]]:
    """The lines of every table and paragraph, and of those within HTML and within indented text."""
    lines = text.split("\n")
    for token in _PARSER.parse(text, env) if tokens is None else tokens:
        start, end = token.map or (0, 0)
        if token.type in ("table_open", "paragraph_open"):
            yield [
                _line(before + i + 1, lines[i], _FIRST_IN_CONTAINER if i == start else _CONTAINER)
                for i in range(start, end)
                if _PIPE.search(lines[i])
            ]
        elif depth == _DEEPEST:
            continue
        elif token.type == "code_block":
            within = "\n".join(line.lstrip() for line in token.content.split("\n"))
            yield from _blocks(within, env, before=before + start, depth=depth + 1)
        elif token.type == "html_block" and not _VERBATIM.match(token.content):
            within = "\n".join(_without_tags(line) for line in token.content.split("\n"))
            yield from _blocks(within, env, before=before + start, depth=depth + 1)


def _without_tags(line: str) -> str:
    """A line without what would make it HTML: the tags that it begins with, and all of it where it holds no cells."""
    if not line.lstrip().startswith("<"):
        return line
    return _TAGS.sub("", line) if _PIPE.search(line) else ""


def cell_spans(written: str, container: re.Pattern[str] = _CONTAINER) -> list[tuple[int, int]]:
    """Where the cells of a line of a table start and end, without the spaces around them."""
    within = container.match(written)
    pipes = list(_PIPE.finditer(written))
    starts = [within.end() if within else 0, *(pipe.end() for pipe in pipes)]
    ends = [*(pipe.start() for pipe in pipes), len(written)]
    spans = [_stripped(written, start, end) for start, end in zip(starts, ends, strict=True)]
    opened, closed = (start == end for start, end in (spans[0], spans[-1]))
    return spans[opened : len(spans) - closed]


def _stripped(written: str, start: int, end: int) -> tuple[int, int]:
    cell = written[start:end]
    start += len(cell) - len(cell.lstrip())
    return start, max(start, end - len(cell) + len(cell.rstrip()))


def _line(number: int, written: str, container: re.Pattern[str]) -> _Line:
    spans = cell_spans(written, container)
    cells = [written[start:end].replace(r"\|", "|") for start, end in spans]
    return _Line(number, cells, len(spans) < len(_PIPE.findall(written)))


def _tables(lines: list[_Line], headings: list[int]) -> Iterator[list[_Line]]:
    """The tables of a block, heading first: Markdown takes those without an empty line between them for one."""
    for start, end in itertools.pairwise([*headings, len(lines)]):
        yield [lines[start], *lines[start + 2 : end]]


def _headings(lines: list[_Line]) -> list[int]:
    """Where the headings are: above a line of dashes."""
    found: list[int] = []
    for i in range(1, len(lines)):
        written = [cell for cell in lines[i].cells if cell]
        # a row of single dashes below the heading's own says that the figures are unknown
        says_so = not found or any("--" in cell or ":" in cell for cell in written)
        if says_so and written and all(_DELIMITER.fullmatch(cell) for cell in written):
            found.append(i - 1)
    return found


def _cut_off(lines: list[_Line], width: int) -> list[_Line]:
    """Lines without a heading that have as many cells as the table above them."""
    return [line for line in lines if 1 < len(line.cells) == width and (line.framed or width > 2)]


def _cell(written: str, env: Mapping[str, Any]) -> Cell:
    children = _PARSER.parseInline(written, dict(env))[0].children or []
    links = []
    for i, child in enumerate(children):
        if child.type == "link_open":
            within = itertools.takewhile(lambda one: one.type != "link_close", children[i + 1 :])
            links.append((" ".join(one.content for one in within).strip(), str(child.attrs["href"])))
    text = gone = ""
    struck = 0
    for child in children:
        tag = _STRUCK.match(child.content) if child.type == "html_inline" else None
        if child.type in ("s_open", "s_close") or tag:
            struck += (-1 if tag[1] else 1) if tag else child.nesting
        elif struck > 0:
            gone += child.content
        elif child.type in ("text", "code_inline"):
            text += child.content
        elif child.type == "html_inline" and child.content.lower().startswith("<sup"):
            text += "^"
        elif child.type in ("softbreak", "hardbreak", "html_inline"):
            text += " "
    return Cell(" ".join(text.split()) or html.struck_out(gone), tuple(links))
