"""What the percentages of a table are: of which images, by words, the nearest first, or by figures; of which kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import PurePath
from urllib.parse import urlsplit

from harness.core.records import Claim, ImagesMeant, Row
from harness.tables.percentages import grid, image_sets, kinds
from harness.tables.percentages.image_sets import VAL, KnownSet

#: Probability from which the figures of a column settle what nothing says; that of a cell which is said to be wrong.
CERTAIN = 0.9


def settled(claims: Sequence[Claim]) -> list[Claim]:
    """The claims of one table, in their order, its percentages as accuracies in percent with what they are of."""
    if not any(claim.unit == "%" for claim in claims):
        return list(claims)
    told = with_images(claims)
    found = kinds.as_errors(told) if kinds.of_errors(told) >= CERTAIN else told
    return kinds.with_shares(found)


def with_images(claims: Sequence[Claim]) -> list[Claim]:
    """The claims of one table, its percentages with the images that they are of."""
    told = [replace(claim, measured_on=_told(claim)) if claim.unit == "%" else claim for claim in claims]
    silent = [claim for claim in told if claim.unit == "%" and claim.measured_on is None]
    by_figures = _by_figures(silent)
    if by_figures is None:
        return told
    return [
        replace(claim, measured_on=by_figures) if claim.unit == "%" and claim.measured_on is None else claim
        for claim in told
    ]


def meant(claims: Iterable[Claim]) -> dict[grid.Meaning, float]:
    """What percentages of one set of images may be, with the probability of each."""
    every = list(claims)
    named = {claim.measured_on.images for claim in every if claim.measured_on and not _by_itself(claim.measured_on)}
    return grid.posterior((claim.text for claim in every), grid.meanings(named))


def _by_itself(images: ImagesMeant) -> bool:
    return images.told_by == _FIGURES


_FIGURES = "the figures themselves"


def _told(claim: Claim) -> ImagesMeant | None:
    """What the nearest text that names a set says; None where none does."""
    for text, what, of_a_model in _texts(claim):
        found = image_sets.named(text, of_a_model)
        if any(known.name == VAL for known in found) and len(found) > 1:
            continue  # it is about several, and the default among them
        if found:
            return _one_of(found, f"{what} {text!r}")
    return None


def _texts(claim: Claim) -> Iterator[tuple[str, str, bool]]:
    """What can name the images of a claim, the nearest first; and whether it is the name of a model."""
    yield claim.header, "the heading", False
    yield claim.row.model, "the name", True
    for file in _linked(claim.row):
        yield file, "the linked file", True
    for section in reversed(claim.row.section):
        yield section, "the section", False
    yield PurePath(claim.row.file).stem, "the file's name", False


def _linked(row: Row) -> Iterator[str]:
    for address in row.links:
        yield PurePath(urlsplit(address).path).name


def _one_of(found: Sequence[KnownSet], told_by: str) -> ImagesMeant:
    sizes = {known.images for known in found}
    return ImagesMeant(" or ".join(known.name for known in found), sizes.pop() if len(sizes) == 1 else None, told_by)


def _by_figures(claims: Sequence[Claim]) -> ImagesMeant | None:
    """The set other than ImageNet val of which the figures certainly are; None where there is none."""
    sizes: dict[int | None, float] = {}
    for meaning, share in meant(claims).items():
        sizes[meaning.images] = sizes.get(meaning.images, 0) + share
    images, share = max(sizes.items(), key=lambda one: one[1])
    found = image_sets.with_images(images) if images is not None else []
    if share < CERTAIN or not found or any(known.name == VAL for known in found):
        return None
    return _one_of(found, _FIGURES)
