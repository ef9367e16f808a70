"""The GPUs of this machine, as their driver tells them; no framework is asked."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: what nvidia-smi is asked for; earlier releases do not know the last one
_FIELDS = ("index", "uuid", "name", "driver_version", "memory.total", "compute_cap")
#: seconds; a driver that is stuck never answers
_PATIENCE = 60
#: where the kernel tells of the driver, in containers without nvidia-smi, too
_KERNEL = Path("/proc/driver/nvidia")


@dataclass(frozen=True)
class Gpu:
    """One GPU."""

    number: int  #: as nvidia-smi counts
    uuid: str
    name: str
    driver: str  #: release of the driver
    memory: int | None = None  #: MiB
    capability: tuple[int, int] | None = None  #: compute capability, (9, 0) for sm_90


@dataclass(frozen=True)
class Machine:
    """The GPUs that this process may use, in the order in which it counts them."""

    gpus: tuple[Gpu, ...] = ()
    tokens: tuple[str, ...] = ()  #: of each, what CUDA_VISIBLE_DEVICES has to say so that it is the only one
    trouble: str = ""  #: why the driver does not tell them; "" where it does, or where there is none
    hidden: int = field(default=0)  #: GPUs that CUDA_VISIBLE_DEVICES hides from this process


def machine(environment: Mapping[str, str] | None = None) -> Machine:
    """The GPUs of this machine that CUDA_VISIBLE_DEVICES leaves visible."""
    listed, trouble = _listed()
    if not listed:
        return Machine(trouble=trouble)
    given = (os.environ if environment is None else environment).get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return Machine(listed, tuple(str(gpu.number) for gpu in listed))
    found: list[tuple[Gpu, str]] = []
    for token in filter(None, map(str.strip, given.split(","))):
        gpu = _meant(token, listed)
        if gpu is None:  # CUDA ignores what comes after it, too
            break
        found.append((gpu, token))
    hidden = len(listed) - len({gpu.number for gpu, _ in found})
    return Machine(tuple(gpu for gpu, _ in found), tuple(token for _, token in found), hidden=hidden)


def _meant(token: str, listed: tuple[Gpu, ...]) -> Gpu | None:
    if token.isdecimal():
        return next((gpu for gpu in listed if gpu.number == int(token)), None)
    if token.startswith("MIG-"):  # a part of a GPU; which one, only newer names tell
        return next((gpu for gpu in listed if gpu.uuid.removeprefix("GPU-") in token), listed[0])
    return next((gpu for gpu in listed if token and gpu.uuid.startswith(token)), None)


def _listed() -> tuple[tuple[Gpu, ...], str]:
    """All GPUs, or none and why."""
    trouble = ""
    for fields in (_FIELDS, _FIELDS[:-1]):
        command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_PATIENCE
            )
        except FileNotFoundError:
            return _of_the_kernel(), ""
        except (OSError, subprocess.TimeoutExpired) as error:
            return (), f"nvidia-smi does not answer: {error}"
        if done.returncode == 0:
            return parsed(done.stdout), ""
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        trouble = f"nvidia-smi says: {said[0] if said else f'status {done.returncode}'}"
        if "compute_cap" not in trouble:
            break
    return (), trouble


def parsed(text: str) -> tuple[Gpu, ...]:
    """The GPUs of nvidia-smi's answer, a line each; what is not one is passed over."""
    found = []
    for line in text.splitlines():
        values = [value.strip() for value in line.split(",")]
        if len(values) < len(_FIELDS) - 1 or not values[0].isdecimal():
            continue
        number, uuid, name, driver, memory, *rest = values
        capability = re.fullmatch(r"(\d+)\.(\d+)", rest[0]) if rest else None
        found.append(
            Gpu(
                int(number),
                uuid,
                name,
                driver,
                int(memory) if memory.isdecimal() else None,
                (int(capability[1]), int(capability[2])) if capability else None,
            )
        )
    return tuple(sorted(found, key=lambda gpu: gpu.number))


def _of_the_kernel(folder: Path = _KERNEL) -> tuple[Gpu, ...]:
    """What the driver's files say where nvidia-smi is missing."""
    try:
        version = re.search(r"Kernel Module\D*(\d+(?:\.\d+)+)", (folder / "version").read_text(errors="replace"))
        texts = [file.read_text(errors="replace") for file in sorted(folder.glob("gpus/*/information"))]
    except OSError:
        return ()
    found = []
    for number, text in enumerate(texts):
        told = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}
        found.append(Gpu(number, told.get("GPU UUID", ""), told.get("Model", ""), version[1] if version else ""))
    return tuple(found)
