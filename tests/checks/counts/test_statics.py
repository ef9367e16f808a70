"""Networks are counted once, and what nobody asked for fails in silence."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fakes import VERSION, Recorder, installed

from harness.checks.counts.statics import count
from harness.core.records import Source, Static
from harness.execution.environments import Installed
from harness.execution.session import Session
from harness.execution.store import Store


def session(tmp_path: Path) -> Session:
    return Session(Store(tmp_path / "store"), Recorder(), "cpu", 4)


def counted(
    one: Session,
    wanted: dict[str, Any],
    traced: Sequence[str] = (),
    ready: Installed | None = None,
    outline: bool = False,
) -> dict[str, Static]:
    ready = ready or installed()
    source = ready.source
    return count(one, {source: ready}, {source: wanted}, {(source, model) for model in traced}, outline)[source]


def test_counts_are_measured_once(tmp_path: Path, started: list[list[str]]) -> None:
    first = session(tmp_path)
    found = counted(first, {"tiny": [224, 8], "Twin": {8}}, ["tiny"])
    assert started == [["models", "documents", "static", "static"]]
    assert first.failures == []
    assert found["tiny"].source == Source("fake", VERSION)
    assert found["tiny"].multiply_adds == {8: {"plain": 48_576}, 224: {"plain": 499_584}}
    assert found["tiny"].last_operators == ("Conv2d", "AdaptiveAvgPool2d", "BatchNorm2d", "Linear")
    assert found["Twin"].model == "twin"
    assert "tiny_wide" in first.offered(installed())
    second = session(tmp_path)
    assert counted(second, {"tiny": {8, 224}, "Twin": [8]}, ["tiny"]) == found
    assert second.offered(installed()) == first.offered(installed())
    assert len(started) == 1
    counted(second, {"tiny": [8], "Twin": [8]}, ["tiny"])
    assert started[1:] == [["static"]], "other sizes are another measurement"


def test_nothing_is_known_of_a_source_that_was_not_asked(tmp_path: Path) -> None:
    assert session(tmp_path).offered(installed()) == []


def test_a_network_that_fails_leaves_the_others(tmp_path: Path, started: list[list[str]]) -> None:
    first = session(tmp_path)
    assert list(counted(first, {"boom": [8], "tiny": [8], "tinny": [8]})) == ["tiny"]
    assert [(failure.source, failure.model, failure.stage) for failure in first.failures] == [
        (f"fake=={VERSION}", "boom", "static"),
        (f"fake=={VERSION}", "tinny", "static"),
    ]
    assert first.failures[0].message == "boom cannot be built"
    second = session(tmp_path)
    assert list(counted(second, {"boom": [8], "tiny": [8]})) == ["tiny"]
    assert started[1:] == [["static"]], "what failed is tried again, and nothing else"


def test_an_adapter_that_cannot_be_imported_fails_all_its_networks(tmp_path: Path) -> None:
    one = session(tmp_path)
    assert counted(one, {"tiny": [8], "twin": [8]}, ready=installed(module="no_such_adapter")) == {}
    assert {failure.model for failure in one.failures} >= {"tiny", "twin"}
    assert all("No module named 'no_such_adapter'" in failure.message for failure in one.failures)


def test_what_nobody_asked_for_is_no_failure_of_the_run(tmp_path: Path) -> None:
    one = session(tmp_path)
    one.fail(None, "before", "static", "it failed before")
    assert list(counted(one, {"boom": [8], "tiny": [8]}, outline=True)) == ["tiny"]
    assert [failure.model for failure in one.failures] == ["before"]
