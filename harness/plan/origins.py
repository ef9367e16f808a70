"""What a source's files say of pages about it, so that a page that names no source is recognised.

`<source>.pages.toml` beside the adapter: `repositories` (owner/name), `addresses` (what those of its checkpoints and
model cards begin with, without https://), `configurations` (patterns of addresses whose group 1 names a model),
`checkpoint_suffixes` (patterns of what the file name of a checkpoint has behind the model's name) and `[[naming]]`: a
`form` of names that only releases `since` one have, and the `release` to check them with. `<source>.names.txt`: the
names that releases offer, each release under `[version]`, and under `[package version]` those that only a package has
which the source became. All of it is optional.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import InputError
from harness.core.model_names import folded
from harness.execution.registry import SourceSpec
from harness.tables.sources import release_in

_REPOSITORY = re.compile(
    r"(?:https?://)?(?:www\.)?(?:raw\.githubusercontent\.com|github\.com|gitee\.com)/([^/\s]+/[^/\s#?]+)"
)
_KEYS = {"repositories", "addresses", "configurations", "checkpoint_suffixes", "naming"}
#: longest address and name that are looked at
_LONGEST = 500


@dataclass(frozen=True)
class Naming:
    """A form of names that only later releases have."""

    form: re.Pattern[str]
    since: str
    release: str  #: to check them with


@dataclass(frozen=True)
class Origin:
    """How pages about a source are recognised."""

    source: str
    repositories: frozenset[str] = frozenset()  #: owner/name, lower case
    addresses: tuple[str, ...] = ()  #: without https://
    configurations: tuple[re.Pattern[str], ...] = ()
    suffixes: tuple[re.Pattern[str], ...] = ()
    naming: tuple[Naming, ...] = ()
    names: Mapping[str, frozenset[str]] | None = None  #: release -> names that it offers; None where no file says it
    #: release of another package, "mmpretrain 1.2.0" -> names that it offers and no release of the source does
    elsewhere: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def is_linked(self, address: str) -> bool:
        """Whether an address is one of the source's."""
        found = _REPOSITORY.match(address[:_LONGEST])
        if found:
            return found[1].lower().removesuffix(".git") in self.repositories
        return re.sub(r"^https?://(?:www\.)?", "", address[:_LONGEST]).startswith(self.addresses or ("\0",))

    def release_of(self, address: str) -> str | None:
        """The release that an address of the source's repository names."""
        return release_in(address) if self.is_linked(address) and _REPOSITORY.match(address) else None

    def configuration_in(self, links: Iterable[str]) -> str | None:
        """The one configuration that links of a row name, None where they name none or several."""
        found = {match[1] for link in links for form in self.configurations if (match := form.search(link[:_LONGEST]))}
        return found.pop() if len(found) == 1 else None

    def checkpoints_in(self, links: Iterable[str]) -> set[str]:
        """Names that the files that a row links to can be of: each file's, without what is no part of a name."""
        stems = {re.split(r"[?#]", link[:_LONGEST])[0].rpartition("/")[2] for link in links}
        stems = {re.sub(r"\.(?:pth|pt|pdparams|tar|tgz|gz|zip|h5|onnx|safetensors|bin)", "", stem) for stem in stems}
        return {stem[: found.start()] if (found := self._suffix(stem)) else stem for stem in stems if stem}

    def _suffix(self, stem: str) -> re.Match[str] | None:
        found = (re.search(f"(?:{form.pattern})$", stem) for form in self.suffixes)
        return next((match for match in found if match), None)

    def form_of(self, name: str) -> Naming | None:
        """The form of names that a name has."""
        return next((naming for naming in self.naming if naming.form.fullmatch(name[:_LONGEST])), None)

    def releases_with(self, name: str) -> list[str]:
        """The releases that are known to offer a model of this name, or its architecture where it names one."""
        architecture = name.partition(".")[0] if self.form_of(name) else name
        return [release for release, names in (self.names or {}).items() if architecture in names]

    def packages_with(self, name: str) -> list[str]:
        """The releases of other packages that are known to offer a model of this name."""
        return [package for package, names in self.elsewhere.items() if name in names]

    def offers(self, name: str) -> bool:
        return bool(self.releases_with(name))

    @functools.cached_property
    def folded_names(self) -> frozenset[str]:
        return frozenset(folded(name) for names in (self.names or {}).values() for name in names)


def origin_of(spec: SourceSpec) -> Origin:
    """What the files beside an adapter say. Raises InputError where they are not as described above."""
    names = spec.file(".names.txt")
    pages = spec.file(".pages.toml")
    return _origin(spec.name, pages, names)


@functools.lru_cache(maxsize=64)
def _origin(source: str, pages: Path | None, names: Path | None) -> Origin:
    content: dict[str, Any] = {}
    try:
        if pages is not None:
            content = tomllib.loads(pages.read_text(encoding="utf-8"))
        if unknown := sorted(content.keys() - _KEYS):
            raise ValueError(f"unknown entry {unknown[0]!r}; expected {', '.join(sorted(_KEYS))}")
        named = _names_in(names.read_text(encoding="utf-8")) if names is not None else None
        return Origin(
            source,
            frozenset(name.lower() for name in content.get("repositories", ())),
            tuple(content.get("addresses", ())),
            tuple(map(re.compile, content.get("configurations", ()))),
            tuple(map(re.compile, content.get("checkpoint_suffixes", ()))),
            tuple(Naming(re.compile(one["form"]), one["since"], one["release"]) for one in content.get("naming", ())),
            None if named is None else {release: own for release, own in named.items() if " " not in release},
            {package: others for package, others in (named or {}).items() if " " in package},
        )
    except (OSError, ValueError, TypeError, KeyError, re.error) as error:
        raise InputError(f"{pages or names}: cannot read how pages about {source} look: {error}") from error


def _names_in(text: str) -> dict[str, frozenset[str]]:
    found: dict[str, list[str]] = {}
    release = ""
    for line in text.splitlines():
        if line.startswith("["):
            release = line.strip("[] ")
        elif line and not line.startswith("#"):
            found.setdefault(release, []).extend(line.split())
    return {release: frozenset(names) for release, names in found.items()}
