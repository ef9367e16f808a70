"""Files of labels as people have them, recognised by their content: lines of a path and a class, or classes alone.

Classes are indices, ids of the devkit or WordNet ids. A list without paths is in the order of the images' numbers or
of their names; where several readings are possible, the classes that paths tell decide. Standard library alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from harness.core.errors import InputError, readable
from harness.core.text import first_few
from harness.dataset.labels import devkit
from harness.dataset.labels.known import (
    CLASSES,
    VAL_IMAGES,
    WORDNET_ID,
    devkit_order,
    synset_indices,
    told_by,
    val_number,
)
from harness.dataset.labels.mistakes import LabelLine, label_trap
from harness.dataset.labels.names import SUFFIXES, Resolver

_INTEGER = re.compile(r"-?[0-9]{1,9}", re.ASCII)
#: as Kaggle writes what an image shows: a class and the corners of its box, once or more
_BOXES = re.compile(r"(n\d{8})(?: -?\d{1,9}){4}(?: \1(?: -?\d{1,9}){4})*", re.ASCII)
#: labels that have to be the class that a path tells: three are by chance in none of ten million lists
_ENOUGH = 3
_EXPECTED = "expected `path index` with index 0..999, or `path synset`"


@dataclass(frozen=True)
class Labels:
    """What a file says of the images."""

    lines: tuple[LabelLine, ...]
    kind: str  #: what the file is, for people
    absent: tuple[str, ...] = ()  #: names of images of ImageNet val that the file lists and that are not there


class _Row(NamedTuple):
    """One line that is neither empty nor a comment."""

    line: int  #: from 1
    text: str


class _Given(NamedTuple):
    """A label as it is written."""

    line: int  #: from 1
    path: str  #: "" in a list without paths
    label: str  #: an integer or a WordNet id


class _Reading(NamedTuple):
    """One way to understand a list of classes without paths."""

    text: str
    lines: tuple[LabelLine, ...]
    absent: tuple[str, ...]
    agreeing: int  #: labels that are the class that the image's path tells


def read_labels(file: Path, images: Sequence[str]) -> Labels:
    """What a label file, the devkit's archive or its folder says of the images with these names.

    Raises InputError for a line that is no label, for a path that is listed twice, and where it is not clear which
    image or which class is meant.
    """
    if kit := devkit.opened(file):
        given = [_Given(line, "", label) for line, label in enumerate(kit.labels, start=1)]
        return _list_without_paths(file, given, images, {f"ids of the devkit, looked up in its {kit.table}": kit.order})
    rows = list(_rows(file))
    if not rows:
        raise InputError(f"{file}: no labels in it; expected lines `path index`")
    if all(_is_label(row.text) for row in rows):
        given = [_Given(row.line, "", row.text) for row in rows]
        if len(rows) == CLASSES and len({row.text for row in rows}) == CLASSES and WORDNET_ID.fullmatch(rows[0].text):
            raise InputError(
                f"{file}: has each of the 1,000 classes once, so it is a list of the classes, not of labels"
            )
        return _list_without_paths(file, given, images, {})
    return _lines_with_paths(file, rows, images)


def _rows(file: Path) -> Iterator[_Row]:
    with readable(file):
        content = file.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", "replace")  # as Windows' shell writes it
    else:
        text = content.decode("utf-8-sig", "surrogateescape")
    for number, row in enumerate(text.split("\n"), start=1):
        if (row := row.strip()) and not row.startswith("#"):
            yield _Row(number, row)


def _is_label(text: str) -> bool:
    return bool(_INTEGER.fullmatch(text) or WORDNET_ID.fullmatch(text))


# --- lines with paths


def _lines_with_paths(file: Path, rows: Sequence[_Row], images: Sequence[str]) -> Labels:
    given, forms = [], dict.fromkeys(("boxes", "comma", "synset", "index"), 0)
    is_headed = len(rows) > 1 and _split(rows[0].text) is None and _is_heading(rows[0].text)
    for row in rows[is_headed:]:
        found = _split(row.text)
        if found is None:
            raise InputError(f"{file}:{row.line}: {_EXPECTED}, found {row.text[:200]!r}")
        path, label, separator, has_boxes = found
        given.append(_Given(row.line, PurePosixPath(path).as_posix(), label))
        forms["boxes"] += has_boxes
        forms["comma"] += separator == ","
        forms["synset" if label.startswith("n") else "index"] += 1
    resolver = Resolver(images)
    lines: dict[str, LabelLine] = {}
    absent: list[str] = []
    for one in given:
        name = resolver.find(one.path)
        if name is None and val_number(one.path.replace("\\", "/")):
            absent.append(one.path)
            continue
        name = one.path if name is None else name
        if name in lines:
            raise InputError(f"{file}:{one.line}: {name} is on line {lines[name].line} already; keep one of the two")
        lines[name] = LabelLine(one.line, name, _index(file, one))
    if not lines:
        raise InputError(f"{file}: names {len(given):,} images, first {given[0].path}, of which none is in the data")
    return Labels(tuple(lines.values()), _kind(forms, resolver.how), tuple(absent))


def _split(row: str) -> tuple[str, str, str, bool] | None:
    """Path, label, separator, and whether boxes follow it; None for a line that is no label."""
    for separator in (",", ";", "\t", None):
        parts = row.rsplit(separator, 1)
        path, label = (
            (parts[0].strip().strip('"'), parts[1].strip().strip('"').strip()) if len(parts) == 2 else ("", "")
        )
        if path and _is_label(label):
            return path, label, separator or " ", False
        if path and separator == "," and (boxes := _BOXES.fullmatch(label)):
            return path, boxes[1], separator, True
    return None


def _is_heading(row: str) -> bool:
    return not re.search(r"\d", row) and not any(suffix in row.lower() for suffix in SUFFIXES)


def _index(file: Path, given: _Given) -> int:
    if not given.label.startswith("n"):
        return int(given.label)
    if given.label not in synset_indices():
        raise InputError(f"{file}:{given.line}: {given.path} {given.label}: no class of ILSVRC2012 has this WordNet id")
    return synset_indices()[given.label]


def _kind(forms: dict[str, int], how: str) -> str:
    if forms["boxes"]:
        kind = "Kaggle's list of images with the classes and boxes that they show"
    else:
        classes = "synset" if not forms["index"] else "index" if not forms["synset"] else "index or synset"
        kind = f'lines of "{"path," if forms["comma"] else "path "}{classes}"'
    return f"{kind}, {how}" if how else kind


# --- classes alone


def _list_without_paths(
    file: Path, given: Sequence[_Given], images: Sequence[str], tables: dict[str, Sequence[int]]
) -> Labels:
    """Of all readings that are possible the one that agrees with what the paths tell."""
    told = {name: classes for name in images if (classes := told_by(name))}
    readings: dict[tuple[LabelLine, ...], _Reading] = {}
    for order, names in _orders(images, len(given)):
        for text, labels in _meanings(file, given, tables):
            reading = _reading(f"{text}, {order}", given, names, labels, told)
            readings.setdefault(reading.lines, reading)
    ranked = sorted(readings.values(), key=lambda one: -one.agreeing)
    clear = ranked and ranked[0].agreeing > (ranked[1].agreeing if len(ranked) > 1 else 0)
    if clear and ranked[0].agreeing > max(len(told) / 2, _ENOUGH - 1):
        return Labels(ranked[0].lines, ranked[0].text, ranked[0].absent)
    raise InputError(f"{file}: {_unclear(given, images, ranked, len(told))}")


def _orders(images: Sequence[str], count: int) -> Iterator[tuple[str, Sequence[str | None]]]:
    """How the images of a list of `count` classes may stand in it; None for an image that is not there."""
    numbered = {number: name for name in images if (number := val_number(name))}
    if count == VAL_IMAGES and numbered:
        yield "in the order of the images' numbers", [numbered.get(number) for number in range(1, VAL_IMAGES + 1)]
    if count == len(images):
        # such a list is in the order of the file names, without their folders
        by_name = sorted(images, key=lambda name: name.rpartition("/")[2])
        yield "in the order of the file names", list(by_name)


def _meanings(
    file: Path, given: Sequence[_Given], tables: dict[str, Sequence[int]]
) -> Iterator[tuple[str, Sequence[int]]]:
    """The classes that the labels may stand for, as indices."""
    if any(one.label.startswith("n") for one in given):
        yield "synsets, one a line", [_index(file, one) for one in given]
        return
    values = [int(one.label) for one in given]
    for text, order in (tables or {"ids of the devkit, one a line": devkit_order()}).items():
        if all(1 <= value <= len(order) for value in values):
            yield text, [order[value - 1] for value in values]
    if tables:
        return
    for first in (0, 1):
        if all(first <= value < first + CLASSES for value in values):
            text = "class indices, one a line" if first == 0 else "class indices counted from 1, one a line"
            yield text, [value - first for value in values]


def _reading(
    text: str,
    given: Sequence[_Given],
    names: Sequence[str | None],
    labels: Sequence[int],
    told: Mapping[str, set[int]],
) -> _Reading:
    lines = tuple(
        LabelLine(one.line, name, label)
        for one, name, label in zip(given, names, labels, strict=True)
        if name is not None
    )
    absent = tuple(f"ILSVRC2012_val_{number:08}" for number, name in enumerate(names, start=1) if name is None)
    return _Reading(text, lines, absent, sum(told.get(line.name) == {line.label} for line in lines))


def _unclear(given: Sequence[_Given], images: Sequence[str], ranked: Sequence[_Reading], told: int) -> str:
    """Why a list of classes cannot be read."""
    what = "bare integers" if not given[0].label.startswith("n") else "synsets"
    text = f"{len(given):,} {what} for {len(images):,} images"
    if what == "bare integers":
        text += ", like the devkit's ILSVRC2012_validation_ground_truth.txt"
    text += ": no line names its image"
    if ranked and told:
        best = ranked[0]
        text += f", and taken as {best.text}, {best.agreeing:,} of {told:,} have the class that their path tells"
        if trap := label_trap(best.lines):
            text += f": {trap}"
    elif ranked:
        text += f", and the names of the images do not tell what they are: {first_few([one.text for one in ranked])}?"
    plain = [LabelLine(one.line, "", int(one.label)) for one in given] if what == "bare integers" else []
    trap = label_trap(plain)
    return f"{text}. Write `path index` in each line" + (f". As they are, {trap}" if trap else "")
