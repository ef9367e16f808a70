"""What the parent hears of a worker, and what becomes of the tasks of one that dies."""

import dataclasses
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes import VERSION, contents, evaluation_task, installed, of_model, passes, write_images
from folders import SUPPORT

from harness.core.records import Source
from harness.execution import process as workers
from harness.execution.environments import Installed
from harness.execution.process import Worker
from harness.execution.registry import SourceSpec
from harness.worker import protocol
from harness.worker.protocol import Event, Predicted
from harness.worker.tasks import Count, Evaluate, ListModels, Task

Heard = list[tuple[int, Any]]


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    """Two that wait for each other fail a test instead of stopping all of them."""

    def give_up(*_: object) -> None:
        raise TimeoutError("they wait for each other")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def static(model: str) -> Count:
    return Count(model, [])


def evaluation(folder: Path, model: str, number: int, batch_size: int) -> Evaluate:
    return evaluation_task(write_images(folder, contents(number), [5] * number), model, batch_size)


def hear(tasks: Sequence[Task], tmp_path: Path, ready: Installed | None = None, threads: int | None = None) -> Heard:
    heard: Heard = []
    log = tmp_path / "logs" / "worker.log"
    workers.run(ready or installed(), tasks, lambda *event: heard.append(event), log, threads=threads)
    return heard


def kinds(heard: Heard) -> list[tuple[int, str]]:
    return [(index, event.event) for index, event in heard]


def script(tmp_path: Path, body: str) -> Installed:
    """A worker whose interpreter is a shell script."""
    path = tmp_path / "interpreter"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return installed(python=path)


def test_events_come_in_the_order_of_the_tasks(tmp_path: Path) -> None:
    tasks = [ListModels(), static("twin"), evaluation(tmp_path / "data", "tiny", 5, 2)]
    heard = hear(tasks, tmp_path)
    assert kinds(heard) == [
        (0, "models"),
        (0, "done"),
        (1, "static"),
        (1, "done"),
        (2, "network"),
        (2, "predictions"),
        (2, "predictions"),
        (2, "predictions"),
        (2, "done"),
    ]
    rows = [row for _, event in heard if isinstance(event, Predicted) for row in event.rows]
    assert [name.rpartition("/")[2] for name, _, _ in rows] == [f"00{n}.jpg" for n in range(5)]


def test_nothing_is_started_for_nothing(tmp_path: Path) -> None:
    assert hear([], tmp_path, script(tmp_path, f"touch {tmp_path}/started")) == []
    assert not (tmp_path / "started").exists()


def test_a_task_that_fails_does_not_hide_the_others(tmp_path: Path) -> None:
    heard = hear([static("tiny"), static("boom"), static("tinny"), static("twin")], tmp_path)
    assert kinds(heard) == [
        (0, "static"),
        (0, "done"),
        (1, "failed"),
        (2, "failed"),
        (3, "static"),
        (3, "done"),
    ]
    assert heard[2][1].error == "RuntimeError"
    assert heard[2][1].message == "boom cannot be built"
    assert "offers no model 'tinny'; the nearest names are tiny" in heard[3][1].message
    assert "RuntimeError: boom cannot be built" in (tmp_path / "logs/worker.log").read_text()


def test_what_a_framework_prints_is_no_event(tmp_path: Path) -> None:
    heard = hear([static("loud")], tmp_path)
    assert kinds(heard) == [(0, "static"), (0, "done")]
    assert heard[0][1].model == "loud"
    log = (tmp_path / "logs/worker.log").read_text()
    assert "a framework says hello on standard output" in log
    assert '{"event": "static", "task": 0}' in log


def test_a_killed_worker_takes_only_its_task_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_KILL_AFTER", "5")
    heard = hear([static("tiny"), evaluation(tmp_path / "data", "killer", 9, 2), static("twin")], tmp_path)
    assert kinds(heard) == [
        (0, "static"),
        (0, "done"),
        (1, "network"),
        (1, "predictions"),
        (1, "predictions"),
        (1, "failed"),
        (2, "static"),
        (2, "done"),
    ]
    message = heard[5][1].message
    assert message.startswith(f"the worker of fake=={VERSION} was killed by SIGKILL;")
    assert "out of memory, try a smaller --batch-size" in message
    assert "Last log line: (the log is empty)" in message
    assert f"Full log: {tmp_path / 'logs/worker.log'}" in message


def test_an_adapter_that_cannot_be_imported_fails_every_task_with_its_last_words(tmp_path: Path) -> None:
    heard = hear([static("tiny"), static("twin")], tmp_path, installed(module="no_such_adapter"))
    assert kinds(heard) == [(0, "failed"), (1, "failed")]
    for _, event in heard:
        assert "ended with status 1." in event.message
        assert "Last log line: ModuleNotFoundError: No module named 'no_such_adapter'." in event.message


def test_last_words_are_those_of_this_worker(tmp_path: Path) -> None:
    hear([static("tiny")], tmp_path, installed(module="no_such_adapter"))
    (event,) = [event for _, event in hear([static("tiny")], tmp_path, script(tmp_path, "exit 7"))]
    assert "ended with status 7. Last log line: (the log is empty)." in event.message
    assert "No module named" in (tmp_path / "logs/worker.log").read_text(), "the log keeps what was there"


def test_last_words_are_not_those_of_another_run(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "worker.log"
    log.parent.mkdir()
    with log.open("ab") as other:  # as a worker of another run holds it
        fcntl.flock(other, fcntl.LOCK_EX)
        (event,) = [event for _, event in hear([static("tiny")], tmp_path, script(tmp_path, "echo mine >&2; exit 7"))]
    assert f"Last log line: mine. Full log: {tmp_path / 'logs' / 'worker.2.log'}" in event.message
    assert log.read_text() == ""


def test_a_worker_that_never_reads_its_job(tmp_path: Path) -> None:
    big = Count("x" * 2_000_000, [])
    ready = script(tmp_path, f"echo started >> {tmp_path}/starts; echo no such library >&2; exit 3")
    heard = hear([big, static("twin")], tmp_path, ready)
    assert kinds(heard) == [(0, "failed"), (1, "failed")]
    assert "ended with status 3. Last log line: no such library." in heard[0][1].message
    assert (tmp_path / "starts").read_text() == "started\n", "what cannot start is not started for every task"


def test_half_an_event_is_none(tmp_path: Path) -> None:
    ready = script(
        tmp_path,
        """read job; read task
        echo '{"event": "ready"}'
        echo '{"event": "models", "offered": ["tiny"], "aliases": {}}'
        printf '{"event": "models", "ta'
        kill -9 $$""",
    )
    heard = hear([ListModels()], tmp_path, ready)
    assert kinds(heard) == [(0, "models"), (0, "failed")]
    assert "was killed by SIGKILL" in heard[1][1].message


def test_a_worker_ends_with_the_run_that_it_is_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []
    real = subprocess.Popen

    def popen(*arguments: Any, **options: Any) -> subprocess.Popen[str]:
        started.append(real(*arguments, **options))
        return started[-1]

    def interrupt(_: int, event: Event) -> None:
        if event.event == "predictions":
            raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", popen)
    task = evaluation(tmp_path / "data", "slow", 400, 1)
    with pytest.raises(KeyboardInterrupt):
        workers.run(installed(), [task], interrupt, tmp_path / "worker.log")
    (process,) = started
    assert process.returncode == -15, "it was still running and had to be stopped"


def test_a_worker_sees_the_harness_and_its_adapter_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("PYTHONSTARTUP", "/nowhere")
    monkeypatch.setenv("VIRTUAL_ENV", "/nowhere")
    monkeypatch.setenv("KEPT", "yes")
    hear([static("tiny")], tmp_path, script(tmp_path, 'env >&2; echo "seen: $(ls -x $PYTHONPATH)" >&2'), threads=3)
    lines = (tmp_path / "logs/worker.log").read_text().splitlines()
    assert not [line for line in lines if "nowhere" in line]
    assert {"KEPT=yes", "OMP_NUM_THREADS=3", "MKL_NUM_THREADS=3", "OPENBLAS_NUM_THREADS=3"} <= set(lines)
    (seen,) = [line.removeprefix("seen: ").split() for line in lines if line.startswith("seen: ")]
    assert seen == ["fake_adapter.py", "harness"]


def test_nothing_of_the_folder_one_works_in_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "audited"
    for name in ("numpy", "json", "fake_adapter", "select"):
        (here / name).mkdir(parents=True)
        for file in (here / f"{name}.py", here / name / "__init__.py"):
            file.write_text("import pathlib; pathlib.Path(__file__).with_suffix('.ran').touch()")
    monkeypatch.chdir(here)
    assert kinds(hear([static("tiny")], Path("out"))) == [(0, "static"), (0, "done")]
    assert not list(here.rglob("*.ran"))


def test_an_adapter_inside_a_package(tmp_path: Path) -> None:
    folder = tmp_path / "vision" / "zoo"
    folder.mkdir(parents=True)
    (tmp_path / "vision" / "__init__.py").touch()
    (folder / "__init__.py").touch()
    (folder / "adapter.py").write_bytes((SUPPORT / "fake_adapter.py").read_bytes())
    spec = SourceSpec("zoo", "vision.zoo.adapter", folder, "numpy", VERSION)
    ready = Installed(spec, Source("zoo", VERSION), installed().python, (), "3.11")
    assert kinds(hear([static("tiny")], tmp_path, ready)) == [(0, "static"), (0, "done")]


# --- one task after the other


def asked(worker: Worker, task: Task) -> tuple[list[str], str | None]:
    """Kinds of the events of a task, and how the worker died."""
    events: list[str] = []
    death = worker.do(task, lambda event: events.append(event.event))
    return events, death


def process(worker: Worker) -> subprocess.Popen[str]:
    assert worker._process is not None
    return worker._process


def test_a_process_does_one_task_after_the_other(tmp_path: Path) -> None:
    with Worker(installed(), tmp_path / "worker.log") as worker:
        assert worker._process is None, "it is started when a task comes"
        assert not worker.was_ready
        assert asked(worker, ListModels()) == (["models", "done"], None)
        assert worker.was_ready
        first = process(worker)
        assert asked(worker, static("boom")) == (["failed"], None)
        assert asked(worker, evaluation(tmp_path / "data", "tiny", 3, 2)) == (
            ["network", "predictions", "predictions", "done"],
            None,
        )
        assert asked(worker, static("tiny")) == (["static", "done"], None)
        assert process(worker) is first
        assert first.poll() is None
    assert first.returncode >= 0, "it ends by itself when nothing more can come"


def test_one_that_died_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_KILL_AFTER", "2")
    task = evaluation(tmp_path / "data", "killer", 5, 2)
    with Worker(installed(), tmp_path / "worker.log") as worker:
        events, death = asked(worker, task)
        assert events == ["network", "predictions"]
        assert "was killed by SIGKILL" in (death or "")
        assert worker.was_ready
        assert worker.was_killed
        assert asked(worker, static("tiny")) == (["static", "done"], None)
        second = process(worker)
        os.kill(second.pid, signal.SIGKILL)  # while nobody asks anything of it
        second.wait()
        events, death = asked(worker, static("tiny"))
        assert events == []
        assert "was killed by SIGKILL" in (death or "")
        assert asked(worker, static("twin")) == (["static", "done"], None)
        assert process(worker).pid != second.pid


def test_whether_it_was_ready_is_said_of_the_last_process(tmp_path: Path) -> None:
    ready = script(
        tmp_path,
        f"""read job; read task
        test -e {tmp_path}/started && exit 3
        touch {tmp_path}/started
        echo '{{"event": "ready"}}'
        exit 4""",
    )
    with Worker(ready, tmp_path / "worker.log") as worker:
        assert "ended with status 4" in (asked(worker, ListModels())[1] or "")
        assert not worker.was_killed
        assert worker.was_ready
        assert "ended with status 3" in (asked(worker, ListModels())[1] or "")
        assert not worker.was_ready


def test_what_it_imports_from_lasts_as_long_as_it_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Worker(installed(), tmp_path / "worker.log") as worker:
        asked(worker, ListModels())
        assert len([*tmp_path.glob("parity-path-*")]) == 1
        os.kill(process(worker).pid, signal.SIGKILL)
        assert asked(worker, ListModels())[1] is not None
        assert not [*tmp_path.glob("parity-path-*")]


def test_a_task_that_fails_halfway_leaves_the_worker_usable(tmp_path: Path) -> None:
    task = evaluation(tmp_path / "data", "tiny", 8, 2)
    next((tmp_path / "data").glob("*/005.jpg")).unlink()
    with Worker(installed(), tmp_path / "worker.log") as worker:
        events, death = asked(worker, task)
        assert (events[-1], death) == ("failed", None)
        assert events.count("predictions") > 0, "it had sent some"
        assert asked(worker, static("tiny")) == (["static", "done"], None)


def test_a_task_that_is_broken_off_leaves_no_worker_in_the_middle_of_it(tmp_path: Path) -> None:
    def refuse(event: Event) -> None:
        if event.event == "predictions":
            raise ValueError("the disk is full")

    with Worker(installed(), tmp_path / "worker.log") as worker:
        with pytest.raises(ValueError, match="the disk is full"):
            worker.do(evaluation(tmp_path / "data", "tiny", 6, 2), refuse)
        assert asked(worker, static("tiny")) == (["static", "done"], None)


def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worker: Worker) -> subprocess.Popen[str]:
    """A worker that has sent one batch of each of two networks, and waits to hear that they are stored."""
    monkeypatch.setenv("FAKE_FORWARDS", str(tmp_path / "forwards"))
    task = evaluation(tmp_path / "data", "tiny", 8, 2)
    task = dataclasses.replace(task, runs=[*task.runs, of_model(task.runs[0], "twin")])
    process = worker._start()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(protocol.encode(task) + "\n")
    process.stdin.flush()
    events = [json.loads(process.stdout.readline())["event"] for _ in range(5)]
    assert events == ["ready", "network", "network", "predictions", "predictions"]
    time.sleep(0.2)
    return process


def test_no_batch_is_begun_before_the_one_before_it_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(installed(), tmp_path / "worker.log")
    waiting = begun(tmp_path, monkeypatch, worker)
    assert waiting.stdin is not None
    assert waiting.stdout is not None
    assert [network for network, _ in passes(tmp_path / "forwards")] == ["tiny fp32", "twin fp32"]
    waiting.stdin.write("\n")  # the first network's is stored
    waiting.stdin.flush()
    event = protocol.decode_event(waiting.stdout.readline())
    assert isinstance(event, Predicted)
    assert event.run == 0
    time.sleep(0.2)
    assert [network for network, _ in passes(tmp_path / "forwards")] == ["tiny fp32", "twin fp32", "tiny fp32"]
    waiting.stdin.write("\n" * 7)
    waiting.stdin.flush()
    rest = [json.loads(waiting.stdout.readline())["event"] for _ in range(6)]
    assert rest == [*["predictions"] * 5, "done"]
    worker._end()


def test_predictions_are_answered_once_they_were_handled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_FORWARDS", str(tmp_path / "forwards"))
    begun: list[int] = []

    def handle(event: Event) -> None:
        if event.event == "predictions":
            time.sleep(0.2)
            begun.append(len(passes(tmp_path / "forwards")))

    with Worker(installed(), tmp_path / "worker.log") as worker:
        assert worker.do(evaluation(tmp_path / "data", "tiny", 4, 2), handle) is None
    assert begun == [1, 2]


def test_a_worker_that_waits_ends_when_its_parent_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(installed(), tmp_path / "worker.log")
    waiting = begun(tmp_path, monkeypatch, worker)
    assert waiting.stdin is not None
    waiting.stdin.close()
    assert waiting.wait(timeout=10) == 1
    assert (tmp_path / "worker.log").read_text() == "", "it is no error"
    assert len(passes(tmp_path / "forwards")) == 2
    worker._end()


def test_a_worker_that_is_idle_ends_when_its_parent_is_gone(tmp_path: Path) -> None:
    worker = Worker(installed(), tmp_path / "worker.log")
    asked(worker, ListModels())
    idle = process(worker)
    assert idle.stdin is not None
    idle.stdin.close()
    assert idle.wait(timeout=10) == 0
    assert worker._end() == 0


def test_a_worker_is_not_waited_for_where_something_went_wrong(tmp_path: Path) -> None:
    ready = script(
        tmp_path, """read job; read task; echo '{"event": "ready"}'; echo '{"event": "done"}'; exec sleep 30"""
    )
    worker = Worker(ready, tmp_path / "worker.log")
    asked(worker, ListModels())
    busy = process(worker)
    worker.__exit__(KeyboardInterrupt, None, None)
    assert busy.returncode == -signal.SIGTERM
