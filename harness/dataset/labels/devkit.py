"""The devkit of ILSVRC2012: the ids of the validation images in a list, and what they stand for in a table.

As an archive, or unpacked. The ids are not in the order of the labels that networks are trained with.
"""

from __future__ import annotations

import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import InputError, readable
from harness.core.text import first_few
from harness.dataset.labels.known import CLASSES, WORDNET_ID, synset_indices

_TRUTH = re.compile(r"ILSVRC(\d{4})(_clsloc)?_validation_ground_truth\.txt", re.ASCII)
_TABLES = re.compile(r"meta(_clsloc)?\.mat|map_clsloc\.txt", re.ASCII)
#: bytes; the list has 200 thousand, the table half a million
_LARGEST = 16 << 20


@dataclass(frozen=True)
class Devkit:
    """The labels of the validation images as the devkit has them."""

    labels: tuple[str, ...]  #: an id of the devkit for each image
    order: tuple[int, ...]  #: class index of id 1, 2, …
    table: str  #: name of the file that the ids are looked up in


def opened(path: Path) -> Devkit | None:
    """The devkit in an archive or folder; None for a file that is neither.

    Raises InputError for an archive or folder that has no labels of ImageNet val in it.
    """
    with readable(path):
        is_folder, head = path.is_dir(), b"" if path.is_dir() else _head(path)
    is_archive = head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"PK\x03\x04")) or head[257:262] == b"ustar"
    if not is_folder and not is_archive:
        return None
    try:
        with readable(path), _files(path) as files:
            found = {name: content() for name, content in files if _TRUTH.fullmatch(name) or _TABLES.fullmatch(name)}
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
        raise InputError(f"{path}: not a whole archive ({error}). Download it again") from error
    return _read(path, found)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(512)


@contextmanager
def _files(path: Path) -> Iterator[Iterator[tuple[str, Any]]]:
    """The files by their names without folders, each with a function that gives its content."""
    if path.is_dir():
        yield (
            (one.name, one.read_bytes)
            for one in sorted(path.rglob("*"))
            if one.is_file() and _is_small(one.stat().st_size)
        )
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield (
                (info.filename.rpartition("/")[2], lambda info=info: archive.read(info))
                for info in archive.infolist()
                if _is_small(info.file_size)
            )
    else:
        with tarfile.open(path, "r:*") as tar:
            yield (
                (member.name.rpartition("/")[2], lambda member=member: _content(tar, member))
                for member in tar
                if member.isreg() and _is_small(member.size)
            )


def _is_small(size: int) -> bool:
    return size <= _LARGEST


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return b"" if file is None else file.read()


def _read(path: Path, found: dict[str, bytes]) -> Devkit:
    truths = [name for name in found if _TRUTH.fullmatch(name)]
    # the images of 2010 are others; later devkits have the images of 2012, in an order of classes of their own
    fitting = [name for name in truths if (match := _TRUTH.fullmatch(name)) and int(match[1]) >= 2012]
    if len(fitting) != 1:
        has = f"it has {first_few(truths)}" if truths else "no list of ground truth is in it"
        raise InputError(
            f"{path}: not the devkit of ILSVRC2012: {has}, expected ILSVRC2012_validation_ground_truth.txt. "
            "Give ILSVRC2012_devkit_t12.tar.gz, or another file of labels"
        )
    labels = found[fitting[0]].decode("ascii", "replace").split()
    if bad := [label for label in labels if not label.isdecimal()]:
        raise InputError(f"{path}: {fitting[0]} has {bad[0]!r} where an id is expected. Download the devkit again")
    if table := next((name for name in found if name.endswith(".txt") and name not in truths), None):
        numbered = _from_text(found[table])
    elif table := next((name for name in found if name.endswith(".mat")), None):
        numbered = _from_matlab(path, table, found[table])
    else:
        raise InputError(f"{path}: has no meta.mat that tells what its ids stand for. Get the whole devkit")
    unknown = [synset for synset in numbered.values() if synset not in synset_indices()]
    if sorted(numbered) != list(range(1, CLASSES + 1)) or unknown or len(set(numbered.values())) != CLASSES:
        odd = f", {first_few(unknown)} among them" if unknown else ""
        raise InputError(
            f"{path}: {table} has {len(numbered):,} classes{odd}; expected the 1,000 of ILSVRC2012. "
            "It is the devkit of another set"
        )
    order = tuple(synset_indices()[numbered[number]] for number in range(1, CLASSES + 1))
    return Devkit(tuple(labels), order, table)


def _from_text(content: bytes) -> dict[int, str]:
    """Lines of synset, id and name."""
    rows = [row.split() for row in content.decode("utf-8", "replace").splitlines()]
    return {int(row[1]): row[0] for row in rows if len(row) > 1 and WORDNET_ID.fullmatch(row[0]) and row[1].isdecimal()}


def _from_matlab(path: Path, name: str, content: bytes) -> dict[int, str]:
    """The classes without children of a table of synsets."""
    from scipy.io import loadmat  # takes half a second

    try:
        entries = loadmat(io.BytesIO(content), squeeze_me=True)["synsets"]
        number = next(field for field in entries.dtype.names if re.fullmatch(r"ILSVRC\d{4}_ID", field))
        return {int(one[number]): str(one["WNID"]) for one in entries if int(one["num_children"]) == 0}
    except Exception as error:  # a reader of damaged files raises anything
        raise InputError(
            f"{path}: {name} cannot be read: {error or type(error).__name__}. Get the devkit again"
        ) from error
