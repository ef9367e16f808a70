"""The parent's side of a worker: starts it in the source's environment and reads what it reports."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import functools
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar

import harness
from harness.core import cancellation
from harness.dataset.remote import fetched
from harness.execution.devices.seats import Seat
from harness.execution.environments import Installed
from harness.execution.registry import ADAPTERS, SourceSpec
from harness.worker import protocol
from harness.worker.images import ImageRef
from harness.worker.protocol import Done, Event, Failed, Predicted, Ready
from harness.worker.tasks import AskDevice, Job, Task

#: glibc gives large activations back to the kernel after every layer and allocates them again, page by page; keeping
#: them halves the time of a forward pass on a CPU and changes no result.
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**33), "MALLOC_TOP_PAD_": str(2**26)}

#: packages of the harness that can be imported in a worker
IN_WORKERS = ("core", "worker")

Handle = Callable[[int, Event], None]
K = TypeVar("K")


def run(
    installed: Installed,
    tasks: Sequence[Task],
    handle: Handle,
    log: Path,
    device: str = "cpu",
    threads: int | None = None,
    note: Callable[[str], None] = lambda _text: None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Runs the tasks in order and hands every event to `handle(task index, event)`.

    When a worker dies, only its present task is lost: that task fails with the reason and a new worker goes on
    with the next. What it had sent before was handled already. `threads` bounds the frameworks' own
    threads, for workers that run side by side; `note` gets what the author of the adapter has to change.
    """
    _work(Worker(installed, log, device, threads, note, environment), iter(enumerate(tasks)), handle)


class Shared:
    """Tasks that several workers take, each the next one."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = iter(tasks)
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[tuple[Task, Task]]:
        """Each task that is left, as what its events are told by, too."""
        while True:
            with self._lock:
                task = next(self._tasks, None)
            if task is None:
                return
            yield task, task


def share(
    installed: Installed,
    tasks: Shared,
    handle: Callable[[Task, Event], None],
    log: Path,
    threads: int | None = None,
    note: Callable[[str], None] = lambda _text: None,
) -> None:
    """As run(), of tasks that other workers of the source take, too; `handle` gets the task with every event."""
    _work(Worker(installed, log, threads=threads, note=note), iter(tasks), handle)


def ask_device(installed: Installed, log: Path, seat: Seat) -> Ready | str:
    """What a worker of the source says of the device of its seat; or how it died."""
    with Worker(installed, log, seat.device, seat.threads, environment=seat.environment) as worker:
        return worker.do(AskDevice(), lambda _: None) or worker.used


def _work(worker: Worker, tasks: Iterator[tuple[K, Task]], handle: Callable[[K, Event], None]) -> None:
    with worker:
        for key, task in tasks:
            with _with_images(task) as ready:
                death = worker.do(ready, functools.partial(handle, key))
            if death is None:
                continue
            handle(key, Failed("WorkerDied", death))
            if not (worker.was_ready or worker.was_killed):  # it would not reach the others either
                for lost, _ in tasks:
                    handle(lost, Failed("WorkerDied", death))


@contextlib.contextmanager
def _with_images(task: Task) -> Iterator[Task]:
    """The task with images that a worker can read."""
    refs: Sequence[ImageRef] = getattr(task, "images", ())
    if all(ref.row is None for ref in refs):
        yield task
        return
    with fetched(refs) as files:
        yield dataclasses.replace(task, images=files)  # type: ignore[call-arg]


class Worker:
    """A process in a source's environment that does one task after the other; started when the first one comes."""

    def __init__(
        self,
        installed: Installed,
        log: Path,
        device: str = "cpu",
        threads: int | None = None,
        note: Callable[[str], None] = lambda _text: None,
        environment: Mapping[str, str] | None = None,
        within: cancellation.Cancellation | None = None,
    ) -> None:
        """See run(); its process has `environment` besides, and ends with `within`, by default the caller's."""
        self._installed = installed
        self._note = note
        self._log = self._written = log
        self._device = device
        self._threads = threads
        self._more = dict(environment or {})
        self._within = within
        self._process: subprocess.Popen[str] | None = None
        self._cancellation = cancellation.current()
        self._path: tempfile.TemporaryDirectory[str] | None = None
        self._log_start = 0
        self.was_ready = False  #: whether the adapter of the present or last process could be imported
        self.was_killed = False  #: whether a signal ended the last process
        self.used = Ready()  #: what the present or last process said of itself

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if self._process is not None:
            if kind is not None:
                self._process.terminate()
            self._end()

    def do(self, task: Task, handle: Callable[[Event], None]) -> str | None:
        """Hands every event of the task to `handle`, Done or Failed last.

        Returns None, or how the process died before the task ended; the next task starts a new one.
        """
        line = protocol.encode(task)  # first: a task that cannot be sent is not a fault of the worker
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            # one that died before it read its task has an exit status that says how
            with contextlib.suppress(BrokenPipeError):
                _tell(process, line)
            for answer in process.stdout:
                if not answer.endswith("\n"):
                    break  # it died while it wrote this one
                event = protocol.decode_event(answer)
                if isinstance(event, Ready):
                    self.was_ready, self.used = True, event
                    for text in event.notes:
                        self._note(f"{self._installed.source}: {text}")
                    continue
                handle(event)
                if isinstance(event, (Done, Failed)):
                    return None
                if isinstance(event, Predicted):
                    with contextlib.suppress(BrokenPipeError):
                        _tell(process, "")  # they are stored
        except BaseException:
            process.terminate()
            self._end()
            raise
        cancellation.check()  # it may have been ended by an interruption
        return _describe(self._installed, self._end(), self._written, self._log_start)

    def _start(self) -> subprocess.Popen[str]:
        self.was_ready = False
        self._cancellation = self._within or cancellation.current()
        with self._open_log() as stderr:
            self._path = tempfile.TemporaryDirectory(prefix="parity-path-")
            self._log_start = stderr.tell()
            # a separate folder, because Python imports from the folder that it is started in before all others
            own = Path(self._path.name) / "working"
            own.mkdir()
            self._process = self._cancellation.start(
                [str(self._installed.python), "-m", "harness.worker"],
                cwd=own,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=_environment(self._installed, Path(self._path.name) / "path", self._threads) | self._more,
                text=True,
                encoding="utf-8",
            )
        with contextlib.suppress(BrokenPipeError):
            _tell(self._process, protocol.encode(Job(self._installed.spec.module, self._device)))
        return self._process

    def _open_log(self) -> BinaryIO:
        """The log, or the next to it that no worker of another run writes to: its last line must be its own."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        number, self._written = 1, self._log
        while True:
            file = self._written.open("ab")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the worker inherits it
            except BlockingIOError:
                file.close()
                number += 1
                self._written = self._log.with_suffix(f".{number}{self._log.suffix}")
            except OSError:  # not every file system has locks
                return file
            else:
                return file

    def _end(self) -> int:
        """Waits for the process to end and returns its status."""
        process, self._process = self._process, None
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        status = process.wait()
        process.stdout.close()  # not before: a worker whose events are not read assumes that its parent is dead
        self.was_killed = status < 0
        self._cancellation.ended(process)
        if self._path is not None:
            self._path.cleanup()
        return status


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def make_path(spec: SourceSpec, path: Path, packages: Sequence[str] = IN_WORKERS) -> None:
    """Makes the folder of what can be imported in a worker: parts of the harness, the adapters and the source's own.

    The harness's own libraries are not there, in whichever environment they are installed.
    """
    root = Path(str(harness.__file__)).parent
    (path / root.name).mkdir(parents=True)
    for name in ("__init__.py", *packages):
        (path / root.name / name).symlink_to(root / name)
    (path / root.name / ADAPTERS.name).symlink_to(ADAPTERS)
    top, *inside = spec.module.split(".")
    if inside and top != root.name:
        (path / top).symlink_to(spec.package)
    elif not inside:
        (path / f"{top}.py").symlink_to(spec.package / f"{top}.py")


def _environment(installed: Installed, path: Path, threads: int | None) -> dict[str, str]:
    make_path(installed.spec, path)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    limits = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "MKL", "OPENBLAS") if threads}
    limits |= {"PARITY_THREADS": str(threads)} if threads else {}  # of the harness itself, which decodes in them
    # by default Paddle uses one thread, the others all
    processors = {"OMP_NUM_THREADS": str(len(os.sched_getaffinity(0)))}
    python = {"PYTHONPATH": str(path), "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
    return {**KEEP_MEMORY, **processors, **inherited, **limits, **python}


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
    last = lines[-1].strip() if lines else "(the log is empty)"
    return f"the worker of {installed.source} {how}. Last log line: {last[:300]}. Full log: {log}"
