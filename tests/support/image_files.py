"""Data sets made up for tests."""

import random
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from harness.core.errors import InputError
from harness.dataset.image_set import open_images
from harness.dataset.labels import VAL_ANCHORS, synset_indices

SYNSETS = list(synset_indices())


def write(folder: Path, names: Iterable[str]) -> Path:
    """Files whose bytes are their names: the contents are no business of the module."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def write_labels(path: Path, labels: Mapping[str, int]) -> Path:
    path.write_text("".join(f"{name} {label}\n" for name, label in labels.items()))
    return path


def val_name(number: int) -> str:
    return f"ILSVRC2012_val_{number:08}.JPEG"


def full_val() -> tuple[list[str], list[int]]:
    """Names and labels with every property of ImageNet val that is public, the order of labels apart."""
    rest = [index for index in range(1000) for _ in range(50 - (index in VAL_ANCHORS))]
    random.Random(0).shuffle(rest)
    return [val_name(number) for number in range(1, 50_001)], [*VAL_ANCHORS, *rest]


def refused(data: Path, labels: Path | None = None, limit: int | None = None) -> str:
    with pytest.raises(InputError) as caught:
        open_images(data, labels, limit)
    return str(caught.value)
