"""Data sets in many files that hold images with their labels: Parquet as Hugging Face keeps it, tars of WebDataset."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from harness.core.errors import InputError
from harness.core.paths import Location
from harness.dataset import parquet
from harness.dataset.labels.known import synset_indices, val_number
from harness.dataset.labels.names import SUFFIXES, ignored, is_image
from harness.dataset.layouts import ImageBytes, tar_members

_SPLIT = re.compile(r"(?:^|[-_./])(train|val|test)(?:ing|idation)?(?:[-_.\d]|$)", re.ASCII)
#: what WebDataset writes beside an image
_LABELS = (".cls", ".json")
#: bytes; a label with what else is said of an image
_LARGEST_LABEL = 1 << 16


class Shards(NamedTuple):
    """The images of several files."""

    files: dict[str, ImageBytes]  #: by name
    labels: dict[str, int]  #: by name, of the images that have one
    notes: tuple[str, ...]


class _Image(NamedTuple):
    """One image of a shard."""

    name: str  #: as the shard has it
    where: ImageBytes
    label: int | None


def of_validation(files: Sequence[str]) -> tuple[list[str], list[str]]:
    """The files of the validation set, where names tell the sets apart, and a note on the others."""
    told = {file: found[1] for file in files if (found := _SPLIT.search(file.rpartition("/")[2]))}
    if "val" not in told.values():
        return list(files), []
    other = [file.rpartition("/")[2] for file in files if told.get(file) != "val"]
    return [file for file in files if told.get(file) == "val"], ignored("not of the validation set", other)


def parquet_shards(files: Sequence[str]) -> Shards:
    """The images of Parquet files. Raises InputError for a file that holds none."""

    def images(file: str) -> Iterable[_Image]:
        for number, row in enumerate(parquet.rows(file)):
            name = row.path if is_image(row.path) else f"{row.path or number}.jpg"
            yield _Image(name, ImageBytes(file, None, None, number), row.label)

    return _joined(files, images)


def tar_shards(files: Sequence[Location]) -> Shards | None:
    """The images of tars that have the label of each in a file beside it; None where they have no such files."""
    found = {str(file): file for file in files}
    shards = _joined(list(found), lambda file: _of_tar(found[file]))
    return shards if shards.labels else None


def _of_tar(file: Location) -> Iterable[_Image]:
    members, contents = tar_members(file, lambda name, size: name.endswith(_LABELS) and size <= _LARGEST_LABEL)
    told: dict[str, tuple[int | None, str]] = {}
    for name in sorted(contents):  # a label in a file of its own before one in JSON
        label, official = _told(file, name, contents[name])
        before = told.get(_key(name), (None, ""))
        told[_key(name)] = (label if before[0] is None else before[0], before[1] or official)
    for name, where in members.items():
        if is_image(name):
            label, official = told.get(_key(name), (None, ""))
            yield _Image(official or name, where, label)


def _key(name: str) -> str:
    """What the files of one image have in common: the path up to the first dot of its last part."""
    folder, slash, base = name.rpartition("/")
    return f"{folder}{slash}{base.partition('.')[0]}"


def _told(file: Location, name: str, content: bytes) -> tuple[int | None, str]:
    """The label that the file beside an image has, and the image's name in ImageNet val; "" where it has none."""
    text = content.decode("utf-8", "replace").strip()
    official = ""
    if name.endswith(".json"):
        try:
            entry = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{file}: {name} is not JSON: {error}. Pack the tar again") from error
        entry = entry if isinstance(entry, dict) else {}
        named = str(entry.get("filename") or entry.get("file_name") or "")
        official = named if val_number(named) and named.lower().endswith(SUFFIXES) else ""
        text = str(next((entry[key] for key in ("label", "cls") if entry.get(key) is not None), ""))
        if not text:
            return None, official
    if text in synset_indices():
        return synset_indices()[text], official
    if not re.fullmatch(r"-?\d{1,9}", text, re.ASCII):
        raise InputError(f"{file}: {name} has the label {text[:80]!r}; expected 0..999 or a WordNet id")
    return int(text), official


def _joined(files: Sequence[str], images: Callable[[str], Iterable[_Image]]) -> Shards:
    """The images of all files, each under a name of its own."""
    found = {file: list(images(file)) for file in files}
    counts: dict[str, int] = {}
    for many in found.values():
        for one in many:
            counts[one.name] = counts.get(one.name, 0) + 1
    listed: dict[str, ImageBytes] = {}
    labels: dict[str, int] = {}
    for file, many in found.items():
        shard = file.rpartition("/")[2].partition(".")[0]
        for one in many:
            name = one.name if counts[one.name] == 1 else f"{shard}/{one.name}"
            if name in listed:
                raise InputError(f"{file}: two images are named {name}; give each a name of its own")
            listed[name] = one.where
            if one.label is not None:
                labels[name] = one.label
    return Shards(listed, labels, ())
