"""Where the networks of each source are evaluated: as was asked for, or on the CPU where it cannot use that device."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from harness.adapters.records import CPU, Device
from harness.core import codec
from harness.core.errors import InputError
from harness.core.findings import Finding
from harness.core.records import Source
from harness.execution.devices.builds import misfit
from harness.execution.devices.gpus import machine
from harness.execution.devices.names import parse
from harness.execution.devices.seats import Places, places
from harness.execution.devices.shards import Shard
from harness.execution.environments import Installed
from harness.execution.store import Store
from harness.worker.protocol import Ready
from harness.worker.tasks import AskDevice


class Run(Protocol):
    """What is needed of the run."""

    store: Store

    def identity(self, installed: Installed, kind: str, **rest: Any) -> dict[str, Any]: ...

    def note(self, text: str) -> None: ...


class Placement:
    """The places of the sources of a run, each settled when it is first asked for."""

    def __init__(
        self,
        run: Run,
        device: str,
        shard: Shard | None,
        ask: Callable[[Installed, Places], Ready | str],
        of_cluster: Places | None = None,
    ) -> None:
        """`ask` says what a worker of a source finds at a place, or how it died.

        Raises InputError for a device that is not there.
        """
        self._run = run
        self._shard = shard
        self._ask = ask
        self._merges = shard is not None and shard.merges  # which needs no device, nor has to be where one is
        self._is_here = of_cluster is None
        self.asked = of_cluster or places("cpu" if self._merges else device)
        self.kind = parse(device).kind
        self.on_cpu: list[Finding] = []  #: sources that cannot use the device
        self._settled: dict[Source, Places] = {}
        self._lock = threading.Lock()

    def of(self, installed: Installed) -> Places:
        """Where the source's networks are evaluated. Raises InputError where the driver is too old for the source."""
        if self.kind == "cpu":
            return self.asked
        with self._lock:
            if installed.source not in self._settled:
                found = self._of_shards(installed) if self._merges else self._found(installed)
                self._settled[installed.source] = found
            return self._settled[installed.source]

    def _found(self, installed: Installed) -> Places:
        asked, run = self.asked.device, self._run
        identity = run.identity(installed, AskDevice.kind, device=asked.identity)
        if asked.name and run.store.cached(identity):  # it could before; that it could not may have been repaired
            return self._noted(installed, self.asked)
        said = self._ask(installed, self.asked)
        refused = said if isinstance(said, str) else said.refused
        if isinstance(said, Ready) and not refused:
            run.store.save(identity, {"gpu": said.gpu})
            known = self.asked if asked.name else replace(self.asked, device=replace(asked, name=said.gpu))
            return self._noted(installed, known)
        if self._is_here and (why := misfit(installed.packages, machine().gpus)) is not None:
            raise InputError(f"--device: {installed.source} cannot use the GPU: {why}")
        text = f"{installed.source} cannot use the GPU, so its networks run on the CPU: {refused}"
        run.note(text)
        self._on_cpu(installed, f"{text}.")
        return self._noted(installed, Places())

    def _on_cpu(self, installed: Installed, text: str) -> None:
        self.on_cpu.append(Finding("runs_on_cpu", str(installed.source), "", text))

    # -- shards ----------------------------------------------------------------------------------

    def _said_by(self, installed: Installed, number: int, of: int) -> dict[str, Any]:
        """The identity of what a shard says of its device."""
        return self._run.identity(installed, "shard", shard=[number, of])

    def _noted(self, installed: Installed, placed: Places) -> Places:
        """The same; a shard notes it, for the run that merges."""
        if self._shard is not None and self._shard.number is not None:
            identity = self._said_by(installed, self._shard.number, self._shard.of)
            self._run.store.save(identity, codec.plain(placed.device))
        return placed

    def _of_shards(self, installed: Installed) -> Places:
        """What the shards ran on. Raises InputError where that was not one kind of device."""
        assert self._shard is not None
        found: dict[Device, list[int]] = {}
        for number in range(1, self._shard.of + 1):
            if (said := self._run.store.cached(self._said_by(installed, number, self._shard.of))) is not None:
                found.setdefault(codec.decode(Device, said), []).append(number)
        if len(found) > 1:
            listed = "; ".join(f"{device}: {', '.join(map(str, numbers))}" for device, numbers in found.items())
            raise InputError(
                f"--shard {self._shard}: the shards of {installed.source} ran on different devices ({listed}), so "
                "together they are not what one run would give. Run those of one kind again"
            )
        device = next(iter(found), CPU)
        if found and device.kind == "cpu":
            self._on_cpu(installed, f"{installed.source} could not use the GPU, so its networks ran on the CPU.")
        return replace(self.asked, device=device)
