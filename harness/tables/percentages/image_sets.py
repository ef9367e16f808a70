"""The sets of images that percentages are measured on, and which of them a text names; data of reference/."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from harness.core.text import plain
from harness.reference import FOLDER as REFERENCE

#: the set that a page is about unless anything says otherwise
VAL = "ImageNet val"
VAL_IMAGES = 50_000
#: characters of a heading in which a set is looked for
_LONGEST = 300


class Rate(NamedTuple):
    """How often something was found in published tables."""

    found: int
    among: int

    @property
    def estimate(self) -> float:
        """The probability of one more, by Jeffreys' prior."""
        return (self.found + 0.5) / (self.among + 1)


@dataclass(frozen=True)
class KnownSet:
    """A set of labelled images."""

    name: str
    source: str  #: address of the publication that says how many images there are
    words: tuple[str, ...]  #: regular expressions
    images: int | None = None  #: that a percentage counts; None where figures are averaged, or it may count either
    imagenet: bool = False  #: classifiers of the 1,000 classes are measured on it
    in_names: bool = False  #: names of models and checkpoints say it
    pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile("|".join(self.words), re.IGNORECASE))


@lru_cache(maxsize=1)
def known_sets() -> tuple[KnownSet, ...]:
    """Every known set, ImageNet val the first."""
    listed = _content()["set"]
    return tuple(KnownSet(**{**entry, "words": tuple(entry["words"])}) for entry in listed)


@lru_cache(maxsize=1)
def rates() -> Mapping[str, Rate]:
    """How often published tables are otherwise than expected, by name."""
    return {name: Rate(*counted) for name, counted in _content()["rates"].items()}


def slips() -> float:
    """The probability that a printed figure is wrong: half of the wrong last digits of ImageNet val are impossible."""
    return 2 * rates()["impossible_figures"].estimate


@lru_cache(maxsize=1)
def _content() -> dict[str, Any]:
    return tomllib.loads((REFERENCE / "image_sets.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=8192)
def named(text: str, of_a_model: bool = False) -> tuple[KnownSet, ...]:
    """The sets that a text names; of the name of a model or checkpoint, without those that it says by chance."""
    shown = plain(text)[:_LONGEST].replace("_", "-")
    found = []
    # a set of another name that has "ImageNet" in it is not ImageNet val
    for known in sorted(known_sets(), key=lambda one: one.name == VAL):
        if of_a_model and not known.in_names:
            continue
        shown, times = known.pattern.subn(" ", shown)
        if times:
            found.append(known)
    return tuple(found)


def with_images(count: int) -> Sequence[KnownSet]:
    """The sets of so many images that classifiers of ImageNet's classes are measured on."""
    return [known for known in known_sets() if known.imagenet and known.images == count]
