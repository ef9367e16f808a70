"""What becomes of a documented cell. Standard library alone, because workers read it in bare environments."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """The outcome of a documented cell; docs/reference/outcomes.md explains each."""

    REPRODUCED = "reproduced"
    WITHIN_REPETITIONS = "within_repetitions"
    EXPLAINED = "explained"
    DOUBTFUL = "doubtful"
    CONTRADICTED = "contradicted"
    KNOWN_GAP = "known_gap"
    NOT_COMPARABLE = "not_comparable"
    NOT_MEASURED = "not_measured"
    ERROR = "error"


#: of cells that say nothing of their document
UNJUDGED = (Outcome.NOT_COMPARABLE, Outcome.NOT_MEASURED)
