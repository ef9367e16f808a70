"""Every two sources that document the same model."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from harness.core.records import Source


@dataclass(frozen=True)
class Pair:
    """Two sources that document the same model."""

    a: Source
    b: Source
    model: str  #: as documented
    input_size: int | None  #: pixels; None is a's own


def pairs_of(rows: Iterable[tuple[str, int | None, Source]]) -> list[Pair]:
    """Every two sources of a model, from (model, input size in pixels, source) of the rows, in their order."""
    sizes: dict[str, int | None] = {}
    sources: dict[str, dict[Source, None]] = {}
    for model, size, source in rows:
        sizes[model] = sizes.get(model) or size
        sources.setdefault(model, {})[source] = None
    return [
        Pair(a, b, model, sizes[model])
        for model, offered in sources.items()
        for a, b in itertools.combinations(offered, 2)
    ]
