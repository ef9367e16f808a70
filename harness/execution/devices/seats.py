"""Where the workers of a run are put: on one device, or a worker on each of several."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.adapters.records import CPU, Device
from harness.core.errors import InputError
from harness.execution.devices.gpus import Machine, machine
from harness.execution.devices.names import Asked, parse


@dataclass(frozen=True)
class Seat:
    """Where a worker runs."""

    device: str = "cpu"  #: as its adapter is told
    label: str = "cpu"  #: for people
    environment: Mapping[str, str] = field(default_factory=dict)  #: what its process has besides, so that it is there
    threads: int | None = None  #: that it may have; None for all


#: a worker that has the processors for itself
ON_CPU = Seat()


@dataclass(frozen=True)
class Places:
    """The seats of a run, and the device that all of them are on."""

    seats: tuple[Seat, ...] = (ON_CPU,)
    device: Device = CPU


def places(text: str, found: Machine | None = None) -> Places:
    """The seats that --device asks for. Raises InputError where a device is not there, or where they differ."""
    asked = parse(text)
    if asked.kind == "cpu":
        return Places(_of_cpu(asked))
    return _of_gpus(text, asked, machine() if found is None else found)


def _of_cpu(asked: Asked) -> tuple[Seat, ...]:
    if not asked.numbers:
        return (ON_CPU,)
    threads = max(1, len(os.sched_getaffinity(0)) // len(asked.numbers))
    return tuple(Seat("cpu", f"cpu:{number}", threads=threads) for number in asked.numbers)


def _of_gpus(text: str, asked: Asked, there: Machine) -> Places:
    known = range(len(there.gpus))
    if not there.gpus and not asked.every and not asked.numbers:
        return Places((Seat("cuda", "cuda"),), Device("cuda"))  # whether there is one, the frameworks will tell
    wanted = list(known) if asked.every else list(asked.numbers or (0,))
    if missing := [number for number in wanted if number not in known]:
        raise InputError(f"--device {text}: there is no cuda:{missing[0]}; {_has(there)}")
    if not wanted:
        raise InputError(f"--device {text}: {_has(there)}. Leave --device out to use the CPU")
    kinds: dict[Device, list[int]] = {}
    for number in wanted:
        gpu = there.gpus[number]
        kinds.setdefault(Device("cuda", gpu.name, gpu.driver), []).append(number)
    if len(kinds) > 1:
        listed = "; ".join(f"{kind.name}: cuda:{','.join(map(str, numbers))}" for kind, numbers in kinds.items())
        raise InputError(
            f"--device {text}: the GPUs are of different kinds ({listed}), so that the predictions of an image would "
            "depend on which of them it came to. Name those of one kind"
        )
    threads = max(1, len(os.sched_getaffinity(0)) // len(wanted)) if len(wanted) > 1 else None
    order = {"CUDA_DEVICE_ORDER": os.environ.get("CUDA_DEVICE_ORDER", "PCI_BUS_ID")}  # that of nvidia-smi
    seats = tuple(
        Seat("cuda", f"cuda:{number}", {**order, "CUDA_VISIBLE_DEVICES": there.tokens[number]}, threads)
        for number in wanted
    )
    return Places(seats, next(iter(kinds)))


def _has(there: Machine) -> str:
    """What GPUs there are, as the end of a sentence."""
    if not there.gpus:
        why = there.trouble or "CUDA_VISIBLE_DEVICES hides them" * bool(there.hidden)
        return "this machine shows no GPU" + (f" ({why})" if why else "")
    last = len(there.gpus) - 1
    names = ", ".join(dict.fromkeys(gpu.name for gpu in there.gpus))
    hidden = f"; CUDA_VISIBLE_DEVICES hides {there.hidden} more" if there.hidden else ""
    return f"this machine has cuda:{'0' if not last else f'0 to cuda:{last}'} ({names}){hidden}"
