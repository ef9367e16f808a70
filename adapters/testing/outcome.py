"""What came of a clause, and how both sides of the suite tell each other. Standard library only."""

from __future__ import annotations

from typing import Literal, NamedTuple

#: files that the source's side writes: an object with "error" or with "offered" and "unknown"; a line for each clause
NAMES, OUTCOMES = "names.json", "outcomes.jsonl"


class Outcome(NamedTuple):
    """What came of one clause."""

    kind: Literal["held", "broken", "skipped"]
    why: str = ""  #: what was called, what came back and what was expected; or why it could not be tried
