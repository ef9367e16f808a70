"""A part of an evaluation that one of several jobs does, as an array of Slurm starts them. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.errors import InputError
from harness.core.text import first_few, plural

EXPECTED = "expected I/N as in 3/8, numbered from 1 to N, or merge/N once all have been run"


@dataclass(frozen=True)
class Shard:
    """One of several shares of the batches; or what makes one result of them."""

    number: int | None  #: from 1 on; None merges
    of: int  #: how many there are

    def __str__(self) -> str:
        return f"{self.number or 'merge'}/{self.of}"

    @property
    def merges(self) -> bool:
        return self.number is None

    def has(self, position: int, batch_size: int) -> bool:
        """Whether the image at a position of the order is one of its own; images of a batch stay together."""
        return self.number is None or owner(position, batch_size, self.of) == self.number


def owner(position: int, batch_size: int, of: int) -> int:
    """The number of the shard that an image belongs to."""
    return position // batch_size % of + 1


def parse_shard(text: str) -> Shard:
    """`3/8` or `merge/8`. Raises InputError."""
    found = re.fullmatch(r"(\d{1,6}|merge)/(\d{1,6})", text.strip())
    if found is None or not int(found[2]):
        raise InputError(f"--shard {text}: {EXPECTED}")
    shard = Shard(None if found[1] == "merge" else int(found[1]), int(found[2]))
    if shard.number is not None and not 1 <= shard.number <= shard.of:
        hint = f"; with Slurm use --array=1-{shard.of}" if shard.number == 0 else ""
        raise InputError(f"--shard {text}: there is no shard {shard.number} of {shard.of}; {EXPECTED}{hint}")
    return shard


def lacking(names: Sequence[str], done: Sequence[bool], batch_size: int, of: int) -> str:
    """Which images no shard has stored, and whose they are; "" where all are there. Both in the order of evaluation."""
    by_shard: dict[int, list[str]] = {}
    for position, name in enumerate(names):
        if not done[position]:
            by_shard.setdefault(owner(position, batch_size, of), []).append(name)
    if not by_shard:
        return ""
    told = [f"shard {number}/{of} {plural(len(by_shard[number]), 'image')} ({first_few(by_shard[number])})"
            for number in sorted(by_shard)]  # fmt: skip
    return (
        f"{sum(map(len, by_shard.values())):,} of {len(names):,} images are not stored: {'; '.join(told)}. "
        "Run these shards again, or leave --shard out to evaluate them here"
    )
