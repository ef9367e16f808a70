"""ImageNet in the layouts people have it in, and the identity of the data set.

Labels are read and held against the paths in harness.dataset.labels. Workers import this module: stdlib alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.core.cancellation import side_by_side
from harness.core.errors import InputError, readable
from harness.core.paths import Location
from harness.dataset.labels import LabelLine, label_trap, not_imagenet_val, read_labels, synset_indices
from harness.dataset.layouts import (
    SUFFIXES,
    check_lines,
    count_of,
    files_below,
    first_few,
    ignored,
    is_image,
    no_labels,
    printable,
    synset_folders,
    tar_members,
)
from harness.worker.images import ImageRef, read_image


@dataclass(frozen=True)
class ImageSet:
    """Labelled images and what they are."""

    location: str  #: absolute path of the folder or tar that the names are relative to
    layout: Literal["synset folders", "label file", "tar"]
    images: tuple[ImageRef, ...]  #: sorted by name, or shuffled where a limit was given
    digest: str  #: hex SHA-256 over (name, label, SHA-256 of the bytes) of every image, whatever their order
    is_imagenet_val: bool  #: the whole of it, by names and labels: the official bytes are not known here
    identity: str  #: one sentence: counts, and whether it is ImageNet val or why not
    notes: tuple[str, ...]  #: what was left out
    drawn_from: int | None = None  #: images of the whole ImageNet val of which these are a part; None for anything else


def shuffled(images: Iterable[ImageRef]) -> list[ImageRef]:
    """In the order of the SHA-256 of their names: the same on every machine, and not by class as folders are."""
    return sorted(images, key=lambda ref: hashlib.sha256(ref.name.encode()).digest())


def open_images(data: Location, labels: Path | None = None, limit: int | None = None) -> ImageSet:
    """Finds the images of a folder per synset, or of any folder or tar with a label file, and reads all once.

    `limit` takes the first images of a shuffle by SHA-256 of the name, because a folder of synsets is sorted
    by class. Raises InputError for what is missing, unreadable, unlabelled or labelled in another order.
    """
    if limit is not None and limit < 1:
        raise InputError(f"a limit of {limit} images; expected at least 1")
    data = data.absolute() if isinstance(data, Path) else data
    with readable(str(data)):
        data.stat()
    layout: Literal["synset folders", "label file", "tar"] = "label file" if data.is_dir() else "tar"
    notes: list[str] = []
    if layout == "tar":
        places = tar_members(data)
    elif labels:
        places = dict(files_below(data))
    else:
        layout = "synset folders"
        data, places, notes = synset_folders(data)
    names = sorted(filter(is_image, places))
    if not names:
        raise InputError(f"{data}: no images in it; expected files in {', '.join(SUFFIXES)}")
    if labels:
        lines = read_labels(labels, names)
    elif layout == "tar":
        raise no_labels(data)
    else:
        lines = [LabelLine(None, name, synset_indices()[name.partition("/")[0]]) for name in names]
    if trap := label_trap(lines):
        raise InputError(f"{labels or data}: {trap}")
    if labels:
        check_lines(labels, lines, data, places)
        unlisted = sorted(set(names) - {line.name for line in lines})
        notes = ignored(f"not in {labels.name}", unlisted)
    images = [ImageRef(printable(line.name), line.label, *places[line.name]) for line in lines]
    images.sort(key=lambda ref: ref.name)
    reasons = not_imagenet_val([ref.name for ref in images], [ref.label for ref in images])
    drawn_from = None
    if limit is not None:
        if limit < len(images):
            drawn = "" if reasons else ", drawn from ImageNet val"
            drawn_from = None if reasons else len(images)
            reasons = [f"{limit:,} of {len(images):,} images{drawn}", *reasons]
        images = shuffled(images)[:limit]
    counts = f"{count_of(len(images), 'image')} of {count_of(len({ref.label for ref in images}), 'class')}"
    verdict = f"not ImageNet val: {'; '.join(reasons)}" if reasons else "ImageNet val by names and labels"
    identity = f"{counts}; {verdict}"
    hashes = _hashes(images)
    notes = [*notes, *_repeated(images, hashes)]
    digest = _digest(images, hashes)
    return ImageSet(str(data), layout, tuple(images), digest, not reasons, identity, tuple(notes), drawn_from)


def _hashes(images: Sequence[ImageRef]) -> list[str]:
    """Hex SHA-256 of each image's bytes."""

    def some(refs: Sequence[ImageRef]) -> list[str]:
        return [hashlib.sha256(read_image(ref)).hexdigest() for ref in refs]

    parts = side_by_side(some, [images[start : start + 64] for start in range(0, len(images), 64)], threads=8)
    return [sha for part in parts for sha in part]


def _digest(images: Sequence[ImageRef], hashes: Sequence[str]) -> str:
    # NUL ends a row, because a name can hold anything else.
    rows = [f"{sha} {ref.label} {ref.name}\0".encode() for sha, ref in zip(hashes, images, strict=True)]
    return hashlib.sha256(b"".join(sorted(rows))).hexdigest()


def _repeated(images: Sequence[ImageRef], hashes: Sequence[str]) -> list[str]:
    """A note where one image is there under several names: it counts as often, and another may be missing."""
    first: dict[str, str] = {}
    again = [
        f"{ref.name} is {first[sha]}"
        for sha, ref in zip(hashes, images, strict=True)
        if first.setdefault(sha, ref.name) != ref.name
    ]
    return [f"the bytes of another image: {count_of(len(again), 'file')}: {first_few(again)}"] if again else []
