"""What can be asked for."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.paths import Location, shown_file
from harness.reference import FOLDER as REFERENCE

CHECKS = ("static", "numerics", "preprocessing", "accuracy")


#: what is checked unless something else is asked for; the others compare sources with each other
DEFAULT_CHECKS = ("static", "accuracy")


DEVICES = ("cpu", "cuda")


RUNTIMES = ("native", "openvino", "onnxruntime")


PRECISIONS = ("fp32", "bf16")


ENGINES = ("local", "ray")


@dataclass(frozen=True)
class Options:
    """What was asked for; see `python -m harness.run --help`."""

    tables: tuple[Path, ...] = (REFERENCE / "cspnet.md",)  #: files, folders and patterns
    upstream: tuple[Path, ...] = ()  #: documents that the sources publish, besides those in their packages
    sources: tuple[str, ...] = ()  #: empty is every source of the table that is known
    models: tuple[str, ...] = ()  #: empty is every model of the table
    data: Location | None = None
    labels: Path | None = None
    weights: str | None = None  #: "auto", "none" or a folder; None is auto with data and none without
    checks: tuple[str, ...] = DEFAULT_CHECKS
    why: bool = False  #: also why an accuracy differs, one factor swapped at a time
    limit: int | None = None
    stop_early: bool = False  #: a row's evaluation ends once its accuracies are decided
    batch_size: int = 32
    device: str = "cpu"
    runtime: str = "native"
    precision: str = "fp32"
    engine: str = "local"
    ray_address: str | None = None
    ray_cpus: int | None = None  #: processors of a node for each part; None is as many as the smallest node has
    store: Location | None = None  #: None is a folder of `out`
    out: Path = Path("parity-report")
    fix: bool = False  #: also write copies of the tables with the cells corrected
    gallery: bool = False  #: also copy images on which sources differ into the page
    annotate: bool = False  #: also print what is wrong as annotations of the tables' lines


def nearest(name: str, valid: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, valid, n=1)
    return f"did you mean {near[0]}?" if near else f"expected one of {', '.join(valid)}"


def command_of(options: Options) -> str:
    """What was asked for, as a command."""
    parts = ["python -m harness.run"]
    parts += [f"--table {' '.join(map(_quoted, options.tables))}"] if options.tables != Options().tables else []
    parts += [f"--sources {shlex.quote(','.join(options.sources))}"] if options.sources else []
    parts += [f"--models {shlex.quote(','.join(options.models))}"] if options.models else []
    parts += [f"--data {_quoted(options.data)}"] if options.data else []
    parts += [f"--labels {_quoted(options.labels)}"] if options.labels else []
    parts += [f"--weights {_shown_weights(options.weights)}"] if options.weights else []
    parts += [f"--checks {','.join(options.checks)}"]
    parts += ["--why"] if options.why else []
    parts += [f"--limit {options.limit}"] if options.limit else []
    parts += ["--gallery"] if options.gallery else []
    parts += ["--stop-early"] if options.stop_early else []
    parts += [f"--batch-size {options.batch_size}"] if options.batch_size != Options().batch_size else []
    parts += [f"--device {options.device}"] if options.device != Options().device else []
    parts += [f"--runtime {options.runtime}"] if options.runtime != Options().runtime else []
    parts += [f"--precision {options.precision}"] if options.precision != Options().precision else []
    parts += [f"--engine {options.engine}"] if options.engine != Options().engine else []
    return " ".join(parts)


def _shown_weights(weights: str) -> str:
    return weights if weights in ("auto", "none") else _quoted(Path(weights))


def _quoted(path: Location) -> str:
    """For a shell, which may be started in a folder near this one."""
    return shlex.quote(shown_file(path, above=2))
