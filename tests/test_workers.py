"""What the parent hears of a worker, and what becomes of the tasks of one that dies."""

import fcntl
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fakes import VERSION, contents, evaluation_task, installed, write_images

from harness import workers
from harness.environments import Installed, SourceSpec
from harness.records import Source

Heard = list[tuple[int, Mapping[str, Any]]]


def static(model: str) -> dict[str, Any]:
    return {"kind": "static", "documented": model, "sizes": [], "trace": False}


def evaluation(folder: Path, model: str, number: int, batch_size: int) -> dict[str, Any]:
    return evaluation_task(write_images(folder, contents(number), [5] * number), model, batch_size)


def hear(
    tasks: list[dict[str, Any]], tmp_path: Path, ready: Installed | None = None, threads: int | None = None
) -> Heard:
    heard: Heard = []
    log = tmp_path / "logs" / "worker.log"
    workers.run(ready or installed(), tasks, lambda *event: heard.append(event), log, threads=threads)
    return heard


def kinds(heard: Heard) -> list[tuple[int, str]]:
    return [(index, event["event"]) for index, event in heard]


def script(tmp_path: Path, body: str) -> Installed:
    """A worker whose interpreter is a shell script."""
    path = tmp_path / "interpreter"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return installed(python=path)


def test_events_come_in_the_order_of_the_tasks(tmp_path: Path) -> None:
    tasks = [{"kind": "models"}, static("twin"), evaluation(tmp_path / "data", "tiny", 5, 2)]
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
    rows = [row for _, event in heard if event["event"] == "predictions" for row in event["rows"]]
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
    assert heard[2][1]["error"] == "RuntimeError"
    assert heard[2][1]["message"] == "boom cannot be built"
    assert "offers no model 'tinny'; the nearest names are tiny" in heard[3][1]["message"]
    assert "RuntimeError: boom cannot be built" in (tmp_path / "logs/worker.log").read_text()


def test_what_a_framework_prints_is_no_event(tmp_path: Path) -> None:
    heard = hear([static("loud")], tmp_path)
    assert kinds(heard) == [(0, "static"), (0, "done")]
    assert heard[0][1]["static"]["model"] == "loud"
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
    message = heard[5][1]["message"]
    assert message.startswith(f"the worker of fake=={VERSION} was killed by SIGKILL;")
    assert "out of memory, try a smaller --batch-size" in message
    assert "Its last words: it wrote nothing" in message
    assert f"Full log: {tmp_path / 'logs/worker.log'}" in message


def test_an_adapter_that_cannot_be_imported_fails_every_task_with_its_last_words(tmp_path: Path) -> None:
    heard = hear([static("tiny"), static("twin")], tmp_path, installed(module="no_such_adapter"))
    assert kinds(heard) == [(0, "failed"), (1, "failed")]
    for _, event in heard:
        assert "ended with status 1." in event["message"]
        assert "Its last words: ModuleNotFoundError: No module named 'no_such_adapter'." in event["message"]


def test_last_words_are_those_of_this_worker(tmp_path: Path) -> None:
    hear([static("tiny")], tmp_path, installed(module="no_such_adapter"))
    (event,) = [event for _, event in hear([static("tiny")], tmp_path, script(tmp_path, "exit 7"))]
    assert "ended with status 7. Its last words: it wrote nothing." in event["message"]
    assert "No module named" in (tmp_path / "logs/worker.log").read_text(), "the log keeps what was there"


def test_last_words_are_not_those_of_another_run(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "worker.log"
    log.parent.mkdir()
    with log.open("ab") as other:  # as a worker of another run holds it
        fcntl.flock(other, fcntl.LOCK_EX)
        (event,) = [event for _, event in hear([static("tiny")], tmp_path, script(tmp_path, "echo mine >&2; exit 7"))]
    assert f"Its last words: mine. Full log: {tmp_path / 'logs' / 'worker.2.log'}" in event["message"]
    assert log.read_text() == ""


def test_a_worker_that_never_reads_its_job(tmp_path: Path) -> None:
    big = {**static("tiny"), "images": ["x" * 1000] * 2000}
    ready = script(tmp_path, f"echo started >> {tmp_path}/starts; echo no such library >&2; exit 3")
    heard = hear([big, static("twin")], tmp_path, ready)
    assert kinds(heard) == [(0, "failed"), (1, "failed")]
    assert "ended with status 3. Its last words: no such library." in heard[0][1]["message"]
    assert (tmp_path / "starts").read_text() == "started\n", "what cannot start is not started for every task"


def test_half_an_event_is_none(tmp_path: Path) -> None:
    ready = script(
        tmp_path,
        """read job; read task
        echo '{"event": "ready"}'
        echo '{"event": "models", "task": 0, "models": ["tiny"]}'
        printf '{"event": "models", "ta'
        kill -9 $$""",
    )
    heard = hear([{"kind": "models"}], tmp_path, ready)
    assert kinds(heard) == [(0, "models"), (0, "failed")]
    assert "was killed by SIGKILL" in heard[1][1]["message"]


def test_a_worker_ends_with_the_run_that_it_is_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []
    real = subprocess.Popen

    def popen(*arguments: Any, **options: Any) -> subprocess.Popen[str]:
        started.append(real(*arguments, **options))
        return started[-1]

    def interrupt(_: int, event: Mapping[str, Any]) -> None:
        if event["event"] == "predictions":
            raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", popen)
    task = evaluation(tmp_path / "data", "slow", 400, 1)
    with pytest.raises(KeyboardInterrupt):
        workers.run(installed(), [task], interrupt, tmp_path / "worker.log")
    (process,) = started
    assert process.returncode == -15, "it was still running and had to be stopped"


def test_one_that_raises_ends_the_workers_of_the_others(tmp_path: Path) -> None:
    started = tmp_path / "started"
    ready = script(tmp_path, f"touch {started}; exec sleep 60")

    def one(index: int) -> None:
        if index:
            while not started.exists():
                time.sleep(0.001)
            raise OSError("no space")
        workers.run(ready, [static("tiny"), static("twin")], lambda *_: None, tmp_path / "worker.log")

    begun = time.monotonic()
    with pytest.raises(OSError, match="no space"):
        workers.side_by_side(one, [0, 1])
    assert time.monotonic() - begun < 30
    assert workers.side_by_side(lambda number: number, [3, 4]) == [3, 4]
    assert kinds(hear([static("tiny")], tmp_path)) == [(0, "static"), (0, "done")], "others are started again"


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
    assert seen == ["adapters", "fake_adapter.py", "harness"]


def test_an_adapter_inside_a_package(tmp_path: Path) -> None:
    folder = tmp_path / "vision" / "zoo"
    folder.mkdir(parents=True)
    (tmp_path / "vision" / "__init__.py").touch()
    (folder / "__init__.py").touch()
    (folder / "adapter.py").write_bytes((Path(__file__).parent / "fake_adapter.py").read_bytes())
    spec = SourceSpec("zoo", "vision.zoo.adapter", folder, "numpy", VERSION)
    ready = Installed(spec, Source("zoo", VERSION), installed().python, (), "3.11")
    assert kinds(hear([static("tiny")], tmp_path, ready)) == [(0, "static"), (0, "done")]
