"""What workers are asked for; a plugin of tests/conftest.py."""

from collections.abc import Mapping
from typing import Any

import pytest

from harness.execution.process import Worker


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The kinds of tasks of every worker that was started."""
    asked: list[list[str]] = []
    start, do = Worker._start, Worker.do

    def starting(worker: Worker) -> Any:
        asked.append([])
        return start(worker)

    def doing(worker: Worker, task: Mapping[str, Any], handle: Any) -> str | None:
        death = do(worker, task, handle)
        asked[-1].append(task.kind)
        return death

    monkeypatch.setattr(Worker, "_start", starting)
    monkeypatch.setattr(Worker, "do", doing)
    return asked
