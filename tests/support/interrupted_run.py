"""`python -m harness.run` with the fake source as the only one that there is, each command in a process of its own.

Importing takes longer than what they do, so all are forked from one process that has done so. It reads JSON objects,
one a line: {"start": arguments, "environment": variables, "output": file} is answered with the process and
{"wait": process} with its exit status, negative for a signal. What a command prints goes to the file, and the runs
of its results to another one beside it.

The variable `FAULT` is "kill N" or "full N": at the Nth step of writing, renaming or removing a file the process is
killed, or from the Nth file on the disk is full; what was being written is there by half.
"""

import dataclasses
import errno
import itertools
import json
import os
import signal
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import use_fakes

from harness.checks import run as checks
from harness.checks.results import Results
from harness.cli import interruption, run
from harness.execution.session import Progress
from harness.plan.preview import Preview

#: seconds after which a command is taken to hang
PATIENCE = 60.0


def plant(kind: str, at: int) -> None:
    steps = itertools.count(1)

    def halved(file: int) -> bool:
        """Whether it is a file, which then has lost its second half."""
        status = os.fstat(file)
        if stat.S_ISREG(status.st_mode):
            os.ftruncate(file, status.st_size // 2)
        return stat.S_ISREG(status.st_mode)

    def killing(real: Callable[..., Any]) -> Callable[..., Any]:
        def step(file: Any, *arguments: Any, **options: Any) -> Any:
            if next(steps) == at:
                if isinstance(file, int):
                    halved(file)
                os.kill(os.getpid(), signal.SIGKILL)
            return real(file, *arguments, **options)

        return step

    real = os.fsync

    def full(file: int) -> None:
        if stat.S_ISREG(os.fstat(file).st_mode) and next(steps) >= at and halved(file):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(file)

    if kind == "full":
        os.fsync = full
    else:
        os.fsync = killing(os.fsync)
        Path.rename, Path.unlink = killing(Path.rename), killing(Path.unlink)  # type: ignore[method-assign]


def begin(arguments: list[str], environment: dict[str, str], output: str) -> int:
    """In the process that is to run the command: its exit status."""
    os.setsid()  # a process group, as a terminal makes one
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor, target in ((os.open(os.devnull, os.O_RDONLY), 0), (file, 1), (file, 2)):
        os.dup2(descriptor, target)
    os.environ.update(environment)
    patch = pytest.MonkeyPatch()
    use_fakes(patch)
    execute = checks.execute

    def executed(seen: Preview, progress: Progress) -> Results:
        results = execute(seen, progress)
        Path(f"{output}.runs").write_text(json.dumps([dataclasses.asdict(one) for one in results.runs]))
        return results

    patch.setattr(checks, "execute", executed)
    if fault := environment.get("FAULT"):
        kind, at = fault.split()
        plant(kind, int(at))
    interruption.start(lambda: run.main(arguments))


def end(process: int) -> int:
    """Waits for a process; returns its exit status."""
    started = time.monotonic()
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() - started > PATIENCE:
            os.killpg(process, signal.SIGKILL)
        time.sleep(0.002)


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        if "wait" in asked:
            print(end(asked["wait"]), flush=True)
            continue
        process = os.fork()
        if not process:
            sys.exit(begin(asked["start"], asked["environment"], asked["output"]))
        print(process, flush=True)


if __name__ == "__main__":
    main()
