"""The labelled images that contestants are timed on."""

from __future__ import annotations

import itertools
from pathlib import Path

from harness.images import open_images, shuffled

SAMPLE = Path(__file__).parents[2] / "shared" / "imagenet-sample"


def labelled(number: int, data: Path = SAMPLE, labels: Path | None = None) -> list[tuple[str, int]]:
    """Path and class index of `number` images: all there are, shuffled, over and over until there are enough.

    Not by class, so that every slice is as mixed as the whole. Reads every file once, so that no contestant finds
    them colder than another. Raises InputError as open_images does.
    """
    images = shuffled(open_images(data, labels).images)
    return [(ref.file, ref.label) for ref in itertools.islice(itertools.cycle(images), number)]
