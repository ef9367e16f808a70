"""Documented model name -> the source's own name, or why it cannot be told. Workers import this: stdlib alone."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from harness.errors import MeasurementError


def resolve(documented: str, offered: Sequence[str]) -> str:
    """The one name that the documented one can mean.

    Exact first, then without regard to case and punctuation, then as the beginning of a configuration's name
    (`cspresnet50` for `cspresnet50_8xb32_in1k`), which must not run into further digits or letters.
    Raises MeasurementError with the candidates for a name that several or none of the offered ones can mean.
    """
    if documented in offered:
        return documented
    same = [name for name in offered if _folded(name) == _folded(documented)]
    configured = re.compile(rf"{re.escape(documented)}[_-]\d+x", re.IGNORECASE)
    for found in (same, [name for name in offered if configured.match(name)]):
        if len(found) == 1:
            return found[0]
        if found:
            raise MeasurementError(f"{documented!r} can mean {', '.join(found[:6])}; name one of them")
    near = nearest(documented, offered, 3)
    hint = f"the nearest names are {', '.join(near)}" if near else "nothing there has a similar name"
    raise MeasurementError(f"the source offers no model {documented!r}; {hint}")


def nearest(model: str, offered: Sequence[str], count: int) -> list[str]:
    """Other names of the source, the most similar first."""
    folded = _folded(model)
    scored = [(difflib.SequenceMatcher(None, folded, _folded(name)).ratio(), name) for name in offered if name != model]
    scored = [entry for entry in scored if entry[0] >= 0.5]
    return [name for _, name in sorted(scored, key=lambda entry: (-entry[0], entry[1]))[:count]]


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
