"""What does the parts on the nodes: tasks that Ray puts wherever there are processors, or an actor on each GPU.

An actor keeps its process, and Ray its GPU for it, so the worker that it starts is on that GPU for good. A process that
does tasks one after the other may be given another GPU for each, which a worker that is kept from the one before would
not notice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import ray

from harness.adapters.records import Device
from harness.execution.ray.node import Part, gpu_here, run_part

#: how often a part is started again whose node or process died
RETRIES = 10
#: parts handed to Ray for each that can run at once
_AHEAD = 2


class Hands(Protocol):
    """Something that does parts."""

    def free(self, running: int) -> bool:
        """Whether it takes another part, with so many running."""
        ...

    def give(self, part: Part, checkpoints: Sequence[Any]) -> Any:
        """Ray's reference of the part's events."""
        ...

    def waits(self) -> list[Any]:
        """References that are ready when it takes another part."""
        ...

    def came(self, reference: Any) -> None:
        """One of waits() is ready."""
        ...

    def died(self, reference: Any) -> bool:
        """Whether what did the part of a reference that is ready died with it, and did not finish it."""
        ...

    def close(self) -> None: ...


class Tasks:
    """Hands without GPUs. Ray starts what dies again by itself."""

    def __init__(self, cpus: int, slots: int) -> None:
        self._most = _AHEAD * slots
        self._task = ray.remote(run_part).options(
            num_cpus=cpus, num_gpus=0, max_retries=RETRIES, scheduling_strategy="SPREAD"
        )

    def free(self, running: int) -> bool:
        return running < self._most

    def give(self, part: Part, checkpoints: Sequence[Any]) -> Any:
        return self._task.remote(part, *checkpoints)

    def waits(self) -> list[Any]:
        return []

    def came(self, reference: Any) -> None: ...

    def died(self, reference: Any) -> bool:  # noqa: ARG002  Ray sees to it
        return False

    def close(self) -> None: ...


class _Desk:
    """An actor: a place with one GPU."""

    def hello(self) -> tuple[str, Device]:
        return gpu_here()

    def do(self, part: Part, *checkpoints: Any) -> Any:
        return run_part(part, *checkpoints)


class Desks:
    """Hands with a GPU each; those whose GPU is another than the run's do nothing."""

    def __init__(self, cpus: int, slots: int, device: Device, say: Callable[[str], None]) -> None:
        self._device = device
        self._say = say
        self._make = ray.remote(_Desk).options(
            num_cpus=cpus, num_gpus=1, max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD"
        )
        self._coming: dict[Any, Any] = {}  #: reference of its hello -> desk
        self._idle: list[Any] = []
        self._busy: dict[Any, Any] = {}  #: reference of its part -> desk
        for _ in range(slots):
            self._another()

    def _another(self) -> None:
        desk = self._make.remote()
        self._coming[desk.hello.remote()] = desk

    def free(self, running: int) -> bool:  # noqa: ARG002  each has one part
        return bool(self._idle)

    def give(self, part: Part, checkpoints: Sequence[Any]) -> Any:
        desk = self._idle.pop()
        reference = desk.do.remote(part, *checkpoints)
        self._busy[reference] = desk
        return reference

    def waits(self) -> list[Any]:
        return list(self._coming)

    def came(self, reference: Any) -> None:
        desk = self._coming.pop(reference)
        try:
            node, device = ray.get(reference)
        except ray.exceptions.RayError:  # its node is gone
            self._another()
            return
        if self._device.name and device != self._device:
            self._say(f"the node {node} is left out: it has {device}, and the run is on {self._device}")
            ray.kill(desk)
        else:
            self._idle.append(desk)

    def died(self, reference: Any) -> bool:
        desk = self._busy.pop(reference)
        try:
            ray.get(reference)
        except ray.exceptions.RayActorError:
            self._another()
            return True
        except Exception:  # what the part raised, which is told where its events are read
            pass
        self._idle.append(desk)
        return False

    def close(self) -> None:
        for desk in (*self._coming.values(), *self._idle, *self._busy.values()):
            with contextlib.suppress(Exception):  # it may be gone already
                ray.kill(desk)
        self._coming, self._idle, self._busy = {}, [], {}
