"""The parent's side of a worker: starts it in the source's environment and reads what it reports."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.environments import Installed

#: glibc gives large activations back to the kernel after every layer and takes them anew, page by page; keeping
#: them halves the time of a forward pass on a CPU and changes no result.
_KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**33), "MALLOC_TOP_PAD_": str(2**26)}

Event = Mapping[str, Any]
Handle = Callable[[int, Event], None]


def run(
    installed: Installed,
    tasks: Sequence[Mapping[str, Any]],
    handle: Handle,
    log: Path,
    device: str = "cpu",
    threads: int | None = None,
) -> Event:
    """Runs the tasks in order and hands every event to `handle(task index, event)`; returns the ready event.

    A worker that dies takes only the task it was at with it: that task fails with the reason and a new worker
    goes on with the next. What it had sent before was handled already. `threads` bounds the frameworks' own
    threads, for workers that run side by side.
    """
    ready: Event = {}
    done = 0
    while done < len(tasks):
        job = {
            "module": installed.spec.module,
            "device": device,
            "threads": threads,
            "tasks": list(tasks[done:]),
        }

        def shifted(index: int, event: Event, base: int = done) -> None:
            handle(base + index, event)

        finished, new_ready, death = _run_once(installed, job, shifted, log, threads)
        ready = new_ready or ready
        done += finished
        if death is not None and done < len(tasks):
            failed = range(done, done + 1) if new_ready else range(done, len(tasks))  # it never got to any task
            for index in failed:
                handle(index, {"event": "failed", "error": "WorkerDied", "message": death})
            done = failed.stop
    return ready


def _run_once(
    installed: Installed, job: Mapping[str, Any], handle: Handle, log: Path, threads: int | None
) -> tuple[int, Event, str | None]:
    """How many tasks came to an end, the ready event, and how the worker died if it did."""
    finished = 0
    ready: Event = {}
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="parity-path-") as path, log.open("ab") as stderr:
        start = stderr.tell()
        process = subprocess.Popen(
            [str(installed.python), "-m", "harness.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=_environment(installed, Path(path), threads),
            text=True,
            encoding="utf-8",
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            # one that died before it read its job has an exit status that says how
            with contextlib.suppress(BrokenPipeError), process.stdin:
                json.dump(job, process.stdin)
            for line in process.stdout:
                if not line.endswith("\n"):
                    break  # it died while it wrote this one
                event = json.loads(line)
                if event["event"] == "ready":
                    ready = event
                else:
                    handle(event["task"], event)
                    finished += event["event"] in ("done", "failed")
        except BaseException:
            process.terminate()
            raise
        finally:
            process.stdout.close()
            status = process.wait()
    death = None
    if finished < len(job["tasks"]):
        death = _describe(installed, status, log, start)
    return finished, ready, death


def _environment(installed: Installed, path: Path, threads: int | None) -> dict[str, str]:
    """Only this package and the adapter's are visible inside, never the harness's own libraries."""
    package = Path(__file__).parent
    (path / package.name).symlink_to(package)
    top = installed.spec.module.split(".")[0]
    folder = installed.spec.folder
    if "." in installed.spec.module:
        for _ in range(installed.spec.module.count(".") - 1):
            folder = folder.parent
        (path / top).symlink_to(folder)
    else:
        (path / f"{top}.py").symlink_to(folder / f"{top}.py")
    if not (path / "adapters").exists():  # third-party adapters build on the contract
        (path / "adapters").symlink_to(package.parent / "adapters")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    limits = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "MKL", "OPENBLAS") if threads}
    return {**_KEEP_MEMORY, **inherited, **limits, "PYTHONPATH": str(path), "PYTHONUNBUFFERED": "1"}


def _describe(installed: Installed, status: int, log: Path, start: int) -> str:
    """How a worker died, with the end of what it wrote to its log."""
    if status < 0:
        name = signal.Signals(-status).name
        hint = "; the machine may have run out of memory, try a smaller --batch-size" if name == "SIGKILL" else ""
        how = f"was killed by {name}{hint}"
    else:
        how = f"ended with status {status}"
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").strip().splitlines()
    last = lines[-1].strip() if lines else "it wrote nothing"
    return f"the worker of {installed.source} {how}. Its last words: {last[:300]}. Full log: {log}"
