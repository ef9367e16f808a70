"""The labelled images that contestants are timed on."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path

from harness.dataset.image_set import ImageSet, open_images, shuffled
from harness.worker.images import ImageRef

SAMPLE = Path(__file__).parents[2] / "shared" / "imagenet-sample"


def labelled(number: int, data: Path = SAMPLE, labels: Path | None = None) -> list[tuple[str, int]]:
    """Path and class index of `number` images: all there are, shuffled, over and over until there are enough.

    Not by class, so that every slice is as mixed as the whole. Reads every file once, so that no contestant finds
    them colder than another. Raises InputError as open_images does.
    """
    images = shuffled(open_images(data, labels).images)
    return [(ref.file, ref.label) for ref in itertools.islice(itertools.cycle(images), number)]


def as_data_set(images: Sequence[tuple[str, int]]) -> ImageSet:
    """The images as a data set of the harness whose shuffled order is the given one.

    The harness takes images in the order of a digest of their names, and a name is there once; so each gets a name of
    its own that stands where the image does.
    """
    names = [ref.name for ref in shuffled(ImageRef(f"{n}.jpg", 0, "", None, None) for n in range(len(images)))]
    refs = [ImageRef(name, label, str(path), None, None) for name, (path, label) in zip(names, images, strict=True)]
    digest = hashlib.sha256(repr(refs).encode()).hexdigest()
    return ImageSet("", "label file", tuple(refs), digest, False, f"{len(refs)} images to time", ())
