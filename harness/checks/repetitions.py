"""By how much an accuracy differs when the same weights are evaluated again, from reference/repetitions/timm.toml."""

from __future__ import annotations

import math
import tomllib
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Literal

from harness.reference import FOLDER as REFERENCE

#: images that the record is of
IMAGES = 50_000
#: quantile of repetitions with the same libraries within which a figure counts as reproduced
SAME_QUANTILE = 0.99

#: what differs between two evaluations: nothing that moves a figure, or releases of libraries and drivers
Kind = Literal["same", "other"]


@cache
def _record() -> Mapping[tuple[str, str], Counter[int]]:
    """For each kind and metric how many repetitions differ by how many images."""
    pairs = tomllib.loads((REFERENCE / "repetitions" / "timm.toml").read_text(encoding="utf-8"))["pair"]
    found: dict[tuple[str, str], Counter[int]] = {}
    for pair in pairs:
        for metric in ("top1", "top5"):
            found.setdefault((pair["kind"], metric), Counter()).update(dict(pair[metric]))
    return found


@cache
def limit(kind: Kind, metric: str) -> int:
    """The greatest difference, in images of 50,000, that is taken for a repetition.

    With the same libraries it is the SAME_QUANTILE of the record; with others the greatest that is on record.
    """
    counts = _record()[kind, metric]
    if kind == "other":
        return max(counts)
    left = counts.total() * (1 - SAME_QUANTILE)
    return min(images for images in counts if sum(n for more, n in counts.items() if more > images) <= left)


def scaled(images: float, of: int) -> float:
    """A difference among 50,000 images as one among `of`.

    Images near a tie fall either way, each by itself, so a difference grows with the root of their number; but where
    all fall one way it grows with the number.
    """
    share = of / IMAGES
    return images * max(share, math.sqrt(share))


def as_great(metric: str, images: float) -> tuple[float, int]:
    """The share of repetitions with other libraries that differ by at least so many images of 50,000; their number."""
    counts = _record()["other", metric]
    return sum(n for more, n in counts.items() if more >= images) / counts.total(), counts.total()
