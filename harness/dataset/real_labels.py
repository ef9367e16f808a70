"""ImageNet-ReaL: for each image of ImageNet val, every class that it shows (L. Beyer and others, *Are we done with
ImageNet?*, 2020). 3,163 of the 50,000 images show none of the 1,000 and are not counted.

The labels are the user's file, never part of this package: `real.json` of google-research/reassessed-imagenet, or
`annotations/imagenet_real_labels.jsonl` of the package imagenet-x (CC BY-NC). Standard library alone.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

from harness.core.errors import InputError
from harness.dataset.image_set import ImageSet
from harness.dataset.labels.known import CLASSES, VAL_IMAGES, val_number

#: Images of ImageNet val that have a label.
LABELLED = 46_837
#: Share of the images whose own label has to be among their ReaL labels; of those that have any, nine in ten are. A
#: list in another order has one in a thousand.
_IN_ORDER = 0.5


def read(file: Path) -> tuple[tuple[int, ...], ...]:
    """The classes of image 1, 2, … of ImageNet val: from one list of lists, or from a list on each line.

    Raises InputError where the file is no such list.
    """
    try:
        text = file.read_text(encoding="utf-8")
        try:
            listed = json.loads(text)
        except json.JSONDecodeError:
            listed = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"--real-labels {file}: cannot read the labels: {error}") from error
    if not isinstance(listed, list):
        raise InputError(f"--real-labels {file}: is no list; expected a list of classes for each image")
    wrong = next((number for number, classes in enumerate(listed, 1) if not _are_classes(classes)), None)
    if wrong is not None:
        raise InputError(f"--real-labels {file}: entry {wrong} is not a list of class indices from 0 to {CLASSES - 1}")
    if len(listed) != VAL_IMAGES:
        raise InputError(
            f"--real-labels {file}: {len(listed):,} entries; expected one for each of {VAL_IMAGES:,} images"
        )
    return tuple(tuple(classes) for classes in listed)


def _are_classes(classes: object) -> bool:
    return isinstance(classes, list) and all(
        isinstance(one, int) and not isinstance(one, bool) and 0 <= one < CLASSES for one in classes
    )


def with_real_labels(images: ImageSet, file: Path) -> ImageSet:
    """The images with their ReaL labels, by the numbers in their names.

    Raises InputError where no image has such a name, and where the labels are in another order.
    """
    listed = read(file)
    numbered = {ref: number for ref in images.images if (number := val_number(ref.name))}
    if not numbered:
        raise InputError(
            f"--real-labels {file}: no image of --data is named ILSVRC2012_val_…, which tells it from others"
        )
    real: Mapping[str, tuple[int, ...]] = {
        ref.name: listed[number - 1] for ref, number in numbered.items() if listed[number - 1]
    }
    agreeing = sum(ref.label in real[ref.name] for ref in numbered if ref.name in real)
    if agreeing < _IN_ORDER * len(real):
        raise InputError(
            f"--real-labels {file}: {agreeing:,} of {len(real):,} images have their own label among those of ReaL, so "
            "the file lists them in another order"
        )
    return dataclasses.replace(images, real=real)
