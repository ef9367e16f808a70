"""What the cache holds and what nobody needs; environments that are made and used by several processes."""

import os
import re
import time
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.core.files import locked
from harness.execution import cached, environments
from harness.execution.environments import environment_plan
from harness.execution.registry import sources


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path))
    return tmp_path


def environment(cache: Path, name: str, complete: bool = True, days: float = 0) -> Path:
    folder = cache / "environments" / name
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "package.py").write_bytes(b"x" * 1000)
    if complete:
        (folder / "complete").write_text("3.11.7\ntimm==0.6.5")
        ago = time.time() - days * 86_400
        os.utime(folder / "complete", (ago, ago))
    return folder


def ready(version: str = "0.6.5", runtime: str = "native") -> str:
    return environment_plan(sources()["timm"], version, runtime).folder.name


def states() -> dict[str, str]:
    return {entry.name: entry.state for entry in cached.entries()}


def test_an_environment_is_needed_as_long_as_its_requirement_files_say_the_same(cache: Path) -> None:
    names = [ready(), ready("1.0.3"), ready("0.6.5", "openvino")]
    for name in (*names, "timm-0.6.5-0123456789abcdef", "gone-1.0-0123456789abcdef"):
        environment(cache, name)
    environment(cache, "timm-0.6.6-0123456789abcdef", complete=False)
    assert states() == dict.fromkeys(names, "ready") | {
        "timm-0.6.5-0123456789abcdef": "replaced",
        "gone-1.0-0123456789abcdef": "no source",
        "timm-0.6.6-0123456789abcdef": "unfinished",
    }


def test_pruning_removes_what_nobody_needs_and_says_so(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = environment(cache, ready())
    gone = environment(cache, "timm-0.6.5-0123456789abcdef")
    assert main(["cache", "prune", "--dry-run"]) == 0
    assert gone.is_dir()
    said = capsys.readouterr().out
    assert f"environments/{gone.name}; its requirement files have changed" in said
    assert "would be removed: 1 entries" in said
    assert main(["cache", "prune"]) == 0
    assert (kept.is_dir(), gone.exists()) == (True, False)


def test_what_was_not_used_for_long_is_removed_where_that_is_asked_for(cache: Path) -> None:
    old, young = environment(cache, ready(), days=31), environment(cache, ready("1.0.3"), days=29)
    weights = cache / "weights"
    weights.mkdir()
    (weights / "a.pth").write_bytes(b"x" * 10)
    assert main(["cache", "prune"]) == 0
    assert old.is_dir()
    assert main(["cache", "prune", "--unused-for", "30"]) == 0
    assert (old.exists(), young.is_dir(), (weights / "a.pth").is_file()) == (False, True, True)


def test_what_is_being_made_stays(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = environment(cache, "timm-0.6.6-0123456789abcdef", complete=False)
    with locked(made.with_name(f"{made.name}.lock")):
        assert main(["cache", "prune"]) == 0
    assert made.is_dir()
    assert "in use, it stays" in capsys.readouterr().out


def test_nothing_outside_of_the_cache_is_removed(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "kept").write_text("kept")
    (cache / "environments").mkdir()
    (cache / "environments" / "gone-1.0-0123456789abcdef").symlink_to(outside)
    assert main(["cache", "prune"]) == 0
    assert (outside / "kept").is_file()
    assert not (cache / "environments" / "gone-1.0-0123456789abcdef").exists()


def test_the_list_says_sizes_and_the_sum(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environment(cache, ready())
    assert main(["cache", "list"]) == 0
    said = capsys.readouterr().out
    assert re.search(rf"0\.0 MB  \d{{4}}-\d\d-\d\d  environments/{re.escape(ready())}\n1 entries of 0\.00 GB", said)


@pytest.mark.parametrize("text", ["-1", "inf", "nan", "soon"])
def test_no_number_of_days(text: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["cache", "prune", "--unused-for", text])
    assert ended.value.code == 2


@pytest.mark.usefixtures("cache")
def test_releases_of_one_line_do_not_wait_for_each_other() -> None:
    one, other = (environment_plan(sources()["timm"], version, "native") for version in ("0.6.5", "0.6.7"))
    assert one.lock != other.lock


def test_an_environment_that_is_ready_waits_for_nobody(cache: Path) -> None:
    folder = environment(cache, ready(), days=3)
    with locked(folder.with_name(f"{folder.name}.lock")):
        found = environments.prepare(sources()["timm"], "0.6.5")
    assert found.packages == ("timm==0.6.5",)
    (entry,) = cached.entries()
    assert time.time() - entry.used < 3600, "it was just used"
