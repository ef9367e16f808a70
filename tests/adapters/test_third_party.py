"""Adapters of other packages that were written against the former contract work in this release."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import fake_adapter
import harness.adapters.base
import numpy as np
import pytest
from fakes import VERSION, installed
from folders import SUPPORT
from harness.adapters import third_party

from harness.core.records import Source
from harness.execution import process
from harness.execution.environments import Installed
from harness.execution.registry import SourceSpec
from harness.worker.protocol import Models
from harness.worker.tasks import ListModels

OLD = """
import adapters
from adapters.base import CheckpointError
from adapters.runtimes import threads
import harness.adapters.base
assert CheckpointError is harness.adapters.base.CheckpointError, "another module of the same file"
assert adapters.base is harness.adapters.base
"""


def old(tmp_path: Path, package: str = "zoo") -> Installed:
    folder = tmp_path / package
    folder.mkdir()
    (folder / "__init__.py").touch()
    source = (SUPPORT / "fake_adapter.py").read_text().replace("from harness.adapters.base", "from adapters.base")
    head, rest = source.split("import contextlib", 1)
    (folder / "nets.py").write_text(f"{head}{OLD}\nimport contextlib{rest}")
    spec = SourceSpec("zoo", f"{package}.nets", folder, "numpy", VERSION)
    return Installed(spec, Source("zoo", VERSION), installed().python, (), "3.11")


def test_the_former_imports_work_and_are_told(tmp_path: Path) -> None:
    events: list[Any] = []
    notes: list[str] = []
    log = tmp_path / "worker.log"
    process.run(old(tmp_path), [ListModels()], lambda _, event: events.append(event), log, note=notes.append)
    assert isinstance(events[0], Models), events
    (note,) = notes
    assert "`adapters.base` to `harness.adapters.base`" in note
    assert "`adapters.runtimes` to `harness.adapters.runtimes`" in note
    assert "change the imports of" in log.read_text()


def test_a_source_in_a_package_of_that_name_imports_its_own(tmp_path: Path) -> None:
    events: list[Any] = []
    process.run(old(tmp_path, "adapters"), [ListModels()], lambda _, event: events.append(event), tmp_path / "log")
    assert "No module named 'adapters.base'" in events[0].message


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> third_party.OldImports:
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    return third_party.accept_old_imports("zoo.nets")


@pytest.mark.parametrize(
    ("former", "present"),
    [
        ("adapters.base", "harness.adapters.base"),
        ("adapters.timm", "harness.adapters.timm"),
        ("adapters.torch_network", "harness.adapters.pytorch.network"),
        ("adapters.paddle_trace", "harness.adapters.paddle.trace"),
        ("adapters.safe_pickle", "harness.adapters.paddle.safe_pickle"),
    ],
)
def test_every_former_module_has_a_present_one(
    finder: third_party.OldImports, monkeypatch: pytest.MonkeyPatch, former: str, present: str
) -> None:
    monkeypatch.setitem(sys.modules, "adapters", sys.modules["harness.adapters"])
    spec = finder.find_spec(former)
    assert spec is not None
    assert spec.origin == present
    assert finder.find_spec("adapters.never_was") is None
    assert f"`{former}` to `{present}`" in finder.note()


def test_every_module_that_was_moved_is_there() -> None:
    folder = Path(str(harness.adapters.base.__file__)).parent
    for present in third_party._MOVED.values():
        assert (folder / f"{present.replace('.', '/')}.py").is_file(), present


def test_a_plain_class_gets_the_methods_that_it_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("altered", "inference"):
        monkeypatch.delattr(fake_adapter.FakeNetwork, name)
    for name in ("documents", "aliases"):
        monkeypatch.delattr(fake_adapter.Adapter, name)
    adapter = third_party.complete(fake_adapter.Adapter())
    assert (list(adapter.documents()), dict(adapter.aliases())) == ([], {})
    network = adapter.outline("tiny")
    batch = np.zeros((1, 3, 8, 8), np.float32)
    assert np.array_equal(network.inference("fp32", batch).forward(batch), network.forward(batch))
    for call, text in (
        (lambda: network.inference("bf16", batch), "runs its networks only in fp32"),
        (lambda: network.altered({"factor": "epsilon"}), "cannot alter its networks"),
        (lambda: network.export("openvino", tmp_path), "cannot export its networks"),
    ):
        with pytest.raises(NotImplementedError, match=text):
            call()
    assert third_party.complete(adapter) is adapter
