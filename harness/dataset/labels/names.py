"""Names of images, and which image a label file means by a path. Standard library alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.core.text import first_few, plural
from harness.dataset.labels.known import val_number

#: folders of a path that are looked at
_DEEPEST = 16
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def is_image(name: str) -> bool:
    # macOS leaves "._name.JPEG" next to the files that it copies or packs
    base = name.rpartition("/")[2]
    return base.lower().endswith(SUFFIXES) and not base.startswith(".")


def stem(name: str) -> str:
    """A name without the suffix of an image."""
    return name[: name.rindex(".")] if name.lower().endswith(SUFFIXES) else name


def printable(name: str) -> str:
    """A file name as reports and Parquet can hold it: what is not UTF-8 in it as \\xNN."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def ignored(why: str, names: Sequence[str]) -> list[str]:
    return [f"ignored as {why}: {plural(len(names), 'file')}: {printable(first_few(names))}"] if names else []


class Resolver:
    """Finds images by paths that are written otherwise than their names: from a folder above or below, without the
    suffix, or by the number of an image of ImageNet val. What fits several images fits none."""

    def __init__(self, images: Sequence[str]) -> None:
        self._names = set(images)
        self._tails = _unique((tail, name) for name in images for tail in _tails(name))
        self._stems = {stem(name): name for name in images} if len({stem(n) for n in images}) == len(images) else {}
        self._stem_tails = _unique((tail, name) for name in images for tail in _tails(stem(name)))
        self._numbers = _unique((number, name) for name in images if (number := val_number(name)))
        self._ways: set[str] = set()

    @property
    def how(self) -> str:
        """In which ways images were found that do not have the name that was looked for; "" where all have."""
        return " and ".join(sorted(self._ways))

    def find(self, path: str) -> str | None:
        """The image that a path means; None where there is none, or more than one."""
        if path in self._names:
            return path
        plain = path.replace("\\", "/")
        found, way = self._one(plain, self._names), "read from a folder above"
        if found is None:
            found, way = self._tails.get(plain), "read from a folder below"
        if found is None:
            found, way = self._by_stem(plain), "without suffixes"
        if found is None:
            found, way = self._numbers.get(val_number(plain) or 0), "by the numbers of the images"
        if found is not None:
            self._ways.add(way)
        return found

    def _by_stem(self, path: str) -> str | None:
        found = self._one(stem(path), self._stems) or self._stem_tails.get(stem(path))
        return found if found is not None and _is_same_format(path, found) else None

    def _one(self, path: str, names: set[str] | dict[str, str]) -> str | None:
        found = [tail for tail in _tails(path) if tail in names]
        if len(found) != 1:
            return None
        return names[found[0]] if isinstance(names, dict) else found[0]


def _tails(path: str) -> Iterator[str]:
    """The path, and what is left of it without its first folder, its first two, …; of deep ones the last few."""
    yield path
    folders = path.split("/")
    for start in range(max(1, len(folders) - _DEEPEST), len(folders)):
        yield "/".join(folders[start:])


def _is_same_format(path: str, name: str) -> bool:
    """Whether a path says no other format than a name."""
    said, own = (one[len(stem(one)) :].lower().replace("jpeg", "jpg") for one in (path, name))
    return said in ("", own)


def _unique(pairs: Iterable[tuple[object, str]]) -> dict[object, str]:
    """What each key stands for, of the keys that stand for one thing alone."""
    found: dict[object, str] = {}
    several = set()
    for key, name in pairs:
        if found.setdefault(key, name) != name:
            several.add(key)
    return {key: name for key, name in found.items() if key not in several}
