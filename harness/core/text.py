"""Text as it is compared and shown: plain, clean, counted and listed."""

from __future__ import annotations

import difflib
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence

_SIGNS = " *†‡§¶`"
#: [^note], or a number of a list of references: [1], [2, 3]
_REFERENCE = re.compile(r"\[(?:\^[^\[\]]*|\d{1,3}(?:\s*[,;-]\s*\d{1,3})*)\]$")
_LONGEST_NOTE = 200


def plain(text: str) -> str:
    """The same text in the characters of a keyboard: one width, one dash, one kind of space, superscripts after ^."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    runs = itertools.groupby(text, key=_is_raised)
    joined = "".join("^" * raised + unicodedata.normalize("NFKC", "".join(run)) for raised, run in runs)
    kept = (char for char in joined if char.isspace() or unicodedata.category(char) not in ("Cc", "Cf"))
    return " ".join("".join("-" if _is_dash(char) else char for char in kept).split())


def without_notes(text: str) -> str:
    """A text of `plain` without the signs at its end that point to a footnote."""
    end = len(text)
    while end and (start := _note_start(text, end)) < end:
        end = start
    return text[:end].strip("* `")


def _note_start(text: str, end: int) -> int:
    """Where the sign begins that a text ends in at `end`; `end` where there is none."""
    raised_sign = text[end - 1] == "^" and end < len(text)
    if raised_sign or text[end - 1] in _SIGNS or text[end - 1].isspace():
        return end - 1
    raised = text.rfind("^", 0, end)
    if text[end - 1] == "]" and (reference := _REFERENCE.search(text, max(0, end - _LONGEST_NOTE), end)):
        return reference.start()
    return raised if 0 <= raised < end - 1 and not re.search(r"\s", text[raised:end]) else end


def _is_raised(char: str) -> bool:
    return unicodedata.decomposition(char).startswith(("<super>", "<circle>"))


def _is_dash(char: str) -> bool:
    return unicodedata.category(char) == "Pd" or char == "\N{MINUS SIGN}"


#: characters that XML 1.0 cannot hold
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return _FORBIDDEN.sub("\ufffd", text)


def plural(number: int, noun: str, nouns: str | None = None) -> str:
    """A number of things: "1 image", "2,000 images", "3 classes"; `nouns` where the plural follows neither rule."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {nouns or noun + ('es' if noun.endswith('s') else 's')}"


def first_few(items: Sequence[str], shown: int = 3) -> str:
    """The first items, and an ellipsis where there are more: "a, b, c, …"."""
    return ", ".join(items[:shown]) + (", …" if len(items) > shown else "")


def closest(
    wanted: str | Iterable[str],
    known: Iterable[str],
    count: int = 1,
    cutoff: float = 0.6,
    key: Callable[[str], str] = str,
) -> list[str]:
    """The known names that are most like what was given, or one of several, best first.

    `cutoff`: least similarity, 0 to 1 (difflib's ratio); `key`: what of a name is compared.
    """
    meant = [key(name) for name in ([wanted] if isinstance(wanted, str) else wanted)]
    scored = [
        (max(difflib.SequenceMatcher(None, name, key(other)).ratio() for name in meant), other) for other in known
    ]
    ranked = sorted((-score, other) for score, other in scored if score >= cutoff)
    return [other for _, other in ranked[:count]]
