"""`import harness`: its examples, its types as a user's type checker sees them, and what it does not import."""

import doctest
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import use_fakes
from folders import ROOT

import harness
from harness import api
from harness.plan.preview import Preview

PAGE = """\
| model | source | top1 | flops | params | input size |
| :--- | :--- | :--- | :--- | :--- | :--- |
| tiny | fake | 52.4 | 97.152K | 49.006K | 8 |
"""


@pytest.fixture(autouse=True)
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_fakes(monkeypatch)
    monkeypatch.chdir(tmp_path)
    Path("README.md").write_text(PAGE)


def test_the_examples_of_the_docstrings() -> None:
    ran = doctest.testmod(api)
    assert (ran.failed, ran.attempted > 10) == (0, True)


def test_the_examples_of_the_page() -> None:
    ran = doctest.testfile(str(ROOT / "docs" / "reference" / "api.md"), module_relative=False)
    assert (ran.failed, ran.attempted > 10) == (0, True)


def test_there_is_what_is_promised() -> None:
    promised = "audit run preview compare load_report read_tables write_report Options Results Outcome Verdict Claim "
    promised += "Finding Source InputError MeasurementError"
    assert set(harness.__all__) >= set(promised.split(" "))
    documented = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    for name in harness.__all__:
        assert getattr(harness, name) is not None
        assert name in dir(harness)
        assert name == "__version__" or f"`{name}" in documented or f"harness.{name}" in documented
    with pytest.raises(AttributeError, match="has no attribute 'audti'"):
        harness.audti  # type: ignore[attr-defined]  # noqa: B018


def test_results_in_a_notebook() -> None:
    results = harness.audit("README.md")
    assert list(results.to_frame()["outcome"]) == [str(verdict.outcome) for verdict in results.verdicts]
    shown = results._repr_html_()
    assert shown.count("<tr") == 1 + len(results.verdicts)
    assert "1 contradicted" in shown
    assert "49.009" in shown
    Path("README.md").write_text(PAGE.replace("49.006K", "49.006K |\n| &lt;b&gt;tiny | fake | - | - | 49.009K"))
    assert "<b>tiny" not in harness.audit("README.md")._repr_html_()


def test_an_interruption_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a notebook interrupts its kernel: in the main thread, while the run waits."""
    ended = threading.Event()

    def waiting(*_: object) -> Any:
        from harness.core import cancellation

        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            cancellation.sleep(60)
        finally:
            ended.set()

    monkeypatch.setattr("harness.checks.run.execute", waiting)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        harness.run(harness.Options(tables="README.md"))
    assert ended.is_set()
    assert time.monotonic() - began < 10


def test_progress_is_a_function() -> None:
    steps: list[harness.Step] = []
    harness.audit("README.md", progress=steps.append)
    assert steps == [harness.Step("fake==2.4.6: counting tiny"), harness.Step("fake==2.4.6: counted tiny", 1, 1)]
    tell: Callable[..., None] = api._Reporter(steps.append).images
    tell("tiny", 20, 100, 20, 0.5)
    assert steps[-1] == harness.Step("tiny", 20, 100)


def test_a_preview_measures_nothing() -> None:
    assert isinstance(harness.preview(harness.Options(tables="README.md")), Preview)
    assert not Path("parity-report").exists()


SNIPPET = """
from pathlib import Path
import harness

options = harness.Options(tables=("README.md",), sources=["timm"], data="imagenet/val", batch_size=64, out=Path("o"))
tables: tuple[Path, ...] = options.tables
results: harness.Results = harness.run(options, progress=lambda step: print(step.text, step.done))
status: int = harness.audit("README.md", out="parity-report").exit_status
outcome: harness.Outcome = results.verdicts[0].outcome
claim: harness.Claim = harness.read_tables(["README.md"]).claims[0]
report: Path = harness.write_report(results, "parity-report")
same: int = harness.compare("before", harness.load_report("after")).exit_status
"""
WRONG = {
    "harness.Options(batch_size='x')": "arg-type",
    "harness.audti('README.md')": "attr-defined",
    "harness.Options(table='x')": "call-arg",
}


def test_types_as_a_user_sees_them(tmp_path: Path) -> None:
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    for name, text in (("good", SNIPPET), ("bad", "import harness\n" + "\n".join(WRONG))):
        (tmp_path / f"{name}.py").write_text(text)
    tree = tmp_path / "tree" / "harness"
    tree.mkdir(parents=True)
    for path in (*(ROOT / "harness").iterdir(), ROOT / "adapters", ROOT / "reference"):
        (tree / path.name).symlink_to(path)  # mypy does not see the mapped folders of an editable install
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--ignore-missing-imports"]
    ran = subprocess.run(
        [*command, "--no-error-summary", "good.py", "bad.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(tree.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    errors = ran.stdout.splitlines()
    assert [line.rpartition("[")[2].rstrip("]") for line in errors] == list(WRONG.values()), ran.stdout
    assert all(line.startswith("bad.py") for line in errors)
