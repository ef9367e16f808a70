"""Kinds of operation under the names of several frameworks."""

from __future__ import annotations

from collections.abc import Mapping

#: one function under two names; frameworks differ in which they run
SAME_KIND: Mapping[str, str] = {"Mean": "AdaptiveAvgPool2d"}

#: operations that only reshape
RESHAPING = ("Flatten", "view", "reshape", "squeeze", "unsqueeze", "permute", "transpose")
