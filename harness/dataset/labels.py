"""Class labels as people have them, and the mistakes in them that paths or predictions give away.

A label is the position, 0..999, of the class among the ILSVRC2012 synsets sorted by WordNet id: the order
that every source was trained with. A label file in another order looks just like a right one, so what an image's path
tells about its class is compared with its label. Only the standard library is imported here.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from harness.core.errors import InputError, readable
from harness.reference import FOLDER as REFERENCE

SYNSETS = REFERENCE / "imagenet_synsets.txt"
_NAMES = REFERENCE / "imagenet_names.txt"

#: Class indices of ILSVRC2012_val_00000001 to 00000010.
VAL_ANCHORS = (65, 970, 230, 809, 516, 57, 334, 415, 674, 332)
#: Class index -> ILSVRC2012_ID, 1..1000, of VAL_ANCHORS and of ids 1 to 10. Source: the devkit's meta.mat and
#: ILSVRC2012_validation_ground_truth.txt, which begins with these ids.
DEVKIT_IDS = {
    **dict(zip(VAL_ANCHORS, (490, 361, 171, 822, 297, 482, 13, 704, 599, 164), strict=True)),
    **dict(zip((278, 212, 250, 193, 217, 147, 387, 285, 350, 283), range(1, 11), strict=True)),
}

_INTEGER = re.compile(r"-?[0-9]{1,9}")
_WORDNET_ID = re.compile(r"(?:^|[/_])(n\d{8})(?=[/_.]|$)")
# Some mirrors append the WordNet id to the official name of the same file.
_VAL_NAME = re.compile(r"(?:.*/)?ILSVRC2012_val_(\d{8})(?:_n\d{8})?\.jpe?g", re.IGNORECASE | re.DOTALL)


class LabelLine(NamedTuple):
    """One label as it is given, not yet trusted."""

    line: int | None  #: of the label file, from 1; None where a folder gives the label
    name: str  #: as in ImageRef; "" where the file gives bare integers
    label: int


def val_number(name: str) -> int | None:
    """The number of an image of ImageNet val in its official name; None for any other name."""
    found = _VAL_NAME.fullmatch(name)
    return int(found[1]) if found else None


@cache
def synset_indices() -> dict[str, int]:
    """WordNet id -> class index, of all 1,000 classes."""
    return {synset: index for index, synset in enumerate(SYNSETS.read_text("ascii").split())}


@cache
def class_names() -> list[str]:
    """What people call each of the 1,000 classes, by index."""
    return _NAMES.read_text("ascii").splitlines()


def read_labels(file: Path, images: Sequence[str]) -> list[LabelLine]:
    """The lines of a label file.

    `images` are the names of all images; a file of bare integers is checked against them for a better message. Raises
    InputError for a line that is no `path index`, and for a path that is listed twice.
    """
    with readable(file):
        text = file.read_bytes().decode("utf-8-sig", "surrogateescape")
    rows = [(number, row.strip()) for number, row in enumerate(text.split("\n"), start=1)]
    rows = [(number, row) for number, row in rows if row and not row.startswith("#")]
    if not rows:
        raise InputError(f"{file}: no labels in it; expected lines `path index`")
    if all(_INTEGER.fullmatch(row) for _, row in rows):
        # the devkit's file is in the order of the file names, without their folders
        order = sorted(images, key=lambda name: name.rpartition("/")[2])
        order = order if len(order) == len(rows) else [""] * len(rows)
        bare = [LabelLine(number, name, int(row)) for (number, row), name in zip(rows, order, strict=True)]
        trap = label_trap(bare)
        raise InputError(
            f"{file}: {len(rows):,} bare integers for {len(images):,} images, like the devkit's "
            "ILSVRC2012_validation_ground_truth.txt: no line names its image; write `path index` in each"
            + (f". Taken in the order of the file names, {trap}" if trap else "")
        )
    seen: dict[str, LabelLine] = {}
    for number, row in rows:
        *path, index = row.rsplit(None, 1)
        if not path or not _INTEGER.fullmatch(index):
            raise InputError(f"{file}:{number}: expected `path index` with index 0..999, found {row!r}")
        name = PurePosixPath(*path).as_posix()
        if name in seen:
            raise InputError(f"{file}:{number}: {name} is on line {seen[name].line} already; keep one of the two")
        seen[name] = LabelLine(number, name, int(index))
    return list(seen.values())


class _Told(NamedTuple):
    """A label and the class that its path tells."""

    line: LabelLine
    told: int


def label_trap(lines: Sequence[LabelLine]) -> str | None:
    """Names the mistake that labels show when compared with the classes that paths tell; None where they agree.

    A path tells its class by a WordNet id in it, or as one of the first ten validation images.
    """
    # a folder that gave the label cannot confirm it; the name of the file in it can
    paths = [line.name if line.line else line.name.partition("/")[2] for line in lines]
    told = [_Told(line, index) for line, path in zip(lines, paths, strict=True) for index in sorted(_told_by(path))]
    labels = {line.label for line in lines}
    if not told and 0 not in labels and max(labels, default=0) == 1000:
        top = [f"{_at(line)} has 1000" for line in lines if line.label == 1000]
        return (
            f"labels run to 1000 and have no 0: off by one or devkit ids. {'; '.join(top[:3])}, expected "
            f"0..999. Find out which, and give every class its line in {SYNSETS.name}, counted from 0"
        )
    wrong = [one for one in told if one.line.label != one.told]
    if not wrong:
        return None
    trap, remedy = _mistake(told, wrong)
    shown = "; ".join(f"{_at(line)} has {line.label}, expected {index}" for line, index in wrong[:3])
    extent = f"{len(wrong):,} of {len(told):,} differ from the class that the path tells"
    return f"{trap}: {extent}. {shown}. {remedy}"


def _mistake(told: Sequence[_Told], wrong: Sequence[_Told]) -> tuple[str, str]:
    """What kind of mistake the labels show, and what to do about it."""
    remedy = f"Give every class its line in {SYNSETS.name}, counted from 0"
    pairs = {(index, line.label) for line, index in told}
    shifts = {label - index for index, label in pairs}
    if shifts in ({1}, {-1}):
        high = shifts == {1}
        return (
            f"labels are off by one, too {'high' if high else 'low'}",
            f"{'Subtract 1 from' if high else 'Add 1 to'} every label",
        )
    one_to_one = len(pairs) == len({index for index, _ in pairs}) == len({label for _, label in pairs})
    # with one image per class two swapped labels are one-to-one as well: an order takes a majority
    if not one_to_one or len(wrong) <= len(told) / 2:
        return "labels contradict the paths", "Correct the labels, or the paths"
    known = {DEVKIT_IDS[index] - label for index, label in pairs if index in DEVKIT_IDS}
    if known in ({0}, {1}):
        order = f"labels are in devkit ILSVRC2012_ID order{', minus one' if known == {1} else ''}"
        return order, f"Look each id up in the devkit's meta.mat. {remedy}"
    return "labels follow another class order", remedy


def not_imagenet_val(names: Sequence[str], labels: Sequence[int]) -> list[str]:
    """The reasons why these are not the 50,000 validation images with their labels; empty where they are."""
    if len(names) != 50_000:
        return [f"expected 50,000 images, found {len(names):,}"]
    reasons = []
    counts = Counter(labels)
    if odd := [index for index in range(1000) if counts[index] != 50]:
        reasons.append(f"expected 50 images in each class, found {counts[odd[0]]} in class {odd[0]}")
    given = {
        int(match[1]): label for name, label in zip(names, labels, strict=True) if (match := _VAL_NAME.fullmatch(name))
    }
    if missing := [number for number in range(1, 50_001) if number not in given]:
        reasons.append(f"{len(missing):,} names are missing, first ILSVRC2012_val_{missing[0]:08}.JPEG")
    for number, index in enumerate(VAL_ANCHORS, start=1):
        if given.get(number, index) != index:
            reasons.append(f"ILSVRC2012_val_{number:08} has label {given[number]}, expected {index}")
            break
    return reasons


def label_shift(top1_predictions: Sequence[int], labels: Sequence[int]) -> str | None:
    """Says after an evaluation that the labels look off by one; None where they do not.

    Both are class indices, image by image. Raises ValueError where the lengths differ.
    """
    total = len(labels)
    agree = Counter(label - guess for guess, label in zip(top1_predictions, labels, strict=True))
    guesses, given = Counter(top1_predictions), Counter(labels)
    for shift, remedy in ((1, "Subtract 1 from"), (-1, "Add 1 to")):
        hits = agree[shift]
        # Neighbouring classes look alike (breeds of dogs), so shifted labels still score a few per cent.
        if not hits or agree[0] > 0.05 * total or hits < 4 * agree[0]:
            continue
        # Chance is that of the two histograms: a network that always answers one class proves nothing.
        chance = sum(count * guesses[label - shift] for label, count in given.items()) / total**2
        rate = hits / total
        # Chernoff's bound on the probability of at least so many hits.
        excess = rate * math.log(rate / chance)
        excess += (1 - rate) * math.log((1 - rate) / (1 - chance)) if chance < rate < 1 else 0.0
        if math.exp(-total * excess) < 1e-6:
            return (
                f"labels look off by one: of {total:,} predictions {rate:.1%} equal label {-shift:+d}, "
                f"{agree[0] / total:.1%} the label as given, {chance:.1%} expected by chance. {remedy} every "
                "label, or check that the checkpoint has no background class"
            )
    return None


def _told_by(name: str) -> set[int]:
    """The classes that a path stands for: none, one, or several that contradict each other."""
    told = {synset_indices().get(synset, -1) for synset in _WORDNET_ID.findall(name)} - {-1}
    if (match := _VAL_NAME.fullmatch(name)) and 1 <= int(match[1]) <= len(VAL_ANCHORS):
        told.add(VAL_ANCHORS[int(match[1]) - 1])
    return told


def _at(line: LabelLine) -> str:
    return f"line {line.line}: {line.name}".removesuffix(": ") if line.line else line.name
