"""ImageNet in the layouts people have it in, and the identity of the data set.

A label is the position, 0..999, of the class among the ILSVRC2012 synsets sorted by WordNet id: the order
that every source was trained with. A label file in another order looks just like a right one, so whatever an
image's path tells about its class is held against its label. Workers import this module: stdlib alone.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from harness.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
SYNSETS = Path(__file__).parent.parent / "reference" / "imagenet_synsets.txt"

#: Class indices of ILSVRC2012_val_00000001 to 00000010.
VAL_ANCHORS = (65, 970, 230, 809, 516, 57, 334, 415, 674, 332)
#: Class index -> ILSVRC2012_ID, 1..1000, of VAL_ANCHORS and of ids 1 to 10. Source: the devkit's meta.mat and
#: ILSVRC2012_validation_ground_truth.txt, which begins with these ids.
DEVKIT_IDS = {
    **dict(zip(VAL_ANCHORS, (490, 361, 171, 822, 297, 482, 13, 704, 599, 164), strict=True)),
    **dict(zip((278, 212, 250, 193, 217, 147, 387, 285, 350, 283), range(1, 11), strict=True)),
}

_INTEGER = re.compile(r"-?[0-9]{1,9}")
_WORDNET_ID = re.compile(r"(?:^|[/_])(n\d{8})(?=[/_.]|$)")
# Some mirrors append the WordNet id to the official name of the same file.
_VAL_NAME = re.compile(r"(?:.*/)?ILSVRC2012_val_(\d{8})(?:_n\d{8})?\.jpe?g", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class ImageRef:
    """Where one labelled image is."""

    name: str  #: path inside the data set, "/" separators; unique
    label: int  #: class index, 0..999, in the order of the sorted synsets
    file: str  #: absolute path of the file that holds the bytes: the image, or the tar
    offset: int | None  #: bytes from the start of an uncompressed tar; None for a plain file
    length: int | None  #: bytes inside the tar; None for a plain file


@dataclass(frozen=True)
class ImageSet:
    """Labelled images and what they are."""

    location: str  #: absolute path of the folder or tar that the names are relative to
    layout: Literal["synset folders", "label file", "tar"]
    images: tuple[ImageRef, ...]  #: sorted by name, or shuffled where a limit was given
    digest: str  #: hex SHA-256 over (name, label, SHA-256 of the bytes) of every image, whatever their order
    is_imagenet_val: bool  #: the whole of it, by names and labels: the official bytes are not known here
    identity: str  #: one sentence: counts, and whether it is ImageNet val or why not
    notes: tuple[str, ...]  #: what was left out


class LabelLine(NamedTuple):
    """One label as it is given, not yet trusted."""

    line: int | None  #: of the label file, from 1; None where a folder gives the label
    name: str  #: as in ImageRef; "" where the file gives bare integers
    label: int


class _Place(NamedTuple):
    file: str
    offset: int | None = None
    length: int | None = None


def read_image(ref: ImageRef) -> bytes:
    """The encoded image; opens its file anew, so any thread may call it. Raises InputError."""
    with _readable(ref.file), Path(ref.file).open("rb") as file:
        file.seek(ref.offset or 0)
        content = file.read(-1 if ref.length is None else ref.length)
    if ref.length not in (None, len(content)):
        raise InputError(
            f"{ref.file}: {ref.name} has {len(content)} of its {ref.length} bytes. The tar is cut off, or "
            "has changed since it was opened: check its size and start again"
        )
    return content


def open_images(data: Path, labels: Path | None = None, limit: int | None = None) -> ImageSet:
    """Finds the images of a folder per synset, or of any folder or tar with a label file, and reads all once.

    `limit` takes the first images of a shuffle by SHA-256 of the name, because a folder of synsets is sorted
    by class. Raises InputError for what is missing, unreadable, unlabelled or labelled in another order.
    """
    if limit is not None and limit < 1:
        raise InputError(f"a limit of {limit} images; expected at least 1")
    data = data.absolute()
    with _readable(data):
        data.stat()
    layout: Literal["synset folders", "label file", "tar"] = "label file" if data.is_dir() else "tar"
    notes: list[str] = []
    if layout == "tar":
        places = _tar_members(data)
    elif labels:
        places = dict(_files(data))
    else:
        layout = "synset folders"
        data, places, notes = _synset_folders(data)
    names = sorted(filter(_is_image, places))
    if not names:
        raise InputError(f"{data}: no images in it; expected files in {', '.join(SUFFIXES)}")
    if labels:
        lines = _label_lines(labels, names)
    elif layout == "tar":
        raise _no_labels(data)
    else:
        lines = [LabelLine(None, name, synset_indices()[name.partition("/")[0]]) for name in names]
    if trap := label_trap(lines):
        raise InputError(f"{labels or data}: {trap}")
    if labels:
        _check_lines(labels, lines, data, places)
        unlisted = sorted(set(names) - {line.name for line in lines})
        notes = _ignored(f"not in {labels.name}", unlisted)
    images = [ImageRef(line.name, line.label, *places[line.name]) for line in lines]
    images.sort(key=lambda ref: ref.name)
    reasons = not_imagenet_val([ref.name for ref in images], [ref.label for ref in images])
    if limit is not None:
        if limit < len(images):
            drawn = "" if reasons else ", drawn from ImageNet val"
            reasons = [f"{limit:,} of {len(images):,} images{drawn}", *reasons]
        images = sorted(images, key=lambda ref: hashlib.sha256(_encoded(ref.name)).digest())[:limit]
    counts = f"{_count(len(images), 'image')} of {_count(len({ref.label for ref in images}), 'class')}"
    verdict = f"not ImageNet val: {'; '.join(reasons)}" if reasons else "ImageNet val by names and labels"
    identity = f"{counts}; {verdict}"
    return ImageSet(str(data), layout, tuple(images), _digest(images), not reasons, identity, tuple(notes))


@cache
def synset_indices() -> dict[str, int]:
    """WordNet id -> class index, of all 1,000 classes."""
    return {synset: index for index, synset in enumerate(SYNSETS.read_text("ascii").split())}


def not_imagenet_val(names: Sequence[str], labels: Sequence[int]) -> list[str]:
    """Why these are not the 50,000 validation images with their labels; empty where they are."""
    if len(names) != 50_000:
        return [f"expected 50,000 images, found {len(names):,}"]
    reasons = []
    counts = Counter(labels)
    if odd := [index for index in range(1000) if counts[index] != 50]:
        reasons.append(f"expected 50 images in each class, found {counts[odd[0]]} in class {odd[0]}")
    given = {
        int(match[1]): label for name, label in zip(names, labels, strict=True) if (match := _VAL_NAME.fullmatch(name))
    }
    if missing := [number for number in range(1, 50_001) if number not in given]:
        reasons.append(f"{len(missing):,} names are missing, first ILSVRC2012_val_{missing[0]:08}.JPEG")
    for number, index in enumerate(VAL_ANCHORS, start=1):
        if given.get(number, index) != index:
            reasons.append(f"ILSVRC2012_val_{number:08} has label {given[number]}, expected {index}")
            break
    return reasons


def label_trap(lines: Sequence[LabelLine]) -> str | None:
    """Names the mistake that labels show when held against what the paths tell; None where they agree.

    A path tells its class by a WordNet id in it, or as one of the first ten validation images.
    """
    # A folder that gave the label cannot vouch for it; what it holds can.
    paths = [line.name if line.line else line.name.partition("/")[2] for line in lines]
    told = [(line, index) for line, path in zip(lines, paths, strict=True) for index in sorted(_told_by(path))]
    wrong = [(line, index) for line, index in told if line.label != index]
    labels = {line.label for line in lines}
    if not told and 0 not in labels and max(labels, default=0) == 1000:
        top = [f"{_at(line)} has 1000" for line in lines if line.label == 1000]
        return (
            f"labels run to 1000 and have no 0: off by one or devkit ids. {'; '.join(top[:3])}, expected "
            f"0..999. Find out which, and give every class its line in {SYNSETS.name}, counted from 0"
        )
    if not wrong:
        return None
    pairs = {(index, line.label) for line, index in told}
    one_to_one = len(pairs) == len({index for index, _ in pairs}) == len({label for _, label in pairs})
    shifts = {label - index for index, label in pairs}
    remedy = f"Give every class its line in {SYNSETS.name}, counted from 0"
    if shifts in ({1}, {-1}):
        trap = f"labels are off by one, too {'high' if shifts == {1} else 'low'}"
        remedy = f"{'Subtract 1 from' if shifts == {1} else 'Add 1 to'} every label"
    elif one_to_one and len(wrong) > len(told) / 2:
        # With one image per class two swapped labels are one-to-one as well: an order takes a majority.
        trap = "labels follow another class order"
        known = {DEVKIT_IDS[index] - label for index, label in pairs if index in DEVKIT_IDS}
        if known in ({0}, {1}):
            trap = f"labels are in devkit ILSVRC2012_ID order{', minus one' if known == {1} else ''}"
            remedy = f"Look each id up in the devkit's meta.mat. {remedy}"
    else:
        trap = "labels contradict the paths"
        remedy = "Correct the labels, or the paths"
    shown = "; ".join(f"{_at(line)} has {line.label}, expected {index}" for line, index in wrong[:3])
    extent = f"{len(wrong):,} of {len(told):,} differ from the class that the path tells"
    return f"{trap}: {extent}. {shown}. {remedy}"


def label_shift(top1_predictions: Sequence[int], labels: Sequence[int]) -> str | None:
    """Says after an evaluation that the labels look off by one; None where they do not.

    Both are class indices, image by image. Raises ValueError where the lengths differ.
    """
    total = len(labels)
    agree = Counter(label - guess for guess, label in zip(top1_predictions, labels, strict=True))
    guesses, given = Counter(top1_predictions), Counter(labels)
    for shift, remedy in ((1, "Subtract 1 from"), (-1, "Add 1 to")):
        hits = agree[shift]
        # Neighbouring classes look alike (breeds of dogs), so shifted labels still score a few per cent.
        if not hits or agree[0] > 0.05 * total or hits < 4 * agree[0]:
            continue
        # Chance is that of the two histograms: a network that always answers one class proves nothing.
        chance = sum(count * guesses[label - shift] for label, count in given.items()) / total**2
        rate = hits / total
        # Chernoff's bound on the probability of at least so many hits.
        excess = rate * math.log(rate / chance)
        excess += (1 - rate) * math.log((1 - rate) / (1 - chance)) if chance < rate < 1 else 0.0
        if math.exp(-total * excess) < 1e-6:
            return (
                f"labels look off by one: of {total:,} predictions {rate:.1%} equal label {-shift:+d}, "
                f"{agree[0] / total:.1%} the label as given, {chance:.1%} expected by chance. {remedy} every "
                "label, or check that the checkpoint has no background class"
            )
    return None


def _synset_folders(data: Path) -> tuple[Path, dict[str, _Place], list[str]]:
    """The folder that holds the synset folders, the files in these, and notes."""
    with _readable(data):
        visible = sorted(path for path in data.iterdir() if not path.name.startswith("."))
        folders = [path.name for path in visible if path.is_dir()]
    stray = [path.name for path in visible if _is_image(path.name) and path.name not in folders]
    if folders == ["val"] and not stray:
        return _synset_folders(data / "val")
    if unknown := [name for name in folders if name not in synset_indices()]:
        raise InputError(
            f"{data}: {len(unknown)} of {len(folders)} folders are no ILSVRC2012 synset: {_first(unknown)}. "
            "Give the folder that holds folders like n01440764, or a label file with lines `path index`"
        )
    if stray and not folders:
        raise _no_labels(data)
    places = {name: place for folder in folders for name, place in _files(data / folder, f"{folder}/")}
    other = [name for name in places if not _is_image(name)]
    notes = _ignored("outside of the synset folders", stray) + _ignored("having no image suffix", other)
    return data, places, notes


def _label_lines(file: Path, images: Sequence[str]) -> list[LabelLine]:
    """The lines of a label file; `images` serve to say more about one that names none."""
    with _readable(file):
        text = file.read_bytes().decode("utf-8-sig", "surrogateescape")
    rows = [(number, row.strip()) for number, row in enumerate(text.split("\n"), start=1)]
    rows = [(number, row) for number, row in rows if row and not row.startswith("#")]
    if not rows:
        raise InputError(f"{file}: no labels in it; expected lines `path index`")
    if all(_INTEGER.fullmatch(row) for _, row in rows):
        # The devkit's file goes by the names of the files, whatever folders they are in.
        order = sorted(images, key=lambda name: name.rpartition("/")[2])
        order = order if len(order) == len(rows) else [""] * len(rows)
        bare = [LabelLine(number, name, int(row)) for (number, row), name in zip(rows, order, strict=True)]
        trap = label_trap(bare)
        raise InputError(
            f"{file}: {len(rows):,} bare integers for {len(images):,} images, like the devkit's "
            "ILSVRC2012_validation_ground_truth.txt: nothing ties a line to an image; write `path index`"
            + (f". Taken in the order of the file names, {trap}" if trap else "")
        )
    seen: dict[str, LabelLine] = {}
    for number, row in rows:
        *path, index = row.rsplit(None, 1)
        if not path or not _INTEGER.fullmatch(index):
            raise InputError(f"{file}:{number}: expected `path index` with index 0..999, found {row!r}")
        name = PurePosixPath(*path).as_posix()
        if name in seen:
            raise InputError(f"{file}:{number}: {name} is on line {seen[name].line} already; keep one of the two")
        seen[name] = LabelLine(number, name, int(index))
    return list(seen.values())


def _check_lines(file: Path, lines: Sequence[LabelLine], data: Path, places: dict[str, _Place]) -> None:
    for why, bad in (
        ("the label is out of 0..999", [line for line in lines if not 0 <= line.label <= 999]),
        (f"not in {data}, which paths are relative to", [line for line in lines if line.name not in places]),
        (f"not named like an image, {', '.join(SUFFIXES)}", [it for it in lines if not _is_image(it.name)]),
    ):
        if bad:
            raise InputError(
                f"{file}:{bad[0].line}: {bad[0].name} {bad[0].label}: {why}; {len(bad):,} of {len(lines):,} "
                f"lines are like that. Correct them; one image is {next(filter(_is_image, places))}"
            )


def _files(folder: Path, prefix: str = "", above: frozenset[Path] = frozenset()) -> Iterator[tuple[str, _Place]]:
    """Every file below the folder, through symlinks too, by its name inside the data set."""
    above |= {folder.resolve()}
    with _readable(folder):
        entries = sorted((entry.name, entry.is_dir(), entry.is_file()) for entry in os.scandir(folder))
    for name, is_folder, is_file in entries:
        path = folder / name
        # A link to a folder above would go round for ever.
        if is_folder and not name.startswith(".") and path.resolve() not in above:
            yield from _files(path, f"{prefix}{name}/", above)
        # A broken link stays in, so that reading it names it.
        elif is_file or (not is_folder and path.is_symlink()):
            yield prefix + name, _Place(str(path))


def _tar_members(tar: Path) -> dict[str, _Place]:
    places: dict[str, _Place] = {}
    try:
        with _readable(tar), tarfile.open(tar, "r:", encoding="utf-8", errors="surrogateescape") as members:
            for member in members:
                path = PurePosixPath(member.name)
                name = path.as_posix()
                # Nothing is extracted here, but other tools will, and no data set needs such names.
                if path.is_absolute() or ".." in path.parts:
                    raise InputError(f"{tar}: member {name} points outside the tar; get it elsewhere")
                if member.isreg() and (name in places or member.issparse()):
                    raise InputError(f"{tar}: member {name} is sparse or there twice; pack the tar again")
                if member.isreg():
                    places[name] = _Place(str(tar), member.offset_data, member.size)
    except tarfile.TarError as error:
        raise InputError(f"{tar}: not a whole, uncompressed tar ({error}). Decompress it, or get it again") from error
    return places


def _digest(images: Sequence[ImageRef]) -> str:
    def rows(some: Sequence[ImageRef]) -> list[bytes]:
        # NUL ends a row, because a name can hold anything else.
        hashes = [hashlib.sha256(read_image(ref)).hexdigest() for ref in some]
        return [
            f"{sha} {ref.label} ".encode() + _encoded(ref.name) + b"\0" for sha, ref in zip(hashes, some, strict=True)
        ]

    with ThreadPoolExecutor(max_workers=8) as pool:
        parts = list(pool.map(rows, [images[start : start + 64] for start in range(0, len(images), 64)]))
    return hashlib.sha256(b"".join(sorted(row for part in parts for row in part))).hexdigest()


def _told_by(name: str) -> set[int]:
    """The classes that a path stands for: none, one, or several that contradict each other."""
    told = {synset_indices().get(synset, -1) for synset in _WORDNET_ID.findall(name)} - {-1}
    if (match := _VAL_NAME.fullmatch(name)) and 1 <= int(match[1]) <= len(VAL_ANCHORS):
        told.add(VAL_ANCHORS[int(match[1]) - 1])
    return told


def _is_image(name: str) -> bool:
    # macOS leaves "._name.JPEG" beside the files that it copies or packs.
    base = name.rpartition("/")[2]
    return base.lower().endswith(SUFFIXES) and not base.startswith(".")


@contextmanager
def _readable(path: Path | str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(f"{path}: cannot be read: {why}. Check the path and its permissions") from error


def _no_labels(data: Path) -> InputError:
    return InputError(f"{data}: no labels; give a label file with lines `path index`, or a folder per synset")


def _at(line: LabelLine) -> str:
    return f"line {line.line}: {line.name}".removesuffix(": ") if line.line else line.name


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _ignored(why: str, names: Sequence[str]) -> list[str]:
    return [f"ignored as {why}: {_count(len(names), 'file')}: {_first(names)}"] if names else []


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _count(number: int, noun: str) -> str:
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"
