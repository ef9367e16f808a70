"""Documented model name -> the source's own name, or why it cannot be told. Workers import this: stdlib alone."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from harness.errors import MeasurementError

#: a model, the devices and images of a batch that it was trained with, and the rest: resnet50_8xb32-mixup_in1k
_CONFIGURATION = re.compile(r"(.+?)[_-]\d+xb?\d+(?:x\d+)?([_-].*)?$", re.IGNORECASE)


def resolve(documented: str, offered: Sequence[str]) -> str:
    """The one name that the documented one can mean.

    Exact first, then without regard to case and punctuation, then as the model of a configuration's name
    (`cspresnet50` for `cspresnet50_8xb32_in1k`); of several configurations the one that names nothing but how many
    images it was trained with and on what, because the others name what they do otherwise.
    Raises MeasurementError with the candidates for a name that several or none of the offered ones can mean.
    """
    if documented in offered:
        return documented
    same = [name for name in offered if _folded(name) == _folded(documented)]
    parts = {name: match for name in offered if (match := _CONFIGURATION.match(name))}
    configured = [name for name, match in parts.items() if _folded(match[1]) == _folded(documented)]
    plain = [name for name in configured if re.fullmatch(r"(_[a-z0-9]+)?", parts[name][2] or "", re.IGNORECASE)]
    for found in (same, plain, configured):
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
