"""What is known of ImageNet: its classes, the class of each validation image, and the devkit's numbers of classes.

A label is the position, 0..999, of the class among the ILSVRC2012 synsets sorted by WordNet id: the order that every
source was trained with. The tables are in `reference/`, whose README says where they are from. Standard library alone.
"""

from __future__ import annotations

import re
from functools import cache

from harness.reference import FOLDER as REFERENCE

SYNSETS = REFERENCE / "imagenet_synsets.txt"
_NAMES = REFERENCE / "imagenet_names.txt"
_VAL_LABELS = REFERENCE / "imagenet_val_labels.txt"
_DEVKIT_SYNSETS = REFERENCE / "imagenet_devkit_synsets.txt"

CLASSES = 1000
VAL_IMAGES = 50_000

WORDNET_ID = re.compile(r"n\d{8}", re.ASCII)
_IN_PATH = re.compile(r"(?:^|[/_])(n\d{8})(?=[/_.]|$)", re.ASCII)
# Some mirrors append the WordNet id to the official name of the same file, or leave the suffix out.
_VAL_NAME = re.compile(r"ILSVRC2012_val_(\d{8})(?:_n\d{8})?(?:\.\w{1,5})?", re.IGNORECASE | re.ASCII)


@cache
def synset_indices() -> dict[str, int]:
    """WordNet id -> class index, of all 1,000 classes."""
    return {synset: index for index, synset in enumerate(SYNSETS.read_text("ascii").split())}


@cache
def synsets() -> list[str]:
    """The WordNet id of each of the 1,000 classes, by index."""
    return list(synset_indices())


@cache
def class_names() -> list[str]:
    """What people call each of the 1,000 classes, by index."""
    return _NAMES.read_text("ascii").splitlines()


@cache
def val_labels() -> tuple[int, ...]:
    """Class index of ILSVRC2012_val_00000001 to 00050000."""
    return tuple(map(int, _VAL_LABELS.read_text("ascii").split()))


@cache
def devkit_order() -> tuple[int, ...]:
    """Class index of the classes with ILSVRC2012_ID 1 to 1000, as the devkit's meta.mat numbers them."""
    return tuple(synset_indices()[synset] for synset in _DEVKIT_SYNSETS.read_text("ascii").split())


@cache
def devkit_ids() -> dict[int, int]:
    """Class index -> ILSVRC2012_ID, 1..1000."""
    return {index: number for number, index in enumerate(devkit_order(), start=1)}


def val_number(name: str) -> int | None:
    """The number of an image of ImageNet val in its official name, 1..50,000; None for any other name."""
    found = _VAL_NAME.fullmatch(name.rpartition("/")[2])
    return number if found and 1 <= (number := int(found[1])) <= VAL_IMAGES else None


def told_by(path: str) -> set[int]:
    """The classes that a path stands for, by the WordNet ids in it and by the official name of an image: none, one,
    or several that contradict each other."""
    told = {synset_indices().get(synset, -1) for synset in _IN_PATH.findall(path)} - {-1}
    if number := val_number(path):
        told.add(val_labels()[number - 1])
    return told
