"""ImageNet in the layouts people have it in, and the identity of the data set.

Labels are read, and checked against the classes that paths tell, in harness.dataset.labels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.cancellation import side_by_side
from harness.core.errors import InputError
from harness.core.paths import Location
from harness.core.text import first_few, plural
from harness.dataset.damage import damages
from harness.dataset.facts import Facts, facts_of
from harness.dataset.labels import LabelLine, label_trap, not_imagenet_val
from harness.dataset.labels.files import read_labels
from harness.dataset.labels.names import ignored, is_image, printable
from harness.dataset.layouts import check_lines
from harness.dataset.listing import Layout, Listing, listed
from harness.dataset.memory import Memory, Seen
from harness.dataset.remote import contents, parts
from harness.worker.images import ImageRef

#: images that are looked at where not all are to be read
_LOOKS = 500


@dataclass(frozen=True)
class ImageSet:
    """Labelled images and what they are."""

    location: str  #: absolute path of the folder or archive that the names are relative to
    layout: Layout
    images: tuple[ImageRef, ...]  #: sorted by name, or shuffled where a limit was given
    #: hex SHA-256 over (name, label, SHA-256 of the bytes) of every image, whatever their order; "" where the bytes
    #: were not read
    digest: str
    is_imagenet_val: bool  #: the whole of it, by names and labels, and its files do not show that they were changed
    identity: str  #: one sentence: counts, and whether it is ImageNet val or why not
    notes: tuple[str, ...]  #: what was left out, and what is odd
    drawn_from: int | None = None  #: images of the whole ImageNet val of which these are a part; None for anything else
    #: image -> its classes by ImageNet-ReaL, of the images that have any; empty where no such labels were given
    real: Mapping[str, tuple[int, ...]] = field(default_factory=dict, repr=False)
    labelled_by: str = ""  #: what gave the labels, and how it was read


def shuffled(images: Iterable[ImageRef]) -> list[ImageRef]:
    """In the order of the SHA-256 of their names: the same on every machine, and not by class as folders are."""
    return sorted(images, key=lambda ref: hashlib.sha256(ref.name.encode()).digest())


@dataclass(frozen=True)
class _Labelled:
    """Images with their labels."""

    images: list[ImageRef]  #: sorted by name
    told: str  #: what gave the labels
    notes: list[str]


def open_images(
    data: Location, labels: Path | None = None, limit: int | None = None, memory: Path | None = None, read: bool = True
) -> ImageSet:
    """Finds the images of a folder or archive in any layout, labels them, and reads all once.

    `limit` takes the first images of a shuffle by SHA-256 of the name, because a folder of synsets is sorted
    by class. What is read is remembered in the folder `memory`. Without `read`, a few images are looked at and there is
    no digest. Raises InputError for what is missing, unreadable, unlabelled or labelled in another order.
    """
    if limit is not None and limit < 1:
        raise InputError(f"a limit of {limit} images; expected at least 1")
    listing = listed(data.absolute() if isinstance(data, Path) else data, labels is not None)
    found = _labelled(listing, labels)
    reasons = not_imagenet_val([ref.name for ref in found.images], [ref.label for ref in found.images])
    whole = len(found.images)
    images = found.images if limit is None else shuffled(found.images)[:limit]
    seen = _seen(images, Memory(memory, str(listing.data))) if read else {}
    again = _repeated(seen)
    damaged = damages([(ref, one.facts) for ref, one in seen.items()] if read else _look(images), len(again))
    is_val = not reasons and not damaged.reasons
    if len(images) < whole:
        reasons = [f"{len(images):,} of {whole:,} images{', drawn from ImageNet val' if is_val else ''}", *reasons]
    reasons += damaged.reasons
    counts = f"{plural(len(images), 'image')} of {plural(len({ref.label for ref in images}), 'class')}"
    verdict = f"not ImageNet val: {'; '.join(reasons)}" if reasons else "ImageNet val by names and labels"
    return ImageSet(
        str(listing.data),
        listing.layout,
        tuple(images),
        _digest(images, seen) if read else "",
        not reasons,
        f"{counts}; {verdict}",
        (*listing.notes, *found.notes, *damaged.notes, *_noted(again)),
        whole if is_val and len(images) < whole else None,
        labelled_by=found.told,
    )


def _labelled(listing: Listing, labels: Path | None) -> _Labelled:
    """The images with their labels, and a note on those that the label file does not list."""
    names = sorted(filter(is_image, listing.files))
    notes: list[str] = []
    if labels:
        given = read_labels(labels, names)
        lines, told = given.lines, f"{labels.name}: {given.kind}"
    else:
        lines = tuple(LabelLine(None, name, listing.labels[name]) for name in names)
        told = listing.told
    if trap := label_trap(lines):
        raise InputError(f"{labels or listing.data}: {trap}")
    if labels:
        check_lines(labels, lines, listing.data, listing.files)
        notes += ignored(f"not in {labels.name}", sorted(set(names) - {line.name for line in lines}))
        if given.absent:
            missing = f"{plural(len(given.absent), 'image')}: {first_few(given.absent)}"
            notes.append(f"listed in {labels.name} and not there: {missing}")
    images = [ImageRef(printable(line.name), line.label, *listing.files[line.name]) for line in lines]
    return _Labelled(sorted(images, key=lambda ref: ref.name), told, notes)


def _seen(images: Sequence[ImageRef], memory: Memory) -> dict[ImageRef, Seen]:
    """What the bytes of the images are; read unless it is known."""
    known = {ref: one for ref in images if (one := memory.known(ref)) is not None}

    def look(refs: Sequence[ImageRef]) -> dict[ImageRef, Seen]:
        return {ref: Seen(hashlib.sha256(image).hexdigest(), facts_of(image)) for ref, image in contents(refs)}

    missing = [ref for ref in images if ref not in known]
    fresh = {ref: one for part in side_by_side(look, parts(missing, 64), threads=8) for ref, one in part.items()}
    memory.keep(fresh)
    found = known | fresh
    return {ref: found[ref] for ref in images}


def _look(images: Sequence[ImageRef]) -> list[tuple[ImageRef, Facts]]:
    """What a few images are like, from all parts of the set."""
    found: list[tuple[ImageRef, Facts]] = []
    for part in parts(shuffled(images), 64):
        found += [(ref, facts_of(image)) for ref, image in contents(part)]
        if len(found) >= _LOOKS:
            break
    return found


def _digest(images: Sequence[ImageRef], seen: Mapping[ImageRef, Seen]) -> str:
    # a name can hold any character but NUL
    rows = [f"{seen[ref].sha256} {ref.label} {ref.name}\0".encode() for ref in images]
    return hashlib.sha256(b"".join(sorted(rows))).hexdigest()


def _repeated(seen: Mapping[ImageRef, Seen]) -> list[str]:
    """The files that have the bytes of another, and of which."""
    first: dict[str, str] = {}
    return [
        f"{ref.name} is {first[one.sha256]}"
        for ref, one in seen.items()
        if first.setdefault(one.sha256, ref.name) != ref.name
    ]


def _noted(again: Sequence[str]) -> list[str]:
    """A note on files with the same bytes: they count several times, and others may be missing."""
    return [f"the bytes of another image: {plural(len(again), 'file')}: {first_few(again)}"] if again else []
