"""Whether a run would find what it needs, and what to do where it would not: parity doctor."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import uv

from harness.core.errors import InputError, MeasurementError
from harness.core.text import plural
from harness.execution import environments
from harness.execution.checkpoints import find
from harness.plan.options import Options
from harness.plan.preview import Part, Preview
from harness.plan.preview import preview as look_ahead

#: bytes that the environment of a source may take, its downloads included
_ENVIRONMENT = 8 * 2**30
#: bytes of predictions and reports for each image and network
_PREDICTION = 200


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at."""

    state: Literal["good", "warning", "bad"]
    about: str
    text: str
    remedy: str = ""


def examine(options: Options) -> list[Diagnosis]:
    """Everything that a run with these options would need, without measuring anything."""
    found = list(_tools())
    try:
        seen = look_ahead(options)
    except InputError as error:
        return [*found, Diagnosis("bad", "options", str(error), "mend what is named, then ask again")]
    looked_at = (_table, _environments, _engine, _disk, _threads, _data, _checkpoints)
    return [*found, *(one for look in looked_at for one in look(seen))]


def _tools() -> Iterator[Diagnosis]:
    try:
        yield Diagnosis("good", "uv", f"{uv.find_uv_bin()} makes the environments")
    except FileNotFoundError:
        yield Diagnosis("bad", "uv", "its program is not there", "pip install --force-reinstall uv")


def _table(seen: Preview) -> Iterator[Diagnosis]:
    for problem in seen.planned.table.problems:
        yield Diagnosis("bad", "table", str(problem), "what cannot be read is not checked, and the run fails for it")
    if not seen.planned.targets:
        yield Diagnosis("bad", "table", "no row is of a source that can be asked", "name it: --sources")


def _engine(seen: Preview) -> Iterator[Diagnosis]:
    if seen.options.engine == "ray" and importlib.util.find_spec("ray") is None:
        yield Diagnosis("bad", "engine", "Ray is not installed", "pip install 'parity-harness[ray]'")
    if seen.options.device == "cuda" and shutil.which("nvidia-smi") is None:
        yield Diagnosis("warning", "device", "no GPU was found here (there is no nvidia-smi)", "leave --device out")
    for place in (seen.options.data, seen.options.store):
        if place is not None and not isinstance(place, Path):
            yield Diagnosis("warning", "place", f"{place}: whether it can be reached is seen by the run alone")


def _environments(seen: Preview) -> Iterator[Diagnosis]:
    for part in seen.parts:
        if part.prepared:
            yield Diagnosis("good", f"{part.source}", f"its environment is ready; {_models(part)}")
        else:
            text = f"its environment will be made on first use; {_models(part)}"
            yield Diagnosis("warning", f"{part.source}", text, "takes minutes and a connection to a package index")


def _models(part: Part) -> str:
    return f"{plural(part.models, 'model')} to check"


def _disk(seen: Preview) -> Iterator[Diagnosis]:
    missing = sum(not part.prepared for part in seen.parts)
    wanted = {environments.cache(): missing * _ENVIRONMENT, seen.options.out: seen.forward_passes * _PREDICTION}
    for folder, needed in wanted.items():
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        if not there.is_dir():
            yield Diagnosis("bad", "disk", f"{there} is no folder", "choose another: PARITY_CACHE, --out")
            continue
        free = shutil.disk_usage(there).free
        text = f"{free / 2**30:.1f} GiB free in {folder}"
        text += f", {needed / 2**30:.1f} GiB may be needed" if needed else ""
        if not os.access(there, os.W_OK):
            yield Diagnosis("bad", "disk", f"{folder} cannot be written to", "choose another: PARITY_CACHE, --out")
        elif free < needed:
            yield Diagnosis("bad", "disk", text, "free some, or choose another place: PARITY_CACHE, --out")
        else:
            yield Diagnosis("good", "disk", text)


def _threads(_: Preview) -> Iterator[Diagnosis]:
    processors = len(os.sched_getaffinity(0))
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked and (not asked.isdecimal() or int(asked) != processors):
        text = f"OMP_NUM_THREADS is {asked}, this process may use {processors} processors"
        yield Diagnosis("warning", "threads", text, "unset OMP_NUM_THREADS, unless other work runs beside it")
    else:
        yield Diagnosis("good", "threads", f"{processors} processors")


def _data(seen: Preview) -> Iterator[Diagnosis]:
    images = seen.images
    if images is None:
        text = "none was given, so that no accuracy is checked"
        yield Diagnosis("warning", "data", text, "pass --data with ImageNet val")
        return
    state: Literal["good", "warning"] = "good" if images.is_imagenet_val else "warning"
    remedy = "" if images.is_imagenet_val else "accuracies are measured, but not held against what is documented"
    yield Diagnosis(state, "data", images.identity, remedy)
    for note in images.notes:
        yield Diagnosis("warning", "data", note)


def _checkpoints(seen: Preview) -> Iterator[Diagnosis]:
    weights = seen.options.weights
    if not any(part.networks for part in seen.parts):
        return
    if weights in (None, "auto"):
        yield Diagnosis("good", "weights", f"the official ones, brought into {environments.cache() / 'weights'}")
        return
    for target in seen.planned.targets:
        row, source = target.row, target.source
        try:
            declared = seen.planned.page(row).weights.get(row.model)
            found = find(str(weights), source.name, row.model, row.model, None, declared, Path())
        except InputError as error:
            yield Diagnosis("bad", f"weights of {source} {row.model}", str(error))
        except MeasurementError as error:
            # under its official name, too, which the source is asked for by the run alone
            yield Diagnosis("warning", f"weights of {source} {row.model}", str(error))
        else:
            yield Diagnosis("good", f"weights of {source} {row.model}", f"{found.file}, {found.sha256[:16]}")
