"""Markdown tables -> claims. Units and percentages are settled here, once.

What cannot be read is never dropped: it becomes a Problem with its file and line.
"""

from __future__ import annotations

import glob
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from harness.errors import InputError
from harness.records import METRICS, UNITS, Claim, Metric, Row

#: column -> what its heading says, after units and punctuation are taken away
HEADINGS: Mapping[str, tuple[str, ...]] = {
    "model": ("model", "models", "model name", "name", "network", "模型", "模型名称"),
    "source": ("source", "framework", "codebase", "repo", "library", "源码", "来源"),
    "top1": (
        "top1",
        "top-1",
        "top 1",
        "acc@1",
        "top1 acc",
        "top-1 acc",
        "top-1 accuracy",
        "top1 accuracy",
        "acc1",
    ),
    "top5": (
        "top5",
        "top-5",
        "top 5",
        "acc@5",
        "top5 acc",
        "top-5 acc",
        "top-5 accuracy",
        "top5 accuracy",
        "acc5",
    ),
    "flops": ("flops", "flop", "macs", "mac", "gflops", "gmacs", "mflops", "计算量", "multiply-adds"),
    "params": ("params", "param", "#params", "#param", "parameters", "参数", "参数量"),
    "input_size": (
        "input size",
        "input",
        "resolution",
        "image size",
        "img size",
        "size",
        "crop",
        "输入尺寸",
        "分辨率",
    ),
}
UNIT_SIGNS: Mapping[str, str] = {
    "g": "G", "b": "G", "bn": "G", "十亿": "G", "giga": "G", "gflops": "G", "gmacs": "G",
    "m": "M", "百万": "M", "mega": "M", "mflops": "M",
    "k": "K", "千": "K", "t": "T", "%": "%",
}  # fmt: skip
NO_CLAIM = {"", "-", "--", "---", "–", "—", "/", "n/a", "na", "none", "nan", "?"}

_NUMBER = re.compile(r"^([+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|[+-]?\d+(?:\.\d+)?|[+-]?\.\d+)\s*([^\d\s].*)?$")
_VERSION_IN_LINK = re.compile(r"/(?:blob|tree|tag|raw)/v?(\d+(?:\.\d+)+(?:[-.]?(?:rc|post|dev)\d*)?)(?:/|$|#|\?)")
_VERSION_IN_TEXT = re.compile(r"\bv(\d+(?:\.\d+)+)\b")
_DELIMITER = re.compile(r":?-+:?")
_SOURCE_NAME = re.compile(r"[A-Za-z][\w.-]*")
_SEVERAL = re.compile(r"\s*[,;&+、]\s*|\s+(?:/|and)\s+")


@dataclass(frozen=True)
class Problem:
    """A place in a table that cannot be read as the claim it seems to be."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"

    @property
    def place(self) -> dict[str, str | int]:
        """Where it is, as the evidence of a finding."""
        return {"file": Path(self.file).name, "line": self.line}


@dataclass(frozen=True)
class Table:
    """All claims of some files."""

    files: tuple[str, ...]
    rows: tuple[Row, ...]  #: numbered throughout
    claims: tuple[Claim, ...]
    problems: tuple[Problem, ...]
    passed_over: tuple[Problem, ...] = ()  #: tables that are not about models, by their headings


@dataclass(frozen=True)
class _Cell:
    text: str
    links: tuple[tuple[str, str], ...] = ()  #: text and address


@dataclass(frozen=True)
class _Column:
    heading: str
    unit: str | None
    multiply_adds: bool


def read_table(path: Path) -> Table:
    """Every claim in a Markdown file; see read_tables."""
    return read_tables([path])


def read_tables(asked: Sequence[Path]) -> Table:
    """Every claim in these Markdown files, in those of these folders, and in those that these patterns match.

    Raises InputError where a file cannot be read, where a folder or a pattern has none, and where none of them has a
    table with a model and a metric in its heading.
    """
    files = list(dict.fromkeys(file for path in asked for file in _files(path)))
    rows: list[Row] = []
    claims: list[Claim] = []
    problems: list[Problem] = []
    passed_over: list[Problem] = []
    before = 0  # rows of the model tables above
    for path in files:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot read the table: {error}") from error
        for cells in _tables(text):
            heading_line, heading = cells[0]
            columns, twice = _columns(heading)
            if "model" not in columns or not any(metric in columns for metric in METRICS):
                what = " | ".join(cell.text for cell in heading if cell.text)
                passed_over.append(Problem(str(path), heading_line, what))
                continue
            problems += [Problem(str(path), heading_line, what) for what in twice]
            _read_rows(str(path), before, cells[1:], columns, rows, claims, problems)
            before += len(cells) - 1
    if not rows and not problems:
        found = "; ".join(f"line {one.line}: {one.text}" for one in passed_over[:3]) or "no table at all"
        where = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
        raise InputError(
            f"{where}: no model table found ({found}). Expected a Markdown table whose heading names a model column "
            "(model, name, 模型) and at least one of top1, top5, flops, params"
        )
    return Table(tuple(map(str, files)), tuple(rows), tuple(claims), tuple(problems), tuple(passed_over))


def _files(asked: Path) -> list[Path]:
    if asked.is_dir():
        found = sorted(asked.rglob("*.md"))
    elif glob.has_magic(str(asked)) and not asked.exists():
        found = [Path(name) for name in sorted(glob.glob(str(asked), recursive=True)) if Path(name).is_file()]  # noqa: PTH207
    else:
        return [asked]
    if not found:
        raise InputError(f"{asked}: no Markdown file there; expected a file, a folder of .md files or a pattern")
    return found


def _tables(text: str) -> Iterator[list[tuple[int, list[_Cell]]]]:
    """Each table as (1-based line, cells) per row, the heading first."""
    rows: list[tuple[int, list[_Cell]]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "table_open":
            rows = []
        elif token.type == "tr_open":
            rows.append(((token.map or [0])[0] + 1, []))
        elif token.type == "inline" and rows and token.level >= 4:
            rows[-1][1].append(_cell(token))
        elif token.type == "table_close":
            yield from _apart(rows)
            rows = []


def _apart(rows: list[tuple[int, list[_Cell]]]) -> Iterator[list[tuple[int, list[_Cell]]]]:
    """The tables that stand below each other without an empty line, which Markdown takes for one."""
    for i in range(2, len(rows)):
        texts = [cell.text for cell in rows[i][1] if cell.text]
        if any("--" in text for text in texts) and all(_DELIMITER.fullmatch(text) for text in texts):
            yield rows[: i - 1]
            yield from _apart([rows[i - 1], *rows[i + 1 :]])
            return
    yield rows


def _cell(token: Token) -> _Cell:
    children = token.children or []
    links = []
    for i, child in enumerate(children):
        if child.type == "link_open":
            within = itertools.takewhile(lambda one: one.type != "link_close", children[i + 1 :])
            links.append((" ".join(one.content for one in within).strip(), str(child.attrs["href"])))
    text = "".join(
        " " if child.type in ("softbreak", "hardbreak", "html_inline") else child.content
        for child in children
        if child.type in ("text", "code_inline", "softbreak", "hardbreak", "html_inline")
    )
    return _Cell(" ".join(text.split()), tuple(links))


def _columns(heading: Sequence[_Cell]) -> tuple[dict[str, tuple[int, _Column]], list[str]]:
    """Column name -> its position and what its heading says; and what is wrong with a second column of a name."""
    found: dict[str, tuple[int, _Column]] = {}
    twice: list[str] = []
    for position, cell in enumerate(heading):
        text = cell.text.lower()
        bracket = re.search(r"[(（\[]([^)）\]]*)[)）\]]", text)
        bare = re.sub(r"[(（\[][^)）\]]*[)）\]]|@\s*\d{2,}", "", text)  # @224 is a size, the @1 of acc@1 is not
        bare = " ".join(bare.replace("_", " ").split()).strip(" :*.")
        unit = UNIT_SIGNS.get(bracket.group(1).strip()) if bracket else None
        if unit is None and bare in ("gflops", "gmacs", "mflops"):
            unit = UNIT_SIGNS[bare]
        for name, spellings in HEADINGS.items():
            if bare in spellings and name in found:
                twice.append(
                    f"column {cell.text!r} is not read: {found[name][1].heading!r} says {name} already; keep one"
                )
            elif bare in spellings:
                found[name] = (position, _Column(cell.text, unit, "mac" in text or "multiply" in text))
    return found, twice


def _read_rows(
    file: str,
    before: int,
    body: Sequence[tuple[int, list[_Cell]]],
    columns: Mapping[str, tuple[int, _Column]],
    rows: list[Row],
    claims: list[Claim],
    problems: list[Problem],
) -> None:
    fractions = {metric for metric in ("top1", "top5") if metric in columns and _is_fraction(body, columns[metric][0])}
    for number, (line, cells) in enumerate(body, before + 1):

        def at(name: str, cells: list[_Cell] = cells) -> _Cell:
            position = columns[name][0] if name in columns else len(cells)
            return cells[position] if position < len(cells) else _Cell("")

        model = at("model").text.strip("* `")
        if not model:
            problems.append(Problem(file, line, "row without a model name"))
            continue
        sources = list(_sources(at("source")))
        if not sources:
            what = f"source {at('source').text!r}" if "source" in columns else "no source column"
            problems.append(
                Problem(file, line, f"{model}: {what}; expected the framework's name, e.g. a link [timm](…)")
            )
            continue
        size = re.match(r"^(\d+)(?:\s*[x×*]\s*\1)?$", at("input_size").text)
        if size is None and at("input_size").text.lower() not in NO_CLAIM:
            problems.append(
                Problem(
                    file,
                    line,
                    f"{model}: input size {at('input_size').text!r} is no number of pixels, such as 224 or 224x224",
                )
            )
        pixels = int(size.group(1)) if size else None
        for source, version, link in sources:
            row = Row(file, line, number, source, version, link, model, pixels)
            rows.append(row)
            for metric in METRICS:
                if metric not in columns or at(metric).text.strip("* ").lower() in NO_CLAIM:
                    continue
                claim = _claim(row, metric, at(metric).text, columns[metric][1], metric in fractions)
                if not isinstance(claim, str):
                    claims.append(claim)
                elif (problem := Problem(file, line, f"{model}: {claim}")) not in problems:  # of every source the same
                    problems.append(problem)


def _is_fraction(body: Sequence[tuple[int, list[_Cell]]], position: int) -> bool:
    """Whether a column of accuracies is printed as fractions: no number in it exceeds 1."""
    values = [
        float(number.group(1).replace(",", ""))
        for _, cells in body
        if position < len(cells)
        and (number := _NUMBER.match(cells[position].text.strip("* ")))
        and number.group(2) is None
    ]
    return bool(values) and max(values) <= 1


def _sources(cell: _Cell) -> Iterator[tuple[str, str | None, str | None]]:
    """Name, version and link of every source that a cell names."""
    only = cell.links[0][1] if len(cell.links) == 1 else None
    parts = cell.links if len(cell.links) > 1 else [(text, only) for text in _SEVERAL.split(cell.text)]
    for text, link in parts:
        if name := _SOURCE_NAME.search(text):
            yield name.group(0).lower(), _version(text, link), link


def _version(text: str, link: str | None) -> str | None:
    in_link = _VERSION_IN_LINK.search(link or "")
    in_text = _VERSION_IN_TEXT.search(text)
    version = in_link or in_text
    return version.group(1) if version else None


def _claim(row: Row, metric: Metric, text: str, column: _Column, fraction: bool) -> Claim | str:
    """The claim in a cell, or what is wrong with it."""
    match = _NUMBER.match(text.strip("* "))
    if match is None:
        return f"{metric} {text!r} is no number"
    printed = match.group(1).replace(",", "").lstrip("+")
    suffix = (match.group(2) or "").strip().lower()
    unit = UNIT_SIGNS.get(suffix) if suffix else column.unit
    if suffix and unit is None:
        return f"{metric} {text!r} ends in {match.group(2)!r}, which is no unit (G, M, B, K, %)"
    decimals = len(printed.partition(".")[2])
    if metric in ("top1", "top5"):
        if fraction:  # percent from here on: the printed digits move two places
            decimals -= 2
            printed = f"{float(printed) * 100:.{max(decimals, 0)}f}"
        if not 0 <= float(printed) <= 100 or unit not in (None, "%"):
            return f"{metric} {text!r} is no percentage between 0 and 100"
        return Claim(row, metric, printed, "%", float(printed), 10.0**-decimals, column.heading)
    if unit == "%":
        return f"{metric} {text!r} is a percentage, expected a count"
    if float(printed) <= 0:
        return f"{metric} {text!r} is no count above 0"
    if unit is None and float(printed) < 1e5:
        return f"{metric} {text!r} has no unit, neither in the cell nor in the heading {column.heading!r}, such as (G)"
    unit = unit or ""
    scale = UNITS[unit]
    return Claim(
        row,
        metric,
        printed,
        unit,
        float(printed) * scale,
        scale * 10.0**-decimals,
        column.heading,
        column.multiply_adds,
    )
