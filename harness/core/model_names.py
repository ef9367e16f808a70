"""Documented model name -> the source's own name, or why it cannot be determined. Standard library alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.core.errors import MeasurementError
from harness.core.text import closest

#: a model, the devices and images of a batch that it was trained with, and the rest: resnet50_8xb32-mixup_in1k
CONFIGURATION = re.compile(r"(.+?)[_-](?:\d+xb?\d+|b\d+x\d+)(?:x\d+)?([_-].*)?$", re.IGNORECASE)

#: what a name ends in without naming another network: its first version, the data it was trained on, a tag after a dot
_DECORATION = re.compile(r"(?:[._-](?:v1|in1k|in-1k|imagenet|imagenet-?1k|1k))+$|\.[^.]*[a-z][^.]*$", re.IGNORECASE)

#: weights among several of one network, as timm and torchvision name them: resnet50.tv_in1k
_WEIGHTS = re.compile(r"\.[a-z][^.]*$", re.IGNORECASE)


def weights_left_out(documented: str, own: str) -> str:
    """What a documented name says of the weights, with its dot, where the source's own name does not; else empty."""
    found = _WEIGHTS.search(documented)
    return found[0] if found and found[0].lower() not in own.lower() else ""


def resolve(documented: str, offered: Sequence[str]) -> str:
    """The one name that the documented one can mean.

    Exact first, then without regard to case and punctuation, then as the model of a configuration's name
    (`cspresnet50` for `cspresnet50_8xb32_in1k`); of several configurations the one that names nothing but how many
    images it was trained with and on what, because the others name what they do differently. Where nothing is found,
    the same without a suffix that names no other network (`hrnet_w18_small` for `hrnet_w18_small_v1`).
    Raises MeasurementError with the candidates for a name that several or none of the offered ones can mean.
    """
    undecorated = _DECORATION.sub("", documented)
    for name in dict.fromkeys((documented, undecorated)):
        found = _meant(name, offered) if name else []
        if len(found) == 1:
            return found[0]
        if found:
            raise MeasurementError(f"{documented!r} can mean {', '.join(found[:6])}; name one of them")
    near = nearest(documented, offered, 3)
    hint = f"the nearest names are {', '.join(near)}" if near else "nothing there has a similar name"
    raise MeasurementError(f"the source offers no model {documented!r}; {hint}")


def _meant(name: str, offered: Sequence[str]) -> list[str]:
    """Every offered name that fits as well as any other."""
    if name in offered:
        return [name]
    same = [own for own in offered if folded(own) == folded(name)]
    parts = {own: match for own in offered if (match := CONFIGURATION.match(own))}
    configured = [own for own, match in parts.items() if folded(match[1]) == folded(name)]
    plain = [own for own in configured if re.fullmatch(r"(_[a-z0-9]+)?", parts[own][2] or "", re.IGNORECASE)]
    on_imagenet = [own for own in plain if (parts[own][2] or "").lower() in ("", "_in1k", "_imagenet", "_imagenet1k")]
    return same or on_imagenet or plain or configured


def nearest(model: str, offered: Sequence[str], count: int) -> list[str]:
    """Other names of the source, the most similar first."""
    return closest(model, [name for name in offered if name != model], count, cutoff=0.5, key=folded)


def folded(name: str) -> str:
    """A name without regard to case and punctuation, except between two numbers: 1.6 is not 16."""
    return re.sub(r"[^a-z0-9.]", "", re.sub(r"(?<=\d)[^a-z0-9]+(?=\d)", ".", re.sub(r"\.(?!\d)", "", name.lower())))
