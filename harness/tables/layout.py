"""Which column of a table says what."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.core.records import METRICS, Metric
from harness.core.text import plain, without_notes
from harness.tables import figures, headings, numbers
from harness.tables.cells import Cell, Problem, RawTable
from harness.tables.headings import Column
from harness.tables.numbers import Number

#: the median of a column about ImageNet networks lies between these; a factor of 1,000, so that only one unit fits
USUAL_COUNTS: Mapping[Metric, tuple[float, float]] = {"flops": (5e7, 5e10), "params": (1e6, 1e9)}

#: words in headings of columns that are likely to hold accuracies or counts
ABOUT_MODELS = re.compile(
    r"top-?\s?[15]\b|\bacc|\berr|flops|\bmacs|gmac|m-?adds|param"
    r"|精度|准确率|準確|精確|正[确確]率|정확도|точность|错误率|錯誤率|计算量|計算量|运算量|参数|參數|パラメ|параметр",
    re.IGNORECASE,
)
_BYTES = re.compile(r"\d\s*[kmg]i?b\b", re.IGNORECASE)
#: what formulas have around the letters of a name
_MATHS = re.compile(r"\\(?:text|mathrm|mathbf)\{([^{}]*)\}|[$^{}]")
#: a line that was broken within a name, behind the sign that joins its parts
_BROKEN = re.compile(r"(?<=\w[_-]) (?=\w)")
#: words in headings of columns that may name models where no other column does, or where that does not tell rows apart
_MAY_NAME = re.compile(r"backbone|encoder|variant|checkpoint|config", re.IGNORECASE)
_SINGLE = ("model", "source", "input_size", "pretraining")


@dataclass(frozen=True)
class Layout:
    """Which column of a raw table says what, and what the figures of a column have in common."""

    columns: Mapping[str, tuple[int, Column]]  #: kind -> position and what its heading says
    #: position -> what each figure of its cells is; of the columns that hold claims
    claimed: Mapping[int, tuple[Column, ...]]
    fractions: frozenset[str]  #: accuracies printed as shares of 1
    padding: Mapping[Metric, int]  #: counts -> zeros at the end that all of them share
    units: Mapping[Metric, str]  #: counts -> unit where the heading and most cells say none
    errors: frozenset[int] = frozenset()  #: positions of columns of percentages that count what is wrong
    notes: tuple[str, ...] = ()  #: what is assumed of a column
    unread: tuple[int, ...] = field(default=())  #: positions of columns that seem to hold claims and are not read

    def cell(self, kind: str, cells: Sequence[Cell]) -> Cell:
        """The cell of a row in the column of a kind; empty where the table or the row has none."""
        position = self.columns[kind][0] if kind in self.columns else len(cells)
        return cells[position] if position < len(cells) else Cell("")


def layout_of(raw: RawTable) -> tuple[Layout | None, list[Problem]]:
    """What the columns of a raw table say, None where it is not about classifiers; and columns that are not read."""
    read = [headings.read_all(cell.text) for cell in raw.heading]
    if not _about_classifiers(raw):
        return None, []
    columns, claimed, problems = _columns(raw, read)
    notes: list[str] = []
    if (position := _names(raw, read, columns.get("model"))) is not None:
        columns["model"] = (position, Column("model", raw.heading[position].text))
        notes.append(f"Column {raw.heading[position].text!r} is read as the names of the models")
    if "model" not in columns or not claimed:
        return None, []
    printed = {metric: _numbers(raw, columns[metric][0], metric) for metric in METRICS if metric in columns}
    without_unit: list[Metric] = [
        metric for metric in printed if metric in ("flops", "params") and columns[metric][1].unit is None
    ]
    used = {*claimed, *(position for position, _ in columns.values())}
    layout = Layout(
        columns,
        claimed,
        frozenset(one for one in printed if one in ("top1", "top5") and _are_fractions(printed[one])),
        {metric: numbers.padding(printed[metric]) for metric in without_unit},
        {metric: unit for metric in without_unit if (unit := _likely_unit(metric, printed[metric]))},
        _errors(raw, claimed),
        tuple(notes),
        tuple(
            position
            for position, cell in enumerate(raw.heading)
            if position not in used and ABOUT_MODELS.search(plain(cell.text))
        ),
    )
    return layout, problems


def _about_classifiers(raw: RawTable) -> bool:
    """Whether neither a heading of the table nor the nearest section that names a task says that it is another."""
    if any(headings.of_another_task(cell.text) for cell in raw.heading):
        return False
    tasks = (headings.task_of(section) for section in reversed(raw.section))
    return next((task for task in tasks if task is not None), "classification") == "classification"


def _columns(
    raw: RawTable, read: Sequence[tuple[Column, ...]]
) -> tuple[dict[str, tuple[int, Column]], dict[int, tuple[Column, ...]], list[Problem]]:
    """The first column of each kind with its position, the columns of claims, and a problem for each further one."""
    columns: dict[str, tuple[int, Column]] = {}
    claimed: dict[int, tuple[Column, ...]] = {}
    unread = []
    by_error = sorted(enumerate(read), key=lambda one: any(column.error for column in one[1]))
    for position, said in by_error:
        if len(said) == 1 and said[0].kind == "accuracy":
            said = _ranks(raw, position, said[0])
        if len(said) == 1 and said[0].kind == "input_size" and not _are_sizes(raw, position):
            continue
        new = [column for column in said if column.kind not in columns]
        beside = [column for column in said if column.error and not columns.get(column.kind, (0, column))[1].error]
        if said and (len(new) == len(said) or len(beside) == len(said)):
            for column in new:
                columns[column.kind] = (position, column)
            if said[0].kind not in _SINGLE:
                claimed[position] = said
        elif said and (said[0].kind != "model" or _names_others(raw, columns["model"][0], position)):
            what = f"column {raw.heading[position].text!r} is not read: {_says_already(columns, said)}; keep one"
            unread.append(Problem(raw.file, raw.line, what))
    return columns, dict(sorted(claimed.items())), unread


def _says_already(columns: Mapping[str, tuple[int, Column]], said: Sequence[Column]) -> str:
    kind = next(column.kind for column in said if column.kind in columns)
    return f"{columns[kind][1].text!r} says {kind} already"


def _cells(raw: RawTable, position: int) -> Iterator[Cell]:
    return (cells[position] for _, cells in raw.rows if position < len(cells))


def _ranks(raw: RawTable, position: int, said: Column) -> tuple[Column, ...]:
    """Top-1 and top-5 where the cells of a column of "accuracy" hold two percentages; else nothing is known of it."""
    filled = [cell.text for cell in _cells(raw, position) if not numbers.is_blank(cell.text)]
    pairs = [parts for text in filled if len(parts := figures.split(text)[0]) == 2 and not parts[1].in_brackets]
    if not pairs or len(pairs) < len(filled):
        return ()
    return tuple(Column(kind, said.text, said.unit, pixels=said.pixels, error=said.error) for kind in ("top1", "top5"))


def _are_sizes(raw: RawTable, position: int) -> bool:
    """Whether a column whose heading says a size is of images: not of files in bytes, nor a share that is cropped."""
    filled = [cell.text for cell in _cells(raw, position) if not numbers.is_blank(cell.text)]
    other = [text for text in filled if _BYTES.search(text) or _is_share(text)]
    return not filled or len(other) < len(filled)


def _is_share(text: str) -> bool:
    number = numbers.read_number(text)
    return number is not None and not number.suffix and 0 < number.value <= 1


def _names(raw: RawTable, read: Sequence[tuple[Column, ...]], known: tuple[int, Column] | None) -> int | None:
    """The column that names the models, where no heading says so or where the one that does has a name twice.

    Else the first column, if its cells are names and no heading says that it is anything else.
    """
    others = [
        position
        for position, said in enumerate(read)
        if (said and said[0].kind == "model") or (not said and _MAY_NAME.search(raw.heading[position].text))
    ]
    apart = [position for position in others if _tells_apart(raw, position)]
    if known is not None:
        return apart[0] if apart and known[0] not in apart else None
    metrics = [position for position, said in enumerate(read) if any(column.kind in METRICS for column in said)]
    figures_there = [_is_figure(cell.text) for position in metrics for cell in _cells(raw, position) if cell.text]
    if 2 * sum(figures_there) <= len(figures_there):
        return None
    first = [0] if read and not read[0] and _are_names(raw, 0) else []
    return next(iter([*apart, *first]), None)


def _are_names(raw: RawTable, position: int) -> bool:
    """Whether most cells of a column hold letters and are no figures."""
    filled = [cell.text for cell in _cells(raw, position) if not numbers.is_blank(cell.text)]
    names = [text for text in filled if re.search(r"[^\W\d_]", text) and not _is_figure(text)]
    return bool(names) and 2 * len(names) > len(filled)


def _tells_apart(raw: RawTable, position: int) -> bool:
    """Whether a column has another name in each row, and not only links to something."""
    names = [model_name(cell) for cell in _cells(raw, position) if not numbers.is_blank(cell.text)]
    return len(set(names)) == len(names) == len(raw.rows) and _are_names(raw, position)


def _is_figure(text: str) -> bool:
    number = numbers.read_number(text)
    return number is not None and (not number.suffix or headings.read(f"flops {number.suffix}") is not None)


def _errors(raw: RawTable, claimed: Mapping[int, tuple[Column, ...]]) -> frozenset[int]:
    """The columns of percentages that count what is wrong, by their headings or by the sentence above the table."""
    percentages = {
        position: said for position, said in claimed.items() if any(one.kind in ("top1", "top5") for one in said)
    }
    named = {position for position, said in percentages.items() if all(one.error for one in said)}
    if named or not _says_errors(raw.above):
        return frozenset(named)
    silent = [position for position, said in percentages.items() if not headings.says_right(raw.heading[position].text)]
    return frozenset(silent)


_SENTENCE = re.compile(r"[^.;。\n]*[.;。\n]?")
_RANK = re.compile(r"top[\s-]*[15]", re.IGNORECASE)


def _says_errors(text: str) -> bool:
    """Whether a sentence calls the percentages errors, and nothing else."""
    sentences = [found[0] for found in _SENTENCE.finditer(text) if _RANK.search(found[0])]
    return any(
        re.search(r"\berrors?\b|错误率", one, re.IGNORECASE) and not headings.says_right(one) for one in sentences
    )


def _likely_unit(metric: Metric, printed: Sequence[Number]) -> str | None:
    bare = [number for number in printed if not number.suffix]
    if metric == "params" and bare and all(1 <= number.value < 1000 for number in bare):
        return "M"
    return numbers.likely_unit(bare, USUAL_COUNTS[metric])


def _names_others(raw: RawTable, first: int, second: int) -> bool:
    """Whether a second column of models names other models, instead of linking to those of the first."""

    def differs(cells: Sequence[Cell]) -> bool:
        other = cells[second]
        return not (other.links or numbers.is_blank(other.text) or model_name(other) == model_name(cells[first]))

    return any(differs(cells) for _, cells in raw.rows if second < len(cells))


def _numbers(raw: RawTable, position: int, metric: Metric) -> list[Number]:
    percent = metric in ("top1", "top5")
    read = (numbers.read_number(figures.split(cell.text)[0][0].text, percent) for cell in _cells(raw, position))
    return [number for number in read if number is not None]


def _are_fractions(printed: Sequence[Number]) -> bool:
    """Whether a column of accuracies is printed as fractions: no number in it exceeds 1."""
    bare = [number.value for number in printed if not number.suffix]
    return bool(bare) and max(bare) <= 1


def is_section(layout: Layout, cells: Sequence[Cell]) -> bool:
    """Whether a line is a heading between rows: one text and nothing else, in one cell or spanning all."""
    return (
        len(layout.columns) > 2
        and bool(model_name(layout.cell("model", cells)))
        and len({cell.text for cell in cells if not numbers.is_blank(cell.text)}) == 1
    )


def model_name(cell: Cell) -> str:
    """The name in a cell without markup and footnotes."""
    text = _MATHS.sub(lambda part: part[1] or "", cell.text) if "$" in cell.text else cell.text
    return _BROKEN.sub("", without_notes(plain(text)))
