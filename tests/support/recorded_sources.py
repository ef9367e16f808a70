"""Sources that answer with counts that their real networks were once found to have, without an environment.

`recorded.json` has for each release the names that it offers and, by documented name, what its worker told of a network
(harness.worker.protocol.Counts). What was not recorded fails, as a network does that cannot be built.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fakes import installed

from harness.execution import environments
from harness.execution.environments import Installed
from harness.execution.process import Worker
from harness.execution.registry import SourceSpec
from harness.worker import protocol
from harness.worker.protocol import Done, Event, Failed
from harness.worker.tasks import Count, ListDocuments, ListModels, Task

RECORDED = Path(__file__).with_name("recorded.json")


@cache
def recorded() -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return found


def use_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every source answers with what is recorded of its releases."""

    def prepare(spec: SourceSpec, version: str, _: str = "native") -> Installed:
        return installed(spec.module, version, spec=spec)

    monkeypatch.setattr(environments, "is_prepared", lambda *_: True)
    monkeypatch.setattr(environments, "prepare", prepare)
    monkeypatch.setattr(Worker, "do", _answer)


def _answer(of: Worker, task: Task, handle: Callable[[Event], None]) -> None:
    release = recorded().get(str(of._installed.source), {})
    match task:
        case ListModels():
            answer = release.get("models", {"event": "models", "offered": [], "aliases": {}})
        case ListDocuments():
            answer = {"event": "documents", "documents": []}
        case Count(documented=name) if name in release.get("counts", {}):
            answer = release["counts"][name]
        case _:
            handle(Failed("MeasurementError", "not recorded"))
            return
    handle(protocol.decode_event(json.dumps(answer)))
    handle(Done())
