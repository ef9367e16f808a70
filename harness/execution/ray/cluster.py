"""The connection to a Ray cluster, and how many parts it can run at once."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import ray

from harness.core.errors import InputError

#: seconds in which a cluster has to answer; Ray itself asks for minutes
TIMEOUT_S = 5.0


def connect(address: str | None) -> None:
    named = address or os.environ.get("RAY_ADDRESS") or ("auto" if _answers(_latest()) else "local")
    handler = signal.getsignal(signal.SIGTERM)
    try:
        where = _latest() if named == "auto" else named
        if named != "local" and not _answers(where):
            raise ConnectionError(f"nothing answers at {where or 'this machine'}")
        more = {"include_dashboard": False} if named == "local" else {}
        ray.init(address=named, logging_level=logging.ERROR, log_to_driver=False, **more)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(f"--ray-address {named}: {error}. Start a cluster with `ray start --head`") from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # Ray replaces it, but the command has its own message


def _latest() -> str:
    """The cluster that was last started on this machine, by `ray start` or otherwise; it may be gone."""
    file = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()) / "ray" / "ray_current_cluster"
    with contextlib.suppress(OSError):
        return file.read_text(encoding="utf-8").strip()
    return ""


def _answers(address: str) -> bool:
    """Whether anything listens there; Ray itself rejects what is not an address."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not port.isdigit():
        return bool(address)
    with contextlib.suppress(OSError), socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_S):
        return True
    return False


def shares(nodes: Sequence[tuple[int, int]], cpus: int | None, device: str) -> tuple[int, int]:
    """Processors for each part, and how many parts can run at once, on nodes of so many processors and GPUs."""
    if device == "cuda":
        able = [(processors, gpus) for processors, gpus in nodes if processors and gpus]
        cpus = cpus or max(1, min((processors // gpus for processors, gpus in able), default=1))
        return cpus, max(1, sum(min(processors // cpus, gpus) for processors, gpus in able))
    sizes = [processors for processors, _ in nodes if processors]
    cpus = cpus or min(sizes, default=1)
    return cpus, max(1, sum(size // cpus for size in sizes))
