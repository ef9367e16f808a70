"""Lists of models in YAML: metafiles of OpenMMLab's projects, and the `model-index` of a model card."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import yaml

from harness.tables import headings
from harness.tables.cells import Cell, Problem, RawTable
from harness.tables.formats.outline import addresses

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.{0,100000}?\n)---[ \t]*(?:\n|$)", re.DOTALL)
_KEY = re.compile(r"\s*(?:-\s+)*([^\s:#][^:#]{0,100}?)\s*:\s+(\S[^#]*?)\s*(?:#.*)?$")
#: keys of a model's entry that say what it is, and not what was measured of it
_CLASSIFICATION = ("image classification", "image-classification")
_IMAGENET = ("imagenet-1k", "imagenet1k", "imagenet", "ilsvrc2012")
#: keys of an entry whose addresses belong to the model itself
_OWN_LINKS = ("Weights", "Code")


#: what of an entry's metadata is read
_METADATA = {"flops", "params", "input_size"}
_TOP1 = "Top 1 Accuracy"
#: cells for each character of a file, which one that repeats its parts by name can have
_CELLS = 2
_TOO_OFTEN = "the file repeats its parts more often than can be read; what is read is not all of it"
#: mappings that take over others that take over others
_DEEPEST = 3


class _Value(NamedTuple):
    """A scalar of a YAML file."""

    text: str
    line: int  #: 1-based

    def cell(self, links: tuple[str, ...] = ()) -> Cell:
        return Cell(self.text, tuple(("", link) for link in links), (self.line, 1))


def read(file: str, text: str) -> tuple[list[RawTable], list[Problem]]:
    """The models of a YAML file: parameters, FLOPs and accuracies on ImageNet in one table, each other data set's in
    one of its own. A file that is no YAML, or lists no models, has no table."""
    try:
        loader = yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader
        roots = [root for root in yaml.compose_all(text, Loader=loader) if root is not None]
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        return [], [Problem(file, mark.line + 1 if mark else 1, "the YAML cannot be read; correct the file")]
    entries = _Entries(file, addresses(text), _CELLS * len(text))
    for root in roots:
        for model in _items(root if isinstance(root, yaml.SequenceNode) else _get(root, "Models")):
            entries.add_model(model)
        for model in _items(_get(root, "model-index")):
            entries.add_card(model)
    return entries.tables(), [Problem(file, 1, _TOO_OFTEN)] if entries.left < 0 else []


def front_matter(file: str, text: str) -> tuple[str, list[RawTable], str]:
    """A page without its YAML at the top, whose lines become empty; the tables in that; and the model's name."""
    found = _FRONT_MATTER.match(text)
    if found is None:
        return text, [], ""
    content = found[0]
    tables, _ = read(file, "\n" + found[1])
    names = [cells[0].text for raw in tables for _, cells in raw.rows]
    return "\n" * content.count("\n") + text[found.end() :], tables, names[0] if len(set(names)) == 1 else ""


def cell_spans(line: str) -> list[tuple[int, int]]:
    """Where key and value of a line stand."""
    found = _KEY.match(line)
    return [found.span(1), found.span(2)] if found else []


_Row = tuple[int, dict[str, Cell]]  #: 1-based line, and cells by heading


class _Entries:
    """The models of a file, gathered by what their figures are of."""

    def __init__(self, file: str, links: tuple[str, ...], most: int) -> None:
        self.left = most  #: cells that may still be added, so that parts that name each other do no harm
        self._file = file
        self._links = links
        self._rows: dict[tuple[str, ...], list[_Row]] = {(): []}  #: by the section that names their data set

    def add_model(self, entry: yaml.Node) -> None:
        name = _scalar(_get(entry, "Name"))
        if name is None or self.left < 0:
            return
        self.left -= 1
        links = tuple(value.text for key in _OWN_LINKS if (value := _scalar(_get(entry, key))))
        own = {"Name": name.cell(links), "In Collection": _cell(_scalar(_get(entry, "In Collection")))}
        own["Config"] = _cell(_scalar(_get(entry, "Config"))) if _text(_get(entry, "Config")) else Cell(name.text)
        for key, value in _pairs(_get(entry, "Metadata")):
            if value.text and _kinds(key) & _METADATA:
                own[key] = value.cell()
        self._rows[()].append((name.line, own))
        results = _get(entry, "Results")
        for result in _items(results) if isinstance(results, yaml.SequenceNode) else ([results] if results else []):
            task, data = _text(_get(result, "Task")), _text(_get(result, "Dataset"))
            if self.left >= 0:
                self._add_figures(own, name, task, data, dict(_pairs(_get(result, "Metrics"))), links)

    def add_card(self, entry: yaml.Node) -> None:
        name = _scalar(_get(entry, "name"))
        if name is None:
            return
        own = {"Name": name.cell()}
        self._rows[()].append((name.line, own))
        for result in _items(_get(entry, "results")):
            if self.left < 0:
                return
            metrics = {}
            for metric in _items(_get(result, "metrics")):
                called = _scalar(_get(metric, "name")) or _scalar(_get(metric, "type"))
                value = _scalar(_get(metric, "value"))
                if called and value:
                    # a card's accuracy is the share of right predictions
                    is_plain = _kinds(called.text) == {"accuracy"} and _text(_get(metric, "type")) == "accuracy"
                    metrics[_TOP1 if is_plain else called.text] = value
            data = _get(result, "dataset")
            self._add_figures(
                own, name, _text(_get(_get(result, "task"), "type")), _text(_get(data, "name")), metrics, ()
            )

    def _add_figures(
        self,
        own: dict[str, Cell],
        name: _Value,
        task: str,
        data: str,
        metrics: Mapping[str, _Value],
        links: tuple[str, ...],
    ) -> None:
        self.left -= 1 + len(metrics)
        figures = {key: value.cell() for key, value in metrics.items() if value.text}
        main = task.lower() in ("", *_CLASSIFICATION) and data.lower() in ("", *_IMAGENET)
        if main and not figures.keys() & own.keys():
            own.update(figures)
        elif figures:
            section = (f"{task or 'Image Classification'}", data)
            where = {"Name": name.cell(links), "Config": Cell(name.text, place=(name.line, 1)), **figures}
            self._rows.setdefault(section, []).append((name.line, where))

    def tables(self) -> list[RawTable]:
        found = []
        for section, rows in ((section, rows) for section, every in self._rows.items() for rows in _spelled(every)):
            heading = list(dict.fromkeys(key for _, cells in rows for key in cells))
            if rows:
                cells = tuple((line, tuple(row.get(key, Cell("")) for key in heading)) for line, row in rows)
                titles = tuple(map(Cell, heading))
                first = max((cell.place[0] for cell in cells[0][1] if cell.place), default=rows[0][0])
                section = section or ("ImageNet-1k",)
                found.append(RawTable(self._file, first, titles, cells, section=section, links=self._links))
        return found


def _spelled(rows: Sequence[_Row]) -> list[list[_Row]]:
    """The rows in groups in which what is meant by a key is always spelled alike."""
    groups: list[tuple[dict[str, str], list[_Row]]] = []
    for line, cells in rows:
        spelling = {kind: key for key in cells for kind in _kinds(key) if kind not in ("model", "source")}
        for known, group in groups:
            if all(known.get(kind, key) == key for kind, key in spelling.items()):
                known.update(spelling)
                group.append((line, cells))
                break
        else:
            groups.append((spelling, [(line, cells)]))
    return [group for _, group in groups]


def _kinds(key: str) -> set[str]:
    return {column.kind for column in headings.read_all(key)}


def _get(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in _entries_of(node):
            if name.value == key:
                return value
    return None


def _entries_of(
    node: yaml.MappingNode, seen: tuple[yaml.Node, ...] = ()
) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    """Keys and values of a mapping, its own first, then those of a mapping that it takes over by <<."""
    own = [(name, value) for name, value in node.value if isinstance(name, yaml.ScalarNode)]
    yield from ((name, value) for name, value in own if name.value != "<<")
    known = {name.value for name, _ in own}
    taken = next((value for name, value in own if name.value == "<<"), None)
    if isinstance(taken, yaml.MappingNode) and len(seen) < _DEEPEST:
        yield from (one for one in _entries_of(taken, (*seen, node)) if one[0].value not in known)


def _items(node: yaml.Node | None) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value


def _pairs(node: yaml.Node | None) -> Iterator[tuple[str, _Value]]:
    if isinstance(node, yaml.MappingNode):
        for name, value in _entries_of(node):
            if read_value := _scalar(value):
                yield name.value, read_value


def _scalar(node: yaml.Node | None) -> _Value | None:
    if not isinstance(node, yaml.ScalarNode):
        return None
    text = "" if node.tag.endswith(":null") else " ".join(node.value.split())
    return _Value(text, node.start_mark.line + 1)


def _text(node: yaml.Node | None) -> str:
    value = _scalar(node)
    return value.text if value else ""


def _cell(value: _Value | None) -> Cell:
    return value.cell() if value else Cell("")
