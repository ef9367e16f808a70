"""The images for which two sources give different best classes, with the five best of each."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageOps

from harness.checks.results import Results
from harness.dataset.labels import class_names
from harness.dataset.remote import image_bytes, parse_location
from harness.execution.predictions import Predictions

#: most images shown for two sources, those first on which both are most confident
SHOWN = 60
#: pixels, the longer side
_THUMBNAIL = 160


@dataclass(frozen=True)
class Flip:
    """One image."""

    name: str
    label: str
    margin: float  #: logit units, the smaller of the two
    best: tuple[tuple[str, ...], tuple[str, ...]]  #: the five best classes of each source
    right: tuple[bool, bool]  #: whether each source's best is the label
    thumbnail: str | None  #: data URI; None without --gallery


@dataclass(frozen=True)
class Album:
    """The flips of two runs."""

    title: str
    sources: tuple[str, str]
    flips: tuple[Flip, ...]
    total: int


def albums(results: Results) -> list[Album]:
    """One for every two runs with flips; thumbnails only with `--gallery`, since images may not be copied freely."""
    if results.images is None:
        return []
    refs = {ref.name: ref for ref in results.images.images}
    known = {index: f"{index} {name}" for index, name in enumerate(class_names())}
    found = []
    for two in results.paired:
        if not two.paired.flipped:
            continue
        classes = [
            Predictions(parse_location(run.predictions)).read().set_index("image")["classes"] for run in (two.a, two.b)
        ]
        surest = sorted(two.paired.flipped, key=lambda name: -two.paired.margins[name])[:SHOWN]
        flips = []
        for name in surest:
            first, second = ([int(one) for one in of[name][:5]] for of in classes)
            label = refs[name].label
            flips.append(
                Flip(
                    name=name,
                    label=known[label],
                    margin=two.paired.margins[name],
                    best=(_named(first, known), _named(second, known)),
                    right=(first[0] == label, second[0] == label),
                    thumbnail=_thumbnail(image_bytes(refs[name])) if results.options.gallery else None,
                )
            )
        title = f"{two.a.documented_model} at {two.a.input_size} pixels"
        sources = (str(two.a.source), str(two.b.source))
        found.append(Album(title, sources, tuple(flips), len(two.paired.flipped)))
    return found


def _named(classes: Sequence[int], known: dict[int, str]) -> tuple[str, ...]:
    return tuple(known.get(one, str(one)) for one in classes)


def _thumbnail(content: bytes) -> str | None:
    """The upright image as a data URI; None where it cannot be decoded."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            small = ImageOps.exif_transpose(image).convert("RGB")
            small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    buffer = io.BytesIO()
    small.save(buffer, "jpeg", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
