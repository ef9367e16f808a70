"""What can be asked for: each option once, for the command line, pytest, the API and the command that repeats a run."""

from __future__ import annotations

# ruff: noqa: RUF009 - what `_option` returns is a field of a dataclass
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from harness.core.errors import InputError
from harness.core.paths import Location
from harness.dataset.remote import parse_location
from harness.execution.devices.shards import Shard, parse_shard
from harness.reference import FOLDER as REFERENCE

#: the first is part of every run; alone it asks nothing of the sources
CHECKS = ("documents", "static", "numerics", "preprocessing", "accuracy")
#: what is checked unless something else is asked for; numerics and preprocessing compare sources with each other
DEFAULT_CHECKS = ("static", "accuracy")
RUNTIMES = ("native", "openvino", "onnxruntime")
PRECISIONS = ("fp32", "tf32", "bf16")
ENGINES = ("local", "ray")


def names_of(text: str) -> tuple[str, ...]:
    """`a, b` -> ("a", "b")"""
    return tuple(name.strip() for name in text.split(",") if name.strip())


@dataclass(frozen=True)
class OptionSpec:
    """How an option is given, for every way of giving it."""

    help: str  #: without the default, unless that is not a plain value
    metavar: str | None = None
    parse: Callable[[str], Any] = str  #: one value from text
    choices: tuple[str, ...] = ()  #: the values that there are; for names, each of them
    several: bool = False  #: whether the flag takes more than one value
    flag: str = ""  #: without dashes, where it is not the name of the field
    aliases: tuple[str, ...] = ()  #: other flags, without dashes
    in_pytest: bool = True
    measures: bool = True  #: whether it decides what is measured, by what and on which images

    def convert(self, value: Any) -> Any:
        """The value of the field from what a program may pass instead: text, and any sequence for a tuple."""
        if self.several:
            values = [value] if isinstance(value, str | Path) else value
            return tuple(self.parse(one) if isinstance(one, str) else one for one in values)
        if self.parse is str and isinstance(value, Path):
            return str(value)
        if isinstance(value, str):
            return self.parse(value)
        return tuple(value) if isinstance(value, list) else value


G = TypeVar("G")
V = TypeVar("V")
if TYPE_CHECKING:

    class Accepts(Generic[G, V]):
        """For type checkers: `Options(...)` takes a G for this field, which is a V afterwards."""

        def __get__(self, instance: object, owner: type) -> V: ...

        def __set__(self, instance: object, value: G) -> None: ...


Paths: TypeAlias = "Accepts[str | Path | Sequence[str | Path], tuple[Path, ...]]"
Names: TypeAlias = "Accepts[str | Sequence[str], tuple[str, ...]]"


def _option(default: Any, *spec: Any, **more: Any) -> Any:
    return dataclasses.field(default=default, metadata={"option": OptionSpec(*spec, **more)})


@dataclass(frozen=True)
class Options:
    """What is asked for. Text is accepted for paths and URLs, and a list or "a,b" for several names.

    >>> Options(tables="README.md", sources="timm,mmcls").sources
    ('timm', 'mmcls')
    """

    tables: Paths = _option(
        (REFERENCE / "cspnet.md",),
        "files with documented tables (Markdown or CSV), folders or patterns of them (default: CSPNet)",
        "PATH",
        Path,
        several=True,
        flag="table",
    )
    upstream: Paths = _option(
        (), "documents that the sources publish outside their packages (Markdown or CSV)", "FILE", Path, several=True
    )
    sources: Names = _option((), "sources to check (default: all of the table)", "NAME[==VERSION],…", names_of)
    models: Names = _option((), "models to check (default: all of the table)", "NAME,…", names_of)
    data: Accepts[str | Location | None, Location | None] = _option(
        None,
        "ImageNet val or other labelled images: a folder per synset, a flat folder, a tar, Parquet or WebDataset; a "
        "path or a URL",
        "DIR|TAR|URL",
        parse_location,
    )
    labels: Accepts[str | Path | None, Path | None] = _option(
        None,
        "labels of the images: the devkit, lines of 'path index', or another list; recognised by what is in it",
        "FILE",
        Path,
    )
    real_labels: Accepts[str | Path | None, Path | None] = _option(
        None, "ImageNet-ReaL's labels of --data: a list of classes for each of the 50,000 images, JSON", "FILE", Path
    )
    weights: Accepts[str | Path | None, str | None] = _option(
        None, "where checkpoints come from (default: auto with --data, else none)", "DIR|auto|none"
    )
    checks: Names = _option(
        DEFAULT_CHECKS,
        "what to check; numerics and preprocessing compare the sources with each other, documents alone judges pages "
        "by themselves, in seconds and without an environment",
        parse=names_of,
        choices=CHECKS,
    )
    why: bool = _option(False, "explain why an accuracy differs, by changing one factor at a time; needs --data")
    limit: int | None = _option(None, "evaluate only N images of a fixed random order (default: all)", "N", int)
    stop_early: bool = _option(
        False, "stop evaluating a row once a random part of the images confirms or refutes its accuracies"
    )
    batch_size: int = _option(32, "images per forward pass", "N", int)
    device: str = _option(
        "cpu",
        "where the networks are evaluated: cuda is one GPU, cuda:0-7 or cuda:0,2 several, all every GPU of this "
        "machine, each with a worker of its own; cpu:0-1 are workers that share the processors",
        "cpu|cuda|cuda:0-7|all",
        aliases=("devices",),
    )
    cuda_index: str | None = _option(
        None,
        "install the builds for GPUs of sources that have them apart (ppcls), from this package index, or from the "
        "usual one with `default`",
        "URL",
    )
    shard: str | None = _option(
        None,
        "evaluate one of N shares of the images, for one job of several that share --store; merge/N makes the report "
        "of all that they have stored",
        "I/N|merge/N",
        in_pytest=False,
        measures=False,
    )
    runtime: str = _option(
        "native", "what runs the networks; results are verified against the native runtime", choices=RUNTIMES
    )
    precision: str = _option(
        "fp32", "precision of the forward pass; results are verified against native fp32", choices=PRECISIONS
    )
    engine: str = _option("local", "where evaluations run: on this machine or on a Ray cluster", choices=ENGINES)
    ray_address: str | None = _option(
        None, "the Ray cluster (default: RAY_ADDRESS, else one on this machine)", "ADDRESS", measures=False
    )
    ray_cpus: int | None = _option(
        None, "CPUs for each part of an evaluation (default: those of the smallest node)", "N", int
    )
    store: Accepts[str | Location | None, Location | None] = _option(
        None, "where measurements are kept (default: OUT/store)", "DIR|URL", parse_location, measures=False
    )
    out: Accepts[str | Path, Path] = _option(
        Path("parity-report"), "folder of the reports and the store", "DIR", Path, measures=False
    )
    fix: bool = _option(
        False, "write copies of the tables with corrected cells into OUT/fixed", in_pytest=False, measures=False
    )
    gallery: bool = _option(
        False, "show the images on which sources disagree; only if the images may be copied", measures=False
    )
    strict: bool = _option(False, "fail where it cannot be decided whether a cell is right", measures=False)
    annotate: bool = _option(False, "print errors as annotations for GitHub", in_pytest=False, measures=False)

    def __post_init__(self) -> None:
        for name, spec in specs():
            object.__setattr__(self, name, spec.convert(getattr(self, name)))

    @property
    def asks_sources(self) -> bool:
        """Whether anything is asked of the sources; else pages are judged by themselves alone."""
        return any(check != "documents" for check in self.checks)

    @property
    def share(self) -> Shard | None:
        """What --shard says. Raises InputError."""
        return None if self.shard is None else parse_shard(self.shard)

    @property
    def evaluates(self) -> bool:
        """Whether networks with weights are evaluated on images."""
        return self.data is not None and "accuracy" in self.checks and self.weights != "none"

    def validate(self) -> None:
        """Raises InputError for the first value that is not valid, or that another one excludes."""
        from harness.plan.conflicts import conflicts  # which knows what options there are

        for is_wrong, message in conflicts(self):
            if is_wrong:
                raise InputError(message)


def specs() -> Iterator[tuple[str, OptionSpec]]:
    """Name of the field and specification of every option, in the order in which `--help` shows them."""
    for field in dataclasses.fields(Options):
        yield field.name, field.metadata["option"]
