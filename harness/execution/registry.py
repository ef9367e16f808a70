"""The sources that are registered, as their files describe them. No adapter is imported."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import adapters
from harness.core.errors import InputError
from harness.core.text import closest

GROUP = "parity.adapters"

ADAPTERS = Path(str(adapters.__file__)).parent

_REQUIREMENT = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;#]+)")


@dataclass(frozen=True)
class SourceSpec:
    """A source as its files describe it."""

    name: str
    module: str  #: import name of the adapter
    folder: Path  #: where the adapter and its requirement files are
    distribution: str  #: the package that the source is
    default_version: str
    cuda_index: str = ""  #: package index of the builds for GPUs, or "default"; "" where none are asked for

    def file(self, suffix: str) -> Path | None:
        path = self.folder / f"{self.name}{suffix}"
        return path if path.is_file() else None

    @property
    def cuda_file(self) -> Path | None:
        """What it runs in on a GPU, if that is asked for and another than on a CPU."""
        return self.file(".cuda.txt") if self.cuda_index else None

    def requirements(self, version: str) -> str:
        """The requirement file with the source at `version`; that of its build for GPUs where it has one."""
        text = (self.cuda_file or self.folder / f"{self.name}.txt").read_text(encoding="utf-8")
        pattern = rf"(?m)^{re.escape(self.distribution)}==[^\s;#]+"
        return re.sub(pattern, f"{self.distribution}=={version}", text, count=1)

    def runtime_requirements(self, runtime: str) -> str | None:
        """What another runtime needs too: from the source, its folder or the harness; None if there is no file."""
        beside = self.file(f".{runtime}.txt") or self.folder / f"{runtime}.txt"
        for path in (beside, ADAPTERS / f"{runtime}.txt"):
            if path.is_file():
                return path.read_text(encoding="utf-8")
        return None

    def code_digest(self) -> str:
        """Digest of the code that measures, so that a changed adapter never reuses an old measurement."""
        digest = hashlib.sha256()
        files: list[Path] = []
        for folder in dict.fromkeys((self.folder, ADAPTERS)):  # others' adapters build on those here
            files += sorted(folder.rglob("*.py")) + sorted(folder.rglob("*.toml"))
        files = [path for path in files if not path.name.endswith(".pages.toml")]
        if "." in self.module and self.folder != ADAPTERS:  # and on anything in their own package
            files += sorted(path for path in self.package.rglob("*") if path.is_file() and path.suffix != ".pyc")
        for path in files:
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()

    @property
    def package(self) -> Path:
        """The folder of the topmost package that the adapter is in; its own where it is in none."""
        return [self.folder, *self.folder.parents][max(0, self.module.count(".") - 1)]


def named_packages(requirements: str) -> tuple[str, ...]:
    """The packages that are pinned in the text of a requirement file, in its order, named as uv lists them."""
    pins = (match[1] for line in requirements.splitlines() if (match := _REQUIREMENT.match(line.strip())))
    return tuple(dict.fromkeys(re.sub(r"[-_.]+", "-", name).lower() for name in pins))


class OnGpus(Mapping[str, SourceSpec]):
    """Sources with their builds for GPUs, which are in another package index."""

    def __init__(self, known: Mapping[str, SourceSpec], index: str) -> None:
        self._known = known
        self._index = index

    def __getitem__(self, name: str) -> SourceSpec:
        return dataclasses.replace(self._known[name], cuda_index=self._index)

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class Sources(Mapping[str, SourceSpec]):
    """Every registered source by name. Raises InputError where one that is asked for is described wrongly.

    The files of the others are not read, so a package that is broken or half installed never fails another source.
    """

    def __init__(self) -> None:
        self._points = {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}
        self._specs: dict[str, SourceSpec] = {}

    def __getitem__(self, name: str) -> SourceSpec:
        if name not in self._specs:
            self._specs[name] = _spec(self._points[name])
        return self._specs[name]

    def __contains__(self, name: object) -> bool:
        return name in self._points

    def __iter__(self) -> Iterator[str]:
        return iter(self._points)

    def __len__(self) -> int:
        return len(self._points)


def sources() -> Mapping[str, SourceSpec]:
    """Every registered source by name."""
    return Sources()


def _spec(point: importlib.metadata.EntryPoint) -> SourceSpec:
    try:
        found = importlib.util.find_spec(point.value)
    except ImportError:  # a package above the module is missing
        found = None
    if found is None or found.origin is None:
        raise InputError(f"source {point.name}: its entry point names {point.value}, which is not a module")
    folder = Path(found.origin).parent
    requirement_file = folder / f"{point.name}.txt"
    try:
        lines = requirement_file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"source {point.name}: cannot read its requirement file: {error}") from error
    asked = [line.strip() for line in lines if line.strip() and not line.strip().startswith(("#", "-"))]
    first = _REQUIREMENT.match(asked[0]) if asked else None
    if first is None:
        raise InputError(f"{requirement_file}: expected a first requirement like 'name==version', the source itself")
    return SourceSpec(point.name, point.value, folder, first.group(1), first.group(2))


def parse_source(text: str, known: Mapping[str, SourceSpec]) -> tuple[str, str | None]:
    """`timm` or `timm==0.6.13` -> name and version. Raises InputError for an unknown name."""
    name, _, version = (part.strip() for part in text.partition("=="))
    if name not in known:
        near = closest(name, known)
        hint = f"did you mean {near[0]}? " if near else ""
        raise InputError(f"--sources: unknown source {name!r}; {hint}known: {', '.join(sorted(known))}")
    if "==" in text and not re.fullmatch(r"\d+(\.\w+)*", version):
        raise InputError(
            f"--sources: {text!r} is not a version; expected something like {name}=={known[name].default_version}"
        )
    return name, version or None
