"""The source and the models that are tested, found once, and what came of each clause."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from harness.adapters.testing.clauses import CLAUSES
from harness.adapters.testing.outcome import NAMES, OUTCOMES, Outcome
from harness.adapters.testing.subject import COLOUR
from PIL import Image

from harness.core.errors import InputError
from harness.core.text import closest, first_few
from harness.execution import environments, registry
from harness.execution.environments import Installed
from harness.execution.process import make_path


@dataclass(frozen=True)
class Asked:
    """A source that is ready and models that it has."""

    installed: Installed
    models: tuple[str, ...]
    _found: dict[str, dict[str, Outcome]] = field(default_factory=dict)

    def outcome(self, model: str, clause: str) -> Outcome:
        """What came of a clause; the first of a model has all of them tried."""
        if model not in self._found:
            self._found[model] = outcomes(self.installed, model)
        return self._found[model][clause]


def resolve(source: str, models: str, runtime: str, note: Callable[[str], None]) -> Asked:
    """What the options ask for; `note` gets a line where that takes long.

    Raises InputError or MeasurementError, once for all tests, where there is no such source, environment or model.
    """
    known = registry.sources()
    if not source:
        raise InputError("--source: name the source that is tested, with --source NAME --models A,B")
    name = source.partition("==")[0].strip()
    if name not in known:
        raise InputError(
            f"--source: unknown source {name!r}{_hint(name, known)} Known: {', '.join(sorted(known))}. "
            "A package of your own has to be installed where pytest is: pip install -e ."
        )
    try:
        version = registry.parse_source(source, known)[1] or known[name].default_version
    except InputError as error:
        raise InputError(f"--source: {str(error).removeprefix('--sources: ')}") from error
    asked = tuple(dict.fromkeys(model.strip() for model in models.split(",") if model.strip()))
    if not asked:
        raise InputError(f"--models: name at least one model of {name}, with commas between several")
    if not environments.is_prepared(known[name], version, runtime):
        note(f"{name} {version}: making its environment, which can take minutes")
    installed = environments.prepare(known[name], version, runtime)
    _know(installed, asked)
    return Asked(installed, asked)


def _know(installed: Installed, models: Sequence[str]) -> None:
    """Raises InputError where the adapter cannot be used or does not have one of the models."""
    with _inside(installed, "names", *models) as (folder, died):
        name = installed.spec.name
        found = json.loads((folder / NAMES).read_text(encoding="utf-8")) if not died else {"error": died}
    if "error" in found:
        raise InputError(f"source {name}: {found['error']}\nRequirement file: {installed.spec.folder / f'{name}.txt'}")
    if found["unknown"]:
        offered = found["offered"]
        lines = [f"--models: {name} has no model {model!r}{_hint(model, offered)}" for model in found["unknown"]]
        raise InputError(" ".join([*lines, f"It has {first_few(offered, 10)}"]))


def _hint(name: str, known: Iterable[str]) -> str:
    near = closest(name, known)
    return f", did you mean {near[0]}?" if near else "."


def outcomes(installed: Installed, model: str) -> dict[str, Outcome]:
    """Clause -> what came of it in the source's own environment; one that ends the process is broken."""
    with _inside(installed, "check", model) as (folder, died):
        file = folder / OUTCOMES
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    read: dict[str, Outcome] = {clause: Outcome(*rest) for clause, *rest in map(json.loads, lines)}
    missing = [clause for clause in CLAUSES if clause not in read]
    for clause in missing:
        how = died or "its process ended early"
        is_first = clause == missing[0]
        after = Outcome("skipped", f"not tried, because clause {missing[0]} ended the process")
        read[clause] = Outcome("broken", f"{how}, expected that it raises nothing") if is_first else after
    return read


@contextmanager
def _inside(installed: Installed, what: str, *models: str) -> Iterator[tuple[Path, str]]:
    """Runs the suite's part in the source's environment: the folder that it wrote to, and how it died, if it did."""
    with tempfile.TemporaryDirectory(prefix="parity-contract-") as place:
        files = Path(place) / "files"
        files.mkdir()
        photos(files)
        make_path(installed.spec, Path(place) / "path")
        inherited: dict[str, Any] = {n: value for n, value in os.environ.items() if not n.startswith("PYTHON")}
        done = subprocess.run(
            [str(installed.python), "-W", "ignore", "-m", "harness.adapters.testing", what, installed.spec.module,
             str(files), *models],
            capture_output=True,
            text=True,
            errors="replace",
            cwd=files,
            env={**inherited, "PYTHONPATH": str(Path(place) / "path"), "PYTHONSAFEPATH": "1"},
        )  # fmt: skip
        last = done.stderr.strip()[-3000:]
        yield files, f"the process ended with status {done.returncode}: {last}" if done.returncode else ""


def photos(folder: Path) -> None:
    """The pictures that a Subject needs."""
    pixels = np.full((300, 400, 3), COLOUR, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, pixels.shape, np.uint8)
    for name, content in (("red", pixels), ("noise", noise)):
        Image.fromarray(content).save(folder / f"{name}.png")
