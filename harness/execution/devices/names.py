"""The devices that are asked for, as the command line names them. Pure functions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from harness.core.errors import InputError

#: a number, or a range of numbers with both ends
_NUMBERS = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")
EXPECTED = "expected cpu, cuda, all, or numbers as in cuda:0-7 or cuda:0,2"


@dataclass(frozen=True)
class Asked:
    """What --device says."""

    kind: Literal["cpu", "cuda"]
    numbers: tuple[int, ...] = ()  #: one worker each, in ascending order; none where no number was given
    every: bool = False  #: all GPUs of the machine


def parse(text: str) -> Asked:
    """`cpu`, `cuda`, `cuda:0-3,6`, `cpu:0-1` (workers that share the processors) or `all`. Raises InputError."""
    if text == "all":
        return Asked("cuda", every=True)
    kind, colon, rest = text.partition(":")
    if kind not in ("cpu", "cuda"):
        raise InputError(f"--device {text}: unknown device; {EXPECTED}")
    asked: Literal["cpu", "cuda"] = "cpu" if kind == "cpu" else "cuda"
    if not colon:
        return Asked(asked)
    numbers: list[int] = []
    for part in rest.split(","):
        found = _NUMBERS.fullmatch(part.strip().removeprefix(f"{kind}:"))
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, -1)
        if last < first:
            raise InputError(f"--device {text}: {part.strip()!r} is no number and no range of numbers; {EXPECTED}")
        numbers += range(first, last + 1)
    if repeated := sorted({number for number in numbers if numbers.count(number) > 1}):
        raise InputError(f"--device {text}: {kind}:{repeated[0]} is named twice")
    return Asked(asked, tuple(sorted(numbers)))
