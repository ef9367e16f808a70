"""Networks are counted once, and what nobody asked for fails in silence."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes import VERSION, Recorder, installed

from harness.checks.counts.statics import count
from harness.core.records import Source, Static
from harness.execution.environments import Installed
from harness.execution.session import Session
from harness.execution.store import Store
from harness.worker.tasks import Depth


def session(tmp_path: Path) -> Session:
    return Session(Store(tmp_path / "store"), Recorder(), "cpu", 4)


def counted(
    one: Session,
    wanted: dict[str, Any],
    traced: Sequence[str] = (),
    ready: Installed | None = None,
    depth: Depth = "all",
    optional: bool = False,
) -> dict[str, Static]:
    ready = ready or installed()
    source = ready.source
    return count(one, {source: ready}, {source: wanted}, {(source, model) for model in traced}, depth, optional)[source]


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
    assert len(started) == 1, "each size is a measurement of its own"
    assert counted(second, {"tiny": [8, 16]}, ["tiny"])["tiny"].multiply_adds.keys() == {8, 16}
    assert started[1:] == [["static"]]


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
    assert list(counted(one, {"boom": [8], "tiny": [8]}, optional=True)) == ["tiny"]
    assert [failure.model for failure in one.failures] == ["before"]


# --- less is counted first


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[str]]:
    """What the sparing source was asked for since the last call."""
    log = tmp_path / "asked"
    monkeypatch.setenv("SPARING_LOG", str(log))

    def since() -> list[str]:
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    return since


def sparing() -> Installed:
    return installed(module="sparing_adapter")


def test_an_outline_leaves_out_what_needs_values_and_says_so(tmp_path: Path, asked: Callable[[], list[str]]) -> None:
    found = counted(session(tmp_path), {"tiny": [8, 16]}, ready=sparing(), depth="outline")["tiny"]
    assert found.multiply_adds == {8: {"plain": 48_576}, 16: {"plain": 50_304}}
    assert found.left_out == ("values",)
    assert found.failed_counters == {}, "what was not asked has not failed"
    assert asked() == ["outline plain 8", "outline plain 16", "all parameters 0"]


def test_parameters_alone_run_no_network(tmp_path: Path, asked: Callable[[], list[str]]) -> None:
    found = counted(session(tmp_path), {"tiny": [224]}, ready=sparing(), depth="parameters")["tiny"]
    assert (found.parameters.learnable, found.multiply_adds) == (49_009, {})
    assert asked() == ["bare parameters 0"]


def test_what_an_outline_counted_is_not_counted_again(tmp_path: Path, asked: Callable[[], list[str]]) -> None:
    one = session(tmp_path)
    counted(one, {"tiny": [8]}, ready=sparing(), depth="outline")
    asked()
    found = counted(one, {"tiny": [8, 16]}, ready=sparing())["tiny"]
    assert found.multiply_adds[8] == {"values": 48_640, "plain": 48_576}
    assert list(found.multiply_adds[8]) == ["values", "plain"], "in the source's own order"
    assert found.left_out == ()
    assert asked() == ["values values 8", "values values 16", "values plain 16", "all parameters 0"]


def test_fewer_counters_are_never_taken_for_all(tmp_path: Path, asked: Callable[[], list[str]]) -> None:
    counted(session(tmp_path), {"tiny": [8]}, ready=sparing())
    asked()
    again = session(tmp_path)
    outline = counted(again, {"tiny": [8]}, ready=sparing(), depth="outline")["tiny"]
    assert outline.left_out == ("values",), "each depth is stored by itself"
    assert counted(again, {"tiny": [8]}, ready=sparing())["tiny"].left_out == ()
    assert asked() == ["outline plain 8", "all parameters 0"]


def test_a_further_size_is_counted_alone_and_joins_the_others(tmp_path: Path, asked: Callable[[], list[str]]) -> None:
    one = session(tmp_path)
    counted(one, {"tiny": [16]}, ready=sparing(), depth="outline")
    asked()
    found = counted(one, {"tiny": [16, 24]}, ready=sparing(), depth="outline")["tiny"]
    assert list(found.multiply_adds) == [8, 16, 24]
    assert asked() == ["outline plain 24", "all parameters 0"]


def test_workers_share_the_networks_and_say_how_many_are_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, started: list[list[str]]
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    shown = Recorder()
    one = Session(Store(tmp_path / "store"), shown, "cpu", 4)
    names = ["tiny", "tiny_wide", "twin", "slow", "killer", "loud", "blind", "boom"]
    assert len(counted(one, {name: [8] for name in names})) == 7
    assert len(started) == 2
    assert [kind for kinds in started for kind in kinds].count("static") == 8
    said = {(what, done, total) for what, _, done, total in shown.networks_counted}
    assert said == {(f"fake=={VERSION}", done, 8) for done in range(1, 9)}
    assert {model for _, model, *_ in shown.networks_counted} == set(names)


def test_an_adapter_that_cannot_be_imported_fails_what_other_workers_would_take(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    one = session(tmp_path)
    names = [f"network_{number}" for number in range(9)]
    assert counted(one, {name: [8] for name in names}, ready=installed(module="no_such_adapter")) == {}
    assert {failure.model for failure in one.failures} >= set(names)
