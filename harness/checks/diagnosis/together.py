"""Two factors swapped at once, where the document itself suggests both: its page, or the row's input size.

One factor alone can then look innocent: a figure may have been measured with another activation and another short side.
Only what is suggested is tried in pairs, since all pairs would be hundreds, of which some would fit by chance.
Pure functions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.checks.diagnosis.factors import Identified, Variant, close_to
from harness.plan.page import Page


def pairs(variants: Iterable[Variant], known: Identified, page: Page, input_size: int | None) -> list[Variant]:
    """Of single factors those two and two that the document suggests; `input_size` is the row's, pixels."""
    suggested = [one for one in variants if _is_suggested(one, known, page, input_size)]
    both = [_both(a, b) for a, b in itertools.combinations(suggested, 2) if a.factor != b.factor]
    return [one for one in both if one is not None]


def _is_suggested(variant: Variant, known: Identified, page: Page, input_size: int | None) -> bool:
    changed: Mapping[str, Any] = variant.task.get("changed", {})
    match variant.factor:
        case "short side":
            return changed["resize"]["short_side"] in _short_sides(known, page)
        case "input size":
            return bool(changed["crop"]["size"] == input_size)
        case "mean and std":
            claimed = page.preprocessing
            normalise = changed["normalise"]
            return {"mean", "std"} <= claimed.keys() and all(
                close_to(claimed[name], normalise[name]) for name in ("mean", "std")
            )
        case "activation":
            kind = variant.task["alteration"]["to"]
            return kind in page.operators and not any(own == kind for own, _ in known.operations)
        case _:
            return False


def _short_sides(known: Identified, page: Page) -> Sequence[int]:
    """What the page resizes to, for the size that the source crops to."""
    crop = (known.recipe["crop"] or {}).get("size", known.said.crop)
    claimed = page.preprocessing
    sides = [math.floor(crop / claimed["ratio"])] if claimed.get("ratio") else []
    return [*sides, *(side for size, side in claimed.get("short_side", {}).items() if size == str(crop))]


def _both(a: Variant, b: Variant) -> Variant | None:
    """None where both change the same step, or the network."""
    steps = [one.task.get("changed", {}) for one in (a, b)]
    if steps[0].keys() & steps[1].keys() or ("alteration" in a.task and "alteration" in b.task):
        return None
    task = {**a.task, **b.task}
    if any(steps):
        task["changed"] = {**steps[0], **steps[1]}
    return Variant(f"{a.factor} and {b.factor}", f"{a.text}; {b.text}", task)
