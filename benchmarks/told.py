"""Progress of turns on standard error."""

from __future__ import annotations

import sys
import time

from benchmarks.interleaved import Outcome


class Told:
    """A line after each turn."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, outcome: Outcome) -> None:
        last = f"{outcome.ms_per_image_by_slice[-1]:7.1f} ms per image" if outcome.passes else "started or warmed up"
        how = f"failed: {outcome.failure}" if outcome.failure else f"{outcome.images:5} images, {last}"
        print(f"{time.monotonic() - self._began:6.0f} s  {outcome.name}: {how}", file=sys.stderr, flush=True)
