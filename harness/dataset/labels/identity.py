"""Whether labelled images are ImageNet val: all 50,000 names, each with its class. Standard library alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from harness.core.text import first_few, plural
from harness.dataset.labels.known import CLASSES, VAL_IMAGES, class_names, synsets, val_labels, val_number

#: images of each class
PER_CLASS = VAL_IMAGES // CLASSES
#: classes that a random part of the images may be expected to lack before those that are missing are named
_BY_CHANCE = 0.01


def not_imagenet_val(names: Sequence[str], labels: Sequence[int]) -> list[str]:
    """The reasons why these are not the 50,000 validation images with their labels; empty where they are."""
    numbers = [val_number(name) for name in names]
    there = Counter(number for number in numbers if number)
    reasons = [] if len(names) == VAL_IMAGES else [f"expected 50,000 images, found {len(names):,}"]
    missing = [number for number in range(1, VAL_IMAGES + 1) if number not in there]
    # of images that are no part of ImageNet val nothing is missing
    if missing and (there or not reasons):
        reasons.append(f"{len(missing):,} names are missing, first {official_name(missing[0])}")
        reasons += _missing_classes(missing)
    if not there:
        reasons += _uneven(names, labels)
    if twice := [number for number, count in there.items() if count > 1]:
        reasons.append(f"{plural(len(twice), 'name')} there more than once, first {official_name(min(twice))}")
    wrong = [
        (number, label)
        for number, label in zip(numbers, labels, strict=True)
        if number and label != val_labels()[number - 1]
    ]
    if wrong:
        shown = [
            f"{official_name(number)} has label {label}, expected {val_labels()[number - 1]}" for number, label in wrong
        ]
        reasons.append(f"{len(wrong):,} of {sum(there.values()):,} labels are wrong: {first_few(shown)}")
    return reasons


def official_name(number: int) -> str:
    """The name of an image of ImageNet val, without its suffix."""
    return f"ILSVRC2012_val_{number:08}"


def _missing_classes(missing: Sequence[int]) -> list[str]:
    """The classes of which no image is there."""
    lacking = Counter(val_labels()[number - 1] for number in missing)
    gone = sorted(index for index, count in lacking.items() if count == PER_CLASS)
    return _without(gone, VAL_IMAGES - len(missing))


def _without(gone: Sequence[int], images: int) -> list[str]:
    """Names the classes of which there is no image, unless a random part of so few images may well lack some."""
    if not gone or CLASSES * math.exp(-images / CLASSES) > _BY_CHANCE:
        return []
    named = [f"{synsets()[index]} ({class_names()[index]})" for index in gone]
    return [f"no image of {plural(len(gone), 'class')}: {first_few(named)}"]


def _uneven(names: Sequence[str], labels: Sequence[int]) -> list[str]:
    """What is odd about the numbers of images of each class, of images without official names."""
    counts = Counter(labels)
    if gone := _without([index for index in range(CLASSES) if not counts[index]], len(names)):
        return gone
    odd = [index for index in range(CLASSES) if counts[index] != PER_CLASS]
    if len(names) == VAL_IMAGES and odd:
        return [f"expected {PER_CLASS} images in each class, found {counts[odd[0]]} in class {odd[0]}"]
    return []
