"""The files of a data set: a folder per synset, any folder, a tar."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from harness.core.errors import InputError, readable
from harness.core.paths import Location, is_url
from harness.core.text import first_few
from harness.dataset.labels import LabelLine, synset_indices
from harness.dataset.labels.names import SUFFIXES, ignored, is_image, printable


class ImageBytes(NamedTuple):
    """Where the bytes of an image are."""

    file: str  #: path or URL
    offset: int | None = None  #: bytes; None for a whole file
    length: int | None = None  #: bytes
    row: int | None = None  #: of a Parquet file, from 0


def opened(file: str) -> AbstractContextManager[IO[bytes]]:
    if not is_url(file):
        return Path(file).open("rb")
    import fsspec  # loaded only for a URL; workers read no URLs

    opened: AbstractContextManager[IO[bytes]] = fsspec.open(file, "rb")
    return opened


class TopLevel(NamedTuple):
    """What a folder holds, before its synset folders are known to be such."""

    data: Location  #: `data`, or `data/val` where that is all there is
    folders: list[str]
    stray: list[str]  #: images outside of every folder
    everything: dict[str, ImageBytes] | None  #: all files by name; None where they were not listed yet

    @property
    def unknown(self) -> list[str]:
        """The folders that are no synset of ILSVRC2012."""
        return [name for name in self.folders if name not in synset_indices()]

    def files(self) -> dict[str, ImageBytes]:
        """All files by name."""
        return dict(files_below(self.data)) if self.everything is None else self.everything


def top_level(data: Location) -> TopLevel:
    """The folders and images of `data`, or of `data/val`."""
    found = _top_level(data)
    if found.folders == ["val"] and not found.stray:
        below = _top_level(data / "val")
        return below if below.folders or below.stray else found
    return found


def synset_folders(top: TopLevel) -> tuple[dict[str, ImageBytes], list[str]]:
    """The files in the synset folders by name, and notes. Raises InputError where another folder is among them."""
    if top.unknown:
        raise InputError(
            f"{top.data}: {len(top.unknown)} of {len(top.folders)} folders are no ILSVRC2012 synset: "
            f"{printable(first_few(top.unknown))}. "
            "Give the folder that holds folders like n01440764, or a label file with lines `path index`"
        )
    if top.everything is None:
        files = {name: file for folder in top.folders for name, file in files_below(top.data / folder, f"{folder}/")}
    else:
        files = {name: file for name, file in top.everything.items() if "/" in name}
    other = [name for name in files if not is_image(name)]
    return files, ignored("outside of the synset folders", top.stray) + ignored("having no image suffix", other)


def _top_level(data: Location) -> TopLevel:
    if isinstance(data, Path):
        with readable(data):
            visible = sorted(path for path in data.iterdir() if not path.name.startswith("."))
            folders = [path.name for path in visible if path.is_dir()]
        stray = [it.name for it in visible if is_image(it.name) and it.name not in folders]
        return TopLevel(data, folders, stray, None)
    # one listing of a URL instead of one for each of a thousand folders
    everything = dict(files_below(data))
    folders = sorted({name.partition("/")[0] for name in everything if "/" in name})
    stray = [name for name in everything if "/" not in name and is_image(name)]
    return TopLevel(data, folders, stray, everything)


def check_lines(file: Path, lines: Sequence[LabelLine], data: Location, files: Mapping[str, ImageBytes]) -> None:
    """Raises InputError for the first line of a label file that names no image or no class."""
    for why, bad in (
        ("the label is out of 0..999", [line for line in lines if not 0 <= line.label <= 999]),
        (f"not in {data}, which paths are relative to", [line for line in lines if line.name not in files]),
        (f"not named like an image, {', '.join(SUFFIXES)}", [it for it in lines if not is_image(it.name)]),
    ):
        if bad:
            raise InputError(
                f"{file}:{bad[0].line}: {bad[0].name} {bad[0].label}: {why}; {len(bad):,} of {len(lines):,} "
                f"lines are like that. Correct them; one image is {next(filter(is_image, files))}"
            )


def files_below(
    folder: Location, prefix: str = "", above: frozenset[Path] = frozenset()
) -> Iterator[tuple[str, ImageBytes]]:
    """Every file below the folder, through symlinks too, by its name inside the data set; not in hidden folders."""
    if not isinstance(folder, Path):
        root = folder.path.rstrip("/")
        with readable(str(folder)):
            names = [path[len(root) + 1 :] for path in sorted(folder.fs.find(root))]
        for name in names:
            *folders, own = name.split("/")
            # object stores have empty objects that stand for folders
            if own and not any(one.startswith(".") for one in folders):
                yield prefix + name, ImageBytes(f"{str(folder).rstrip('/')}/{name}")
        return
    above |= {folder.resolve()}
    with readable(folder):
        entries = sorted((entry.name, entry.is_dir(), entry.is_file()) for entry in os.scandir(folder))
    for name, is_folder, is_file in entries:
        path = folder / name
        # following a link to a folder above would never end
        if is_folder and not name.startswith(".") and path.resolve() not in above:
            yield from files_below(path, f"{prefix}{name}/", above)
        # a broken link is listed, so that reading it reports its name
        elif is_file or (not is_folder and path.is_symlink()):
            yield prefix + name, ImageBytes(str(path))


def tar_members(
    tar: Location, wanted: Callable[[str, int], bool] = lambda _name, _size: False
) -> tuple[dict[str, ImageBytes], dict[str, bytes]]:
    """The files of a tar by name, without unpacking it, and the contents of those of which `wanted` says so.

    `wanted` gets name and bytes. Raises InputError for a damaged or unsafe tar.
    """
    files: dict[str, ImageBytes] = {}
    contents: dict[str, bytes] = {}
    with readable(str(tar)), opened(str(tar)) as file:
        try:
            with tarfile.open(fileobj=file, mode="r:", encoding="utf-8", errors="surrogateescape") as members:
                for member in members:
                    path = PurePosixPath(member.name)
                    name = path.as_posix()
                    # nothing is extracted here, but other tools extract, and no data set needs such names
                    if path.is_absolute() or ".." in path.parts:
                        raise InputError(
                            f"{tar}: member {name} points outside the tar; get the archive from another place"
                        )
                    if member.isreg() and (name in files or member.issparse()):
                        raise InputError(f"{tar}: member {name} is sparse or is in the tar twice; pack the tar again")
                    if member.isreg():
                        files[name] = ImageBytes(str(tar), member.offset_data, member.size)
                        if wanted(name, member.size) and (content := members.extractfile(member)) is not None:
                            contents[name] = content.read()
        except tarfile.TarError as error:
            raise InputError(
                f"{tar}: not a whole, uncompressed tar ({error}). Decompress it, or download it again"
            ) from error
    return files, contents


def no_labels(data: Location) -> InputError:
    return InputError(f"{data}: no labels; give a label file with lines `path index`, or a folder per synset")
