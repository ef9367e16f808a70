"""Whether images that are named like those of ImageNet val still have the files that they had: recognised by formats,
sizes and quantisation, compared with those of images of ImageNet (`reference/image_files.toml`). Pure.

What befell less than half of the images is not seen here, unless no image of ImageNet val is like that at all.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
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
    same_table: int  #: have the quantisation table of luminance that is the most common among them
    usual_table: int  #: have the one that is the most common in ImageNet
    same_short_side: int  #: have the short side that is the most common among them
    square: int
    usual_long_side: int  #: have the long side that is the most common in ImageNet
    upright: int  #: are higher than wide
    turned: int  #: have an EXIF orientation that turns or mirrors them


@dataclass(frozen=True)
class Figures:
    """The content of the file of figures."""

    counts: Counts
    table: str  #: digest of the most common quantisation table of luminance
    long_side: int  #: pixels, the most common one
    archive: int  #: bytes of the official archive
    chance: float  #: at which a difference from the counts is no coincidence


def damages(images: Sequence[tuple[ImageRef, Facts]], repeated: int = 0) -> Damage:
    """What the files of images that are named like those of ImageNet val show; nothing for others.

    `repeated` of them have the bytes of another image.
    """
    named = [(ref, facts) for ref, facts in images if val_number(ref.name)]
    if len(named) <= len(images) / 2:
        return Damage((), ())
    reasons = list(_foreign(named))
    if _is_more(repeated, len(images), 0):  # a few may be in ImageNet val, for all that is known
        reasons.append(f"duplicated: {repeated:,} of {len(images):,} files have the bytes of another")
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
    own, known = counts(jpegs, usual), usual.counts
    if _is_common(own, known, "same_table") or _is_rare(own, known, "usual_table"):
        same = _both(own, known, "same_table")
        yield f"re-encoded: {same} have one and the same quantisation table"
    if _is_common(own, known, "square"):
        sizes = Counter((one.width, one.height) for one in jpegs if one.width == one.height)
        width, height = sizes.most_common(1)[0][0]
        yield f"cropped or squeezed: {_both(own, known, 'square')} are square, most often {width} x {height} pixels"
    elif _is_common(own, known, "same_short_side"):
        side = Counter(min(one.width, one.height) for one in jpegs).most_common(1)[0][0]
        yield f"resized: the short side of {_both(own, known, 'same_short_side')} is one and the same, {side} pixels"
    elif _is_rare(own, known, "usual_long_side"):
        both = _both(own, known, "usual_long_side")
        yield f"cropped or resized: the long side of only {both} is {usual.long_side} pixels"
    if own.upright > own.images / 2 and _is_more(own.upright, own.images, known.upright):
        yield f"turned: {_both(own, known, 'upright')} are higher than wide"
    elif _is_more(own.turned, own.images, known.turned):
        yield f"turned by EXIF: {_both(own, known, 'turned')} have an orientation, which not all decoders obey"


def _is_common(own: Counts, known: Counts, what: str) -> bool:
    """Whether more than half of the images that were not so before have become so, and that is no coincidence."""
    count, usual = getattr(own, what), getattr(known, what)
    rate = usual / known.images
    return bool(count / own.images > (1 + rate) / 2) and _is_more(count, own.images, usual)


def _is_rare(own: Counts, known: Counts, what: str) -> bool:
    """Whether more than half of the images that were so before are so no more, and that is no coincidence."""
    count, usual = getattr(own, what), getattr(known, what)
    return bool(count / own.images < usual / known.images / 2) and _is_more(
        own.images - count, own.images, known.images - usual
    )


def _both(own: Counts, known: Counts, what: str) -> str:
    return f"{getattr(own, what):,} of {own.images:,} JPEGs ({getattr(known, what)} of {known.images} in ImageNet)"


def counts(jpegs: Sequence[Facts], usual: Figures) -> Counts:
    """How many are alike."""
    return Counts(
        images=len(jpegs),
        same_table=max(Counter(one.table for one in jpegs).values(), default=0),
        usual_table=sum(one.table == usual.table for one in jpegs),
        same_short_side=max(Counter(min(one.width, one.height) for one in jpegs).values(), default=0),
        square=sum(one.width == one.height for one in jpegs),
        usual_long_side=sum(max(one.width, one.height) == usual.long_side for one in jpegs),
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
def figures() -> Figures:
    """What the files of ImageNet are like."""
    content = tomllib.loads(_FIGURES.read_text(encoding="utf-8"))
    usual = content["usual"]
    return Figures(
        Counts(**content["counts"]),
        usual["table"],
        usual["long_side"],
        content["archive"]["bytes"],
        content["chance"]["each"],
    )
