"""Whether images that are named like those of ImageNet val still have the files that they had: recognised by formats,
sizes and quantisation, compared with those of images of ImageNet (`reference/image_files.toml`). Pure.

What befell less than half of the images is not seen here, unless no image of ImageNet val is like that at all.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from harness.core.text import first_few, plural
from harness.dataset.facts import Facts
from harness.dataset.labels.known import VAL_IMAGES, val_number
from harness.reference import FOLDER as REFERENCE
from harness.worker.images import ImageRef

_FIGURES = REFERENCE / "image_files.toml"


@dataclass(frozen=True)
class Damage:
    """What the files show."""

    reasons: tuple[str, ...]  #: why accuracies on them cannot be compared with those on ImageNet val
    notes: tuple[str, ...]  #: what is odd, and does not say that much


@dataclass(frozen=True)
class Counts:
    """How many of a number of JPEGs are alike."""

    images: int
    same_table: int  #: have the most common quantisation table of luminance
    same_short_side: int  #: have the most common short side
    square: int
    usual_long_side: int  #: have a long side of `long_side` pixels
    upright: int  #: are higher than wide
    turned: int  #: have an EXIF orientation that turns or mirrors them


@dataclass(frozen=True)
class _Figures:
    """The content of the file of figures."""

    counts: Counts
    long_side: int  #: pixels
    archive: int  #: bytes of the official archive
    chance: float  #: at which a difference from the counts is no coincidence


def damages(images: Sequence[tuple[ImageRef, Facts]]) -> Damage:
    """What the files of images that are named like those of ImageNet val show; nothing for others."""
    named = [(ref, facts) for ref, facts in images if val_number(ref.name)]
    if len(named) <= len(images) / 2:
        return Damage((), ())
    reasons = list(_foreign(named))
    jpegs = [facts for _, facts in named if facts.format == "JPEG"]
    if jpegs:
        reasons += _changed(jpegs)
    notes = []
    if cut := [ref.name for ref, facts in named if facts.is_cut]:
        notes.append(f"cut off: {plural(len(cut), 'file')}: {first_few(cut)}")
    if len(named) == VAL_IMAGES and not reasons and (odd := _odd_total([facts.length for _, facts in named])):
        notes.append(odd)
    return Damage(tuple(reasons), tuple(notes))


def _foreign(named: Sequence[tuple[ImageRef, Facts]]) -> Iterator[str]:
    """Formats and colours that no image of ImageNet val has."""
    formats = Counter(facts.format for _, facts in named if facts.format not in ("", "JPEG"))
    for kind in formats:
        names = [ref.name for ref, facts in named if facts.format == kind]
        yield f"{len(names):,} of {len(named):,} files are {kind}, and all of ImageNet val are JPEG: {first_few(names)}"
    if cmyk := [ref.name for ref, facts in named if facts.mode == "CMYK"]:
        yield f"{len(cmyk):,} of {len(named):,} JPEGs are CMYK, and none of ImageNet val is: {first_few(cmyk)}"


def _changed(jpegs: Sequence[Facts]) -> Iterator[str]:
    """What was done to most images."""
    usual = figures()
    own, known = counts(jpegs, usual.long_side), usual.counts

    def beyond(count: Callable[[Counts], int]) -> bool:
        """Whether what is common was done to more than half of the images, and is no coincidence."""
        rate = count(known) / known.images
        return count(own) / own.images > rate + (1 - rate) / 2 and _is_more(count(own), own.images, count(known))

    if beyond(lambda c: c.same_table):
        yield f"re-encoded: {_both(own.same_table, own, known.same_table, known)} have one and the same quantisation table"
    if beyond(lambda c: c.square):
        sizes = Counter((one.width, one.height) for one in jpegs if one.width == one.height)
        width, height = sizes.most_common(1)[0][0]
        yield (
            f"cropped or squeezed: {_both(own.square, own, known.square, known)} are square, most often "
            f"{width} x {height} pixels"
        )
    elif beyond(lambda c: c.same_short_side):
        side = Counter(min(one.width, one.height) for one in jpegs).most_common(1)[0][0]
        both = _both(own.same_short_side, own, known.same_short_side, known)
        yield f"resized: the short side of {both} is one and the same, {side} pixels"
    elif own.usual_long_side / own.images < known.usual_long_side / known.images / 2 and _is_more(
        own.images - own.usual_long_side, own.images, known.images - known.usual_long_side
    ):
        both = _both(own.usual_long_side, own, known.usual_long_side, known)
        yield f"cropped or resized: the long side of only {both} is {usual.long_side} pixels"
    yield from _turned(own, known)


def _turned(own: Counts, known: Counts) -> Iterator[str]:
    tags = _both(own.turned, own, known.turned, known)
    if own.upright > own.images / 2 and _is_more(own.upright, own.images, known.upright):
        yield f"turned: {_both(own.upright, own, known.upright, known)} are higher than wide"
    elif _is_more(own.turned, own.images, known.turned):
        yield f"turned by EXIF: {tags} have an orientation that decoders obey or not"
    elif not own.turned and _is_more(own.images, own.images, known.images - known.turned):
        yield f"turned by EXIF, or without their metadata: {tags} have an orientation"


def _both(count: int, own: Counts, usual: int, known: Counts) -> str:
    return f"{count:,} of {own.images:,} JPEGs ({usual} of {known.images} in ImageNet)"


def counts(jpegs: Sequence[Facts], long_side: int) -> Counts:
    """How many are alike."""
    return Counts(
        images=len(jpegs),
        same_table=max(Counter(one.table for one in jpegs).values(), default=0),
        same_short_side=max(Counter(min(one.width, one.height) for one in jpegs).values(), default=0),
        square=sum(one.width == one.height for one in jpegs),
        usual_long_side=sum(max(one.width, one.height) == long_side for one in jpegs),
        upright=sum(one.height > one.width for one in jpegs),
        turned=sum(one.orientation > 1 for one in jpegs),
    )


def _is_more(count: int, images: int, usual: int) -> bool:
    """Whether so many are more than in ImageNet, beyond what two random parts of one set may differ by."""
    from scipy.stats import hypergeom  # takes half a second

    known = figures()
    total = images + known.counts.images
    return bool(hypergeom.sf(count - 1, total, count + usual, images) < known.chance)


def _odd_total(lengths: Sequence[int]) -> str | None:
    """How the files differ, as members of a tar, from the size of the official archive; None where they fit."""
    block, record = 512, 10_240  # bytes: of a tar's headers and contents, and of its whole
    size = sum(block + -(-length // block) * block for length in lengths) + 2 * block
    official = figures().archive
    # the archive may have a folder beside its images
    if -record < size - official <= 0:
        return None
    return (
        f"packed again, the files would take {size:,} bytes, the official archive has {official:,}: "
        "some files have been changed"
    )


@cache
def figures() -> _Figures:
    """What the files of ImageNet are like."""
    content = tomllib.loads(_FIGURES.read_text(encoding="utf-8"))
    return _Figures(Counts(**content["counts"]), content["long_side"], content["archive"], content["chance"])
