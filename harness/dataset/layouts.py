"""The layouts in which people have ImageNet: a folder per synset, any folder, a tar."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from harness.core.errors import InputError, readable
from harness.core.paths import Location, is_url
from harness.dataset.labels import LabelLine, synset_indices

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


class ImageBytes(NamedTuple):
    file: str
    offset: int | None = None
    length: int | None = None


def opened(file: str) -> AbstractContextManager[IO[bytes]]:
    if not is_url(file):
        return Path(file).open("rb")
    import fsspec  # only where somebody names a URL; no worker does

    opened: AbstractContextManager[IO[bytes]] = fsspec.open(file, "rb")
    return opened


def synset_folders(data: Location) -> tuple[Location, dict[str, ImageBytes], list[str]]:
    """The folder that holds the synset folders, the files in these, and notes."""
    everything: dict[str, ImageBytes] = {}
    if isinstance(data, Path):
        with readable(data):
            visible = sorted(path for path in data.iterdir() if not path.name.startswith("."))
            folders = [path.name for path in visible if path.is_dir()]
        stray = [path.name for path in visible if is_image(path.name) and path.name not in folders]
    else:
        everything = dict(files_below(data))  # at once: a thousand folders are as many questions
        folders = sorted({name.partition("/")[0] for name in everything if "/" in name})
        stray = [name for name in everything if "/" not in name and is_image(name)]
    if folders == ["val"] and not stray:
        return synset_folders(data / "val")
    if unknown := [name for name in folders if name not in synset_indices()]:
        raise InputError(
            f"{data}: {len(unknown)} of {len(folders)} folders are no ILSVRC2012 synset: {first_few(unknown)}. "
            "Give the folder that holds folders like n01440764, or a label file with lines `path index`"
        )
    if stray and not folders:
        raise no_labels(data)
    if isinstance(data, Path):
        places = {name: place for folder in folders for name, place in files_below(data / folder, f"{folder}/")}
    else:
        places = {name: place for name, place in everything.items() if "/" in name}
    other = [name for name in places if not is_image(name)]
    notes = ignored("outside of the synset folders", stray) + ignored("having no image suffix", other)
    return data, places, notes


def check_lines(file: Path, lines: Sequence[LabelLine], data: Location, places: dict[str, ImageBytes]) -> None:
    for why, bad in (
        ("the label is out of 0..999", [line for line in lines if not 0 <= line.label <= 999]),
        (f"not in {data}, which paths are relative to", [line for line in lines if line.name not in places]),
        (f"not named like an image, {', '.join(SUFFIXES)}", [it for it in lines if not is_image(it.name)]),
    ):
        if bad:
            raise InputError(
                f"{file}:{bad[0].line}: {bad[0].name} {bad[0].label}: {why}; {len(bad):,} of {len(lines):,} "
                f"lines are like that. Correct them; one image is {next(filter(is_image, places))}"
            )


def files_below(
    folder: Location, prefix: str = "", above: frozenset[Path] = frozenset()
) -> Iterator[tuple[str, ImageBytes]]:
    """Every file below the folder, through symlinks too, by its name inside the data set; folders with a dot apart."""
    if not isinstance(folder, Path):
        root = folder.path.rstrip("/")
        with readable(str(folder)):
            names = [path[len(root) + 1 :] for path in sorted(folder.fs.find(root))]
        for name in names:
            *folders, own = name.split("/")
            # Object stores have empty objects that stand for folders.
            if own and not any(one.startswith(".") for one in folders):
                yield prefix + name, ImageBytes(f"{str(folder).rstrip('/')}/{name}")
        return
    above |= {folder.resolve()}
    with readable(folder):
        entries = sorted((entry.name, entry.is_dir(), entry.is_file()) for entry in os.scandir(folder))
    for name, is_folder, is_file in entries:
        path = folder / name
        # A link to a folder above would go round for ever.
        if is_folder and not name.startswith(".") and path.resolve() not in above:
            yield from files_below(path, f"{prefix}{name}/", above)
        # A broken link stays in, so that reading it names it.
        elif is_file or (not is_folder and path.is_symlink()):
            yield prefix + name, ImageBytes(str(path))


def tar_members(tar: Location) -> dict[str, ImageBytes]:
    places: dict[str, ImageBytes] = {}
    with readable(str(tar)), opened(str(tar)) as file:
        try:
            with tarfile.open(fileobj=file, mode="r:", encoding="utf-8", errors="surrogateescape") as members:
                for member in members:
                    path = PurePosixPath(member.name)
                    name = path.as_posix()
                    # Nothing is extracted here, but other tools will, and no data set needs such names.
                    if path.is_absolute() or ".." in path.parts:
                        raise InputError(f"{tar}: member {name} points outside the tar; get it elsewhere")
                    if member.isreg() and (name in places or member.issparse()):
                        raise InputError(f"{tar}: member {name} is sparse or there twice; pack the tar again")
                    if member.isreg():
                        places[name] = ImageBytes(str(tar), member.offset_data, member.size)
        except tarfile.TarError as error:
            raise InputError(
                f"{tar}: not a whole, uncompressed tar ({error}). Decompress it, or get it again"
            ) from error
    return places


def is_image(name: str) -> bool:
    # macOS leaves "._name.JPEG" beside the files that it copies or packs.
    base = name.rpartition("/")[2]
    return base.lower().endswith(SUFFIXES) and not base.startswith(".")


def no_labels(data: Location) -> InputError:
    return InputError(f"{data}: no labels; give a label file with lines `path index`, or a folder per synset")


def printable(name: str) -> str:
    """A file name as reports and Parquet can hold it: what is not UTF-8 in it as \\xNN."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def ignored(why: str, names: Sequence[str]) -> list[str]:
    return [f"ignored as {why}: {count_of(len(names), 'file')}: {first_few(names)}"] if names else []


def first_few(names: Sequence[str]) -> str:
    return printable(", ".join(names[:3])) + (", …" if len(names) > 3 else "")


def count_of(number: int, noun: str) -> str:
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"
