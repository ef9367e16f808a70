"""Checks that a run finds everything it needs, and says what to do where it does not: parity doctor."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import uv

from harness.core.errors import InputError, MeasurementError
from harness.core.text import plural
from harness.execution import environments
from harness.execution.checkpoints import find
from harness.execution.devices.builds import fitting, misfit, sm
from harness.execution.devices.gpus import machine
from harness.execution.devices.names import parse
from harness.plan.options import Options
from harness.plan.preview import Part, Preview
from harness.plan.preview import preview as preview_of

#: bytes that the environment of a source may take, its downloads included
_ENVIRONMENT = 8 * 2**30
#: bytes of predictions and reports for each image and network
_PREDICTION = 200


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was checked."""

    state: Literal["good", "warning", "bad"]
    about: str
    text: str
    remedy: str = ""


def examine(options: Options) -> list[Diagnosis]:
    """Everything that a run with these options would need, without measuring anything."""
    found = list(_tools())
    try:
        preview = preview_of(options, read=False)
    except InputError as error:
        return [*found, Diagnosis("bad", "options", str(error), "fix this and run `parity doctor` again")]
    checks = (_table, _environments, _engine, _device, _disk, _threads, _data, _checkpoints)
    return [*found, *(one for check in checks for one in check(preview))]


def _tools() -> Iterator[Diagnosis]:
    try:
        yield Diagnosis("good", "uv", f"{uv.find_uv_bin()} makes the environments")
    except FileNotFoundError:
        yield Diagnosis("bad", "uv", "its program is missing", "pip install --force-reinstall uv")


def _table(preview: Preview) -> Iterator[Diagnosis]:
    for problem in preview.planned.table.problems:
        yield Diagnosis("bad", "table", str(problem), "the run ends with exit status 2 because of it")
    if not preview.planned.targets:
        yield Diagnosis("bad", "table", "no row names a source that has an adapter", "name a source with --sources")


def _engine(preview: Preview) -> Iterator[Diagnosis]:
    if preview.options.engine == "ray" and importlib.util.find_spec("ray") is None:
        yield Diagnosis("bad", "engine", "Ray is not installed", "pip install 'parity-harness[ray]'")
    for name, location in (("data", preview.options.data), ("store", preview.options.store)):
        if location is not None and not isinstance(location, Path):
            text = f"{location}: not tested by doctor; the run reports it if it is unreachable"
            yield Diagnosis("warning", name, text)


def _device(preview: Preview) -> Iterator[Diagnosis]:
    """The driver, the GPUs, and whether what the environments have installed can run on them."""
    if parse(preview.options.device).kind != "cuda" or preview.options.engine == "ray":
        return
    found = machine()
    if not found.gpus:
        trouble = found.trouble or "neither nvidia-smi nor the kernel tells of one"
        yield Diagnosis("warning", "device", f"no GPU was found ({trouble})", "leave --device out to use the CPU")
        return
    names = Counter(f"{gpu.name}{f' ({sm(gpu.capability)})' if gpu.capability else ''}" for gpu in found.gpus)
    gpus = ", ".join(f"{count} x {name}" if count > 1 else name for name, count in names.items())
    fits = ", ".join(build.backend for build in fitting(found.gpus)) or "none that is known"
    text = f"{gpus}, driver {found.gpus[0].driver or 'unknown'}; builds of PyTorch that fit: {fits}"
    yield Diagnosis("good", "device", text)
    for part in preview.parts:
        spec = preview.planned.known[part.source.name]
        packages = environments.installed_packages(spec, part.source.version, preview.options.runtime)
        if (why := misfit(packages, found.gpus)) is not None:
            wrong, _, remedy = why.partition(". ")
            yield Diagnosis("bad", f"device of {part.source}", wrong, remedy)


def _environments(preview: Preview) -> Iterator[Diagnosis]:
    for part in preview.parts:
        if part.prepared:
            yield Diagnosis("good", f"{part.source}", f"its environment is ready; {_models(part)}")
        else:
            text = f"its environment will be made on first use; {_models(part)}"
            yield Diagnosis("warning", f"{part.source}", text, "this takes minutes and needs a package index")


def _models(part: Part) -> str:
    return f"{plural(part.models, 'model')} to check"


def _disk(preview: Preview) -> Iterator[Diagnosis]:
    missing = sum(not part.prepared for part in preview.parts)
    wanted = {environments.cache(): missing * _ENVIRONMENT, preview.options.out: preview.forward_passes * _PREDICTION}
    for folder, needed in wanted.items():
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        if not there.is_dir():
            yield Diagnosis("bad", "disk", f"{there} is not a folder", "set PARITY_CACHE or --out")
            continue
        free = shutil.disk_usage(there).free
        text = f"{free / 2**30:.1f} GiB free in {folder}"
        text += f", {needed / 2**30:.1f} GiB may be needed" if needed else ""
        if not os.access(there, os.W_OK):
            yield Diagnosis("bad", "disk", f"{folder} is not writable", "set PARITY_CACHE or --out")
        elif free < needed:
            yield Diagnosis("bad", "disk", text, "free some space, or set PARITY_CACHE or --out")
        else:
            yield Diagnosis("good", "disk", text)


def _threads(_: Preview) -> Iterator[Diagnosis]:
    processors = len(os.sched_getaffinity(0))
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked and (not asked.isdecimal() or int(asked) != processors):
        text = f"OMP_NUM_THREADS is {asked}, but this process may use {processors} CPUs"
        yield Diagnosis("warning", "threads", text, "unset OMP_NUM_THREADS, unless other programs need the other CPUs")
    else:
        yield Diagnosis("good", "threads", f"{processors} CPUs")


def _data(preview: Preview) -> Iterator[Diagnosis]:
    images = preview.images
    if images is None:
        yield Diagnosis("warning", "data", "not given, accuracy cells will not be checked", "pass --data to check them")
        return
    state: Literal["good", "warning"] = "good" if images.is_imagenet_val else "warning"
    remedy = "" if images.is_imagenet_val else "accuracies are measured, but not compared with the documented ones"
    yield Diagnosis(state, "data", images.identity, remedy)
    if images.labelled_by:
        yield Diagnosis("good", "labels", f"from {images.labelled_by}")
    for note in images.notes:
        yield Diagnosis("warning", "data", note)


def _checkpoints(preview: Preview) -> Iterator[Diagnosis]:
    weights = preview.options.weights
    if not any(part.networks for part in preview.parts):
        return
    if weights in (None, "auto"):
        yield Diagnosis("good", "weights", f"the official ones, downloaded into {environments.cache() / 'weights'}")
        return
    for target in preview.planned.targets:
        row, source = target.row, target.source
        try:
            declared = preview.planned.page(row).weights.get(row.model)
            found = find(str(weights), source.name, row.model, row.model, None, declared, Path())
        except InputError as error:
            yield Diagnosis("bad", f"weights of {source} {row.model}", str(error))
        except MeasurementError as error:
            # the run also looks for its official name, which only the source knows
            yield Diagnosis("warning", f"weights of {source} {row.model}", str(error))
        else:
            yield Diagnosis("good", f"weights of {source} {row.model}", f"{found.file}, {found.sha256[:16]}")
