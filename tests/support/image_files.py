"""Data sets made up for tests."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from harness.core.errors import InputError
from harness.dataset.image_set import open_images
from harness.dataset.labels import devkit_ids, synset_indices, val_labels

SYNSETS = list(synset_indices())
#: classes of the first ten images of ImageNet val
VAL_ANCHORS = val_labels()[:10]
#: class -> id in the devkit, of a few classes
DEVKIT_IDS = {label: devkit_ids()[label] for label in (*VAL_ANCHORS, 278, 212, 250, 193, 217, 147, 387, 285, 350, 283)}


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
    """Names and labels of ImageNet val."""
    return [val_name(number) for number in range(1, 50_001)], list(val_labels())


def refused(data: Path, labels: Path | None = None, limit: int | None = None) -> str:
    with pytest.raises(InputError) as caught:
        open_images(data, labels, limit)
    return str(caught.value)
