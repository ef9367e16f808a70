"""Kinds of operation, by whatever name a framework has for them."""

from __future__ import annotations

from collections.abc import Mapping

#: one function under two names; frameworks differ in which they run
SAME_KIND: Mapping[str, str] = {"Mean": "AdaptiveAvgPool2d"}

#: what reshapes without computing
RESHAPING = ("Flatten", "view", "reshape", "squeeze", "unsqueeze", "permute", "transpose")
