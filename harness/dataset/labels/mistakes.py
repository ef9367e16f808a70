"""The mistakes in labels that paths or predictions give away.

A label file in another order looks just like a right one, so what an image's path tells about its class is compared
with its label. Only the standard library is imported here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from harness.dataset.labels.known import SYNSETS, devkit_ids, told_by


class LabelLine(NamedTuple):
    """One label as it is given, not yet trusted."""

    line: int | None  #: of the label file, from 1; None where a folder gives the label
    name: str  #: as in ImageRef; "" where the file gives bare integers
    label: int


class _Told(NamedTuple):
    """A label and the class that its path tells."""

    line: LabelLine
    told: int


def label_trap(lines: Sequence[LabelLine]) -> str | None:
    """Names the mistake that labels show when compared with the classes that paths tell; None where they agree.

    A path tells its class by a WordNet id in it, or by the official name of an image of ImageNet val.
    """
    # a folder that gave the label cannot confirm it; the name of the file in it can
    paths = [line.name if line.line else line.name.partition("/")[2] or line.name for line in lines]
    told = [_Told(line, index) for line, path in zip(lines, paths, strict=True) for index in sorted(told_by(path))]
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
    known = {devkit_ids()[index] - label for index, label in pairs}
    # one class may have the same number in both orders
    if known in ({0}, {1}) and len(wrong) > len(told) / 2:
        order = f"labels are in devkit ILSVRC2012_ID order{', minus one' if known == {1} else ''}"
        return order, f"Look each id up in the devkit's meta.mat. {remedy}"
    if line_shift := _line_shift(told):
        return line_shift
    one_to_one = len(pairs) == len({index for index, _ in pairs}) == len({label for _, label in pairs})
    # with one image per class two swapped labels are one-to-one as well: an order takes a majority
    if one_to_one and len(wrong) > len(told) / 2:
        return "labels follow another class order", remedy
    if len(wrong) > len(told) / 2 and _is_shuffled(told, len(told) - len(wrong)):
        return "labels are shuffled, or those of other images", "Get the label file again"
    return "labels contradict the paths", "Correct the labels, or the paths"


def _line_shift(told: Sequence[_Told]) -> tuple[str, str] | None:
    """Whether most labels are those of the image before or after."""
    classes, labels = [one.told for one in told], [one.line.label for one in told]
    for shift, where in ((1, "before"), (-1, "after")):
        first, second = (labels[1:], classes[:-1]) if shift == 1 else (labels[:-1], classes[1:])
        # classes that stand together say nothing: every neighbour has the same label
        tells = [
            (one, two) for one, two, own in zip(first, second, classes[max(shift, 0) :], strict=False) if two != own
        ]
        if len(tells) > len(told) / 2 and sum(one == two for one, two in tells) > len(tells) / 2:
            return f"labels are those of the image {where}", "Look for a line that is missing or is too much"
    return None


def _is_shuffled(told: Sequence[_Told], agreeing: int) -> bool:
    """Whether labels and classes agree no more often than by chance, although the labels are of many classes."""
    total = len(told)
    labels, classes = Counter(one.line.label for one in told), Counter(one.told for one in told)
    chance = sum(count * classes[label] for label, count in labels.items()) / total
    # three standard deviations above the mean of a Poisson distribution, which is at most one by chance in 700
    return len(labels) > len(classes) / 2 and len(classes) > 1 and agreeing <= chance + 3 * math.sqrt(chance)


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


def _at(line: LabelLine) -> str:
    return f"line {line.line}: {line.name}".removesuffix(": ") if line.line else line.name
