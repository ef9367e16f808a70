"""How close one source is to another on the same images, by their logits. Pure functions.

A swap that makes the logits equal up to rounding is the cause of the difference; counts of right images do not show it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from harness.checks.diagnosis.attribution import PREPROCESSING, Agreement, Outcome, with_status
from harness.checks.equivalence.logit_difference import ROUNDING


def agreement(factor: str, text: str, swapped: pd.DataFrame, other: pd.DataFrame) -> Agreement:
    """How close a swap brings a source to the other; both as store.Predictions.read() gives them."""
    both = listed_by_both(swapped, other)
    differences = least_logit_differences(both)
    of_other = np.concatenate([*(np.asarray(logits, np.float64) for logits in both["logits_b"]), np.empty(0)])
    same = sum(a[0] == b[0] for a, b in zip(both["classes_a"], both["classes_b"], strict=True))
    if not len(both):
        return Agreement(factor, text, "refuted")
    relative = float(np.linalg.norm(np.concatenate(differences)) / np.linalg.norm(of_other))
    return Agreement(factor, text, "fits" if relative <= ROUNDING else "refuted", len(both), int(same), relative)


def listed_by_both(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """The images that both could decode; columns image, classes_a, logits_a, classes_b, logits_b."""
    return a[a["error"].isna()].merge(b[b["error"].isna()], on="image", suffixes=("_a", "_b"))


def least_logit_differences(both: pd.DataFrame) -> list[npt.NDArray[np.float64]]:
    """For each image |a - b| of every class that one of the two lists among its best.

    The other's logit of a class that it does not list is at most its last one, so that they differ at least by what
    the class is above that; by nothing where a tie at the end of the lists was broken differently.
    """
    columns = (both[name].to_list() for name in ("classes_a", "logits_a", "classes_b", "logits_b"))
    found = []
    for classes_a, logits_a, classes_b, logits_b in zip(*columns, strict=True):
        a, b = dict(zip(classes_a, logits_a, strict=True)), dict(zip(classes_b, logits_b, strict=True))
        differences = [abs(a[c] - b[c]) for c in a.keys() & b.keys()]
        for listing, other in ((a, b), (b, a)):
            last = min(other.values())
            differences += [max(0.0, listing[c] - last) for c in listing.keys() - other.keys()]
        found.append(np.array(differences, np.float64))
    return found


def conclude_pair(
    own: Agreement, single: Sequence[Agreement], chain: Sequence[Sequence[Agreement]]
) -> tuple[Outcome, tuple[str, ...]]:
    """What the swaps show about two sources.

    `single`: one factor of the preprocessing each. `chain`: what is taken over from the other source on top of the
    levels before it, each level with its alternatives: all of the preprocessing, the weights, the network.
    """
    alone = with_status(single, "fits")
    if alone:
        return ("named" if len(alone) == 1 else "ambiguous"), alone
    parts: list[str] = []
    before = own.relative
    for alternatives in chain:
        level = [swap for swap in alternatives if swap.status != "not tried"]
        fitting = with_status(level, "fits")
        if fitting:
            parts += fitting[:1]
            break
        if level and not _as_far(before, level[0].relative):
            parts.append(level[0].factor)
        before = level[0].relative if level else before
    else:
        return "unexplained", ()
    singles = tuple(dict.fromkeys(swap.factor for swap in single))
    if parts == [PREPROCESSING]:
        return "together", singles
    if len(parts) == 1:
        return "named", tuple(parts)
    spread = [singles or (part,) if part == PREPROCESSING else (part,) for part in parts]
    return "together", tuple(factor for factors in spread for factor in factors)


def _as_far(a: float | None, b: float | None) -> bool:
    return a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=ROUNDING))
