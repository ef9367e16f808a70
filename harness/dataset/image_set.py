"""ImageNet in the layouts people have it in, and the identity of the data set.

Labels are read, and checked against the classes that paths tell, in harness.dataset.labels. Only the standard library
is imported here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from harness.core.cancellation import side_by_side
from harness.core.errors import InputError, readable
from harness.core.paths import Location
from harness.core.text import first_few, plural
from harness.dataset.labels import LabelLine, label_trap, not_imagenet_val, read_labels, synset_indices
from harness.dataset.layouts import (
    SUFFIXES,
    ImageBytes,
    check_lines,
    files_below,
    ignored,
    is_image,
    no_labels,
    printable,
    synset_folders,
    tar_members,
)
from harness.worker.images import ImageRef, read_image

Layout = Literal["synset folders", "label file", "tar"]


@dataclass(frozen=True)
class ImageSet:
    """Labelled images and what they are."""

    location: str  #: absolute path of the folder or tar that the names are relative to
    layout: Layout
    images: tuple[ImageRef, ...]  #: sorted by name, or shuffled where a limit was given
    digest: str  #: hex SHA-256 over (name, label, SHA-256 of the bytes) of every image, whatever their order
    is_imagenet_val: bool  #: the whole of it, by names and labels: the official bytes are not known here
    identity: str  #: one sentence: counts, and whether it is ImageNet val or why not
    notes: tuple[str, ...]  #: what was left out
    drawn_from: int | None = None  #: images of the whole ImageNet val of which these are a part; None for anything else
    #: image -> its classes by ImageNet-ReaL, of the images that have any; empty where no such labels were given
    real: Mapping[str, tuple[int, ...]] = field(default_factory=dict, repr=False)


def shuffled(images: Iterable[ImageRef]) -> list[ImageRef]:
    """In the order of the SHA-256 of their names: the same on every machine, and not by class as folders are."""
    return sorted(images, key=lambda ref: hashlib.sha256(ref.name.encode()).digest())


@dataclass(frozen=True)
class _Listing:
    """What lies in a folder or tar, before it is labelled."""

    data: Location  #: that the names are relative to
    layout: Layout
    files: Mapping[str, ImageBytes]  #: by name, other files than images among them
    notes: tuple[str, ...]  #: what was left out


def open_images(data: Location, labels: Path | None = None, limit: int | None = None) -> ImageSet:
    """Finds the images of a folder per synset, or of any folder or tar with a label file, and reads all once.

    `limit` takes the first images of a shuffle by SHA-256 of the name, because a folder of synsets is sorted
    by class. Raises InputError for what is missing, unreadable, unlabelled or labelled in another order.
    """
    if limit is not None and limit < 1:
        raise InputError(f"a limit of {limit} images; expected at least 1")
    listing = _listed(data.absolute() if isinstance(data, Path) else data, labels)
    images, unlisted = _labelled(listing, labels)
    reasons = not_imagenet_val([ref.name for ref in images], [ref.label for ref in images])
    drawn_from = None
    if limit is not None:
        if limit < len(images):
            drawn = "" if reasons else ", drawn from ImageNet val"
            drawn_from = None if reasons else len(images)
            reasons = [f"{limit:,} of {len(images):,} images{drawn}", *reasons]
        images = shuffled(images)[:limit]
    counts = f"{plural(len(images), 'image')} of {plural(len({ref.label for ref in images}), 'class')}"
    verdict = f"not ImageNet val: {'; '.join(reasons)}" if reasons else "ImageNet val by names and labels"
    hashes = _hashes(images)
    return ImageSet(
        str(listing.data),
        listing.layout,
        tuple(images),
        _digest(images, hashes),
        not reasons,
        f"{counts}; {verdict}",
        (*listing.notes, *unlisted, *_repeated(images, hashes)),
        drawn_from,
    )


def _listed(data: Location, labels: Path | None) -> _Listing:
    """The files of a folder or tar; without a label file, of its synset folders. InputError where there is no image."""
    with readable(str(data)):
        data.stat()
        is_folder = data.is_dir()
    if not is_folder:
        listing = _Listing(data, "tar", tar_members(data), ())
    elif labels:
        listing = _Listing(data, "label file", dict(files_below(data)), ())
    else:
        folder, files, notes = synset_folders(data)
        listing = _Listing(folder, "synset folders", files, tuple(notes))
    if not any(map(is_image, listing.files)):
        raise InputError(f"{listing.data}: no images in it; expected files in {', '.join(SUFFIXES)}")
    return listing


def _labelled(listing: _Listing, labels: Path | None) -> tuple[list[ImageRef], list[str]]:
    """The images with their labels, sorted by name, and a note on those that the label file does not list."""
    names = sorted(filter(is_image, listing.files))
    if labels:
        lines = read_labels(labels, names)
    elif listing.layout == "tar":
        raise no_labels(listing.data)
    else:
        lines = [LabelLine(None, name, synset_indices()[name.partition("/")[0]]) for name in names]
    if trap := label_trap(lines):
        raise InputError(f"{labels or listing.data}: {trap}")
    unlisted: list[str] = []
    if labels:
        check_lines(labels, lines, listing.data, listing.files)
        unlisted = ignored(f"not in {labels.name}", sorted(set(names) - {line.name for line in lines}))
    images = [ImageRef(printable(line.name), line.label, *listing.files[line.name]) for line in lines]
    return sorted(images, key=lambda ref: ref.name), unlisted


def _hashes(images: Sequence[ImageRef]) -> list[str]:
    """Hex SHA-256 of each image's bytes."""

    def some(refs: Sequence[ImageRef]) -> list[str]:
        return [hashlib.sha256(read_image(ref)).hexdigest() for ref in refs]

    parts = side_by_side(some, [images[start : start + 64] for start in range(0, len(images), 64)], threads=8)
    return [sha for part in parts for sha in part]


def _digest(images: Sequence[ImageRef], hashes: Sequence[str]) -> str:
    # a name can hold any character but NUL
    rows = [f"{sha} {ref.label} {ref.name}\0".encode() for sha, ref in zip(hashes, images, strict=True)]
    return hashlib.sha256(b"".join(sorted(rows))).hexdigest()


def _repeated(images: Sequence[ImageRef], hashes: Sequence[str]) -> list[str]:
    """A note where files of several names have the same bytes: they count several times, and others may be missing."""
    first: dict[str, str] = {}
    again = [
        f"{ref.name} is {first[sha]}"
        for sha, ref in zip(hashes, images, strict=True)
        if first.setdefault(sha, ref.name) != ref.name
    ]
    return [f"the bytes of another image: {plural(len(again), 'file')}: {first_few(again)}"] if again else []
