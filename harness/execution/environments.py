"""Requirement file -> a separate environment for each source, made by uv on first use and kept.

A source is found by its entry point in the group `parity.adapters`, whose value names its module; the files
next to the module say what it runs in: `<source>.txt` (the source itself first), and where needed
`<source>.overrides.txt`, `<source>.build-constraints.txt` and a `constraints.txt` shared by a folder. For another
runtime, `<source>.<runtime>.txt` or `<runtime>.txt` says what is needed in addition; where a build for GPUs is asked
for, `<source>.cuda.txt` takes the place of the first, if there is one.
The module itself is never imported here, because that would import a framework.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from harness.core.errors import MeasurementError
from harness.core.files import locked, write_whole
from harness.core.records import Source
from harness.execution import installer
from harness.execution.registry import SourceSpec, named_packages

#: the interpreter with which the pinned versions were tested
PYTHON = "3.11"
#: packages that are gigabytes with what they need
_LARGE = ("torch", "paddlepaddle", "paddlepaddle-gpu")


def cache() -> Path:
    """Where environments and downloads are kept; the variable PARITY_CACHE moves it."""
    return Path(os.environ.get("PARITY_CACHE") or platformdirs.user_cache_dir("parity-harness")).absolute()


@dataclass(frozen=True)
class Installed:
    """An environment that is ready."""

    spec: SourceSpec
    source: Source
    python: Path
    packages: tuple[str, ...]  #: name==version of everything that is installed there
    python_version: str  #: of the interpreter in it
    runtime: str = "native"  #: which it has besides the source
    named: tuple[str, ...] = ()  #: names of the packages that its requirement files pin

    @property
    def packages_digest(self) -> str:
        return hashlib.sha256("\n".join(self.packages).encode()).hexdigest()


@dataclass(frozen=True)
class EnvironmentPlan:
    """How an environment is made, and where it is once it has been."""

    folder: Path
    requirements: str
    options: tuple[str, ...]  #: of the installation

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def complete(self) -> bool:
        return (self.folder / "complete").is_file()

    @property
    def lock(self) -> Path:
        """Held while it is made."""
        return self.folder.with_name(f"{self.folder.name}.lock")  # the name has dots of its own


def environment_plan(spec: SourceSpec, version: str, runtime: str) -> EnvironmentPlan:
    requirements = spec.requirements(version)
    name = f"{spec.name}-{version}"
    if runtime != "native":
        more = spec.runtime_requirements(runtime)
        if more is None:
            source = Source(spec.name, version)
            raise MeasurementError(f"{source}: no requirement file {spec.name}.{runtime}.txt or {runtime}.txt")
        requirements = f"{requirements.rstrip()}\n{more}"
        name += f"-{runtime}"
    parts = [requirements, PYTHON]
    options: list[str] = []
    if spec.cuda_file is not None:
        name += "-cuda"
        parts.append(spec.cuda_index)
        if spec.cuda_index != "default":
            options += ["--index", spec.cuda_index]
            # other packages are there, too, in other releases
            options += [] if "UV_INDEX_STRATEGY" in os.environ else ["--index-strategy", "unsafe-best-match"]
    for flag, path in (
        ("--constraints", spec.folder / "constraints.txt"),
        ("--overrides", spec.file(".overrides.txt")),
        ("--build-constraints", spec.file(".build-constraints.txt")),
    ):
        if path is not None and path.is_file():
            options += [flag, str(path)]
            parts.append(path.read_text(encoding="utf-8"))
    backend = os.environ.get("UV_TORCH_BACKEND", "")
    settings = installer.settings()
    parts += [backend, settings] if settings else [backend]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return EnvironmentPlan(cache() / "environments" / f"{name}-{key}", requirements, tuple(options))


def is_prepared(spec: SourceSpec, version: str, runtime: str = "native") -> bool:
    """Whether the environment is there already. Raises MeasurementError where there can be none."""
    return environment_plan(spec, version, runtime).complete


def installed_packages(spec: SourceSpec, version: str, runtime: str = "native") -> tuple[str, ...]:
    """What is installed in the environment of a source, as in Installed.packages; nothing where it is not made yet."""
    try:
        mark = environment_plan(spec, version, runtime).folder / "complete"
        return tuple(filter(None, mark.read_text(encoding="utf-8").split("\n")[1:]))
    except (OSError, MeasurementError):
        return ()


def prepare(spec: SourceSpec, version: str, runtime: str = "native") -> Installed:
    """The environment of a source at a version, with what another runtime needs, made if it is not there yet.

    Raises MeasurementError that says which requirement could not be installed.
    """
    source = Source(spec.name, version)
    wanted = environment_plan(spec, version, runtime)
    try:
        if not wanted.complete:
            with _locked(wanted.lock), _one_by_one(wanted):
                if not wanted.complete:  # another process may just have made it
                    _make(source, wanted)
        python_version, *packages = (wanted.folder / "complete").read_text(encoding="utf-8").split("\n")
        with contextlib.suppress(OSError):  # a cache that is only read is no worse
            (wanted.folder / "complete").touch()  # tells when it was used last
    except OSError as error:
        raise MeasurementError(
            f"the environment of {source} could not be written to {wanted.folder}: {error}. "
            "Make room or give write permission, or set PARITY_CACHE to another folder"
        ) from error
    return Installed(
        spec,
        source,
        wanted.python,
        tuple(line for line in packages if line),
        python_version,
        runtime,
        named_packages(wanted.requirements),
    )


def _one_by_one(wanted: EnvironmentPlan) -> contextlib.AbstractContextManager[None]:
    """Environments that share a package of gigabytes are made one after the other.

    The second finds it unpacked; made side by side, each would unpack it for itself.
    """
    named = named_packages(wanted.requirements)
    shared = next((package for package in _LARGE if package in named), None)
    return _locked(wanted.folder.with_name(f"{shared}.lock")) if shared else contextlib.nullcontext()


def is_whole(python: Path) -> bool:
    """Whether an interpreter is there, and all of its environment if it is one of those made here."""
    folder = python.parent.parent
    return python.is_file() and (folder.parent.name != "environments" or (folder / "complete").is_file())


def _make(source: Source, wanted: EnvironmentPlan) -> None:
    """Makes the environment; it is complete once the file `complete` is there, which comes last."""
    folder, python = wanted.folder, str(wanted.python)
    shutil.rmtree(folder, ignore_errors=True)
    _uv(source, "venv", "--quiet", "--no-project", "--python", PYTHON, str(folder))
    asked = folder / "requirements.txt"
    asked.write_text(wanted.requirements, encoding="utf-8")
    _uv(source, "pip", "install", "--quiet", "--python", python, "--requirements", str(asked), *wanted.options)
    frozen = _uv(source, "pip", "freeze", "--quiet", "--python", python)
    write_whole(folder / "complete", f"{_python_version(folder)}\n{frozen}".encode())


def _python_version(folder: Path) -> str:
    """The interpreter's release, as a virtual environment notes it."""
    for line in (folder / "pyvenv.cfg").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        if name.strip() in ("version", "version_info"):
            return value.strip()
    return "unknown"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Only one process makes an environment; the others wait and find it there."""
    with contextlib.ExitStack() as held:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(path))
        except OSError as error:
            raise MeasurementError(
                f"cannot write to the cache: {error}. Free the folder or set PARITY_CACHE to another one"
            ) from error
        yield


def _uv(source: Source, *arguments: str) -> str:
    try:
        done = installer.run(*arguments)
    except OSError as error:
        raise MeasurementError(
            f"the environment of {source} could not be made: uv cannot be started ({error}). "
            "Check the installation of uv and the folder of temporary files"
        ) from error
    if done.returncode:
        raise MeasurementError(f"the environment of {source} could not be made. {_reason(done.stderr)}")
    return done.stdout


def _reason(stderr: str) -> str:
    """What uv says is wrong, without its progress lines and frames."""
    lines = [line.strip(" │╰─▶├×·") for line in stderr.splitlines()]
    kept: Sequence[str] = [line for line in lines if line and not line.lower().startswith(("resolved", "using python"))]
    return "uv says: " + " ".join(kept[:12])
