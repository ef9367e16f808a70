"""The figures of a cell: mostly one; or one for each thing that its heading names, or for each form of the network."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.core.text import plain, without_notes
from harness.tables import headings, numbers

#: between figures, outside of brackets
_SEPARATOR = re.compile(r" ?(?:[|/;→]|->) ?(?![^()]*\))| or ")
_MAY_BE_SEVERAL = re.compile(
    r"[|/;()→\N{FULLWIDTH LEFT PARENTHESIS}\N{FULLWIDTH SOLIDUS}\N{FULLWIDTH VERTICAL LINE}]| or |->"
)
#: characters of a cell that can hold several figures
_LONGEST = 200
#: a figure and one more in brackets, or a word about it
_BRACKETS = re.compile(r"^([^()]*[^()\s])\s*\(([^()]*)\)$")
_SPREAD = re.compile(r"^\s*(?:±|\+/-|\+-|\\pm)")
_DIFFERENCE = re.compile(r"^\s*[+\-\N{UPWARDS ARROW}\N{DOWNWARDS ARROW}]\s*\d[\d.]*\s*%?\s*$")
_SIDE = re.compile(r"(?:@\s*)?(\d{2,4})(?:\s*[x×]\s*\1)?(?:\s*px)?")
#: sides of images in pixels that a figure in brackets can be
_SIDES = (32, 1024)


@dataclass(frozen=True)
class Part:
    """One figure of a cell."""

    text: str  #: as printed, with its unit
    said: str = ""  #: what the cell says of it: "train", "deploy", "w/o head"
    in_brackets: bool = False  #: stands behind another figure
    pixels: int | None = None  #: side of the image that the cell names in brackets


def split(text: str) -> tuple[list[Part], str]:
    """The figures of a cell in their order, and what in it is a note and no figure: a difference to another figure.

    One part, which is the whole text, where the cell is not understood as several.
    """
    if len(text) > _LONGEST or not _MAY_BE_SEVERAL.search(text):
        return [Part(text)], ""
    shown = without_notes(plain(text))
    pieces = _SEPARATOR.split(shown)
    if len(pieces) > 1 and not all(_begins_with_a_figure(piece) for piece in pieces):
        return [Part(text)], ""
    parts: list[Part] = []
    notes = []
    for piece in pieces:
        of_piece, note = _piece(piece)
        parts += of_piece
        notes += [note] if note else []
    several = len(parts) > 1 or notes or parts[0].said or parts[0].pixels
    return (parts, ", ".join(notes)) if several else ([Part(text)], "")


def in_lines(text: str, count: int) -> list[Part]:
    """The percentages of a cell that stand below each other, if they are so many; else none."""
    pieces = without_notes(plain(text[:_LONGEST])).replace(" %", "%").split(" ")
    alone = len(pieces) == count and all(re.fullmatch(r"\d{1,3}[.,]\d+%?", piece) for piece in pieces)
    return [Part(piece) for piece in pieces] if alone else []


def sizes(text: str) -> list[int]:
    """The sides of images that a cell of sizes names, where it names several: 224/288."""
    pieces = _SEPARATOR.split(plain(text[:_LONGEST]))
    sides = [numbers.read_pixels(piece) for piece in pieces]
    known = [side for side in sides if side]
    return known if len(known) == len(sides) == len(set(sides)) > 1 else []


def _piece(text: str) -> tuple[list[Part], str]:
    found = _BRACKETS.match(text)
    if found is None or not _begins_with_a_figure(found[1]) or _SPREAD.match(found[2]):
        return [Part(text)], ""
    figure, inside = found[1], found[2].strip()
    whole = numbers.read_number(text)
    if whole and headings.read(f"flops {whole.suffix}"):  # a unit
        return [Part(text)], ""
    if _DIFFERENCE.match(inside):
        return [Part(figure)], f"({inside})"
    side = _SIDE.fullmatch(inside)
    if side and _SIDES[0] <= int(side[1]) <= _SIDES[1] and not figure.isdecimal():
        return [Part(figure, pixels=int(side[1]))], ""
    number = numbers.read_number(inside)
    if number is None:
        return ([Part(figure, inside)], "") if re.search(r"[^\W\d_]{2}", inside) else ([Part(text)], "")
    second, _, said = inside.partition(" ")
    return [Part(figure), Part(second, said.strip(), in_brackets=True)], ""


def _begins_with_a_figure(text: str) -> bool:
    return numbers.read_number(text) is not None
