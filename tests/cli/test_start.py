"""How a command begins and ends: what it imports, from where, and what it says when something goes wrong."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import use_fakes, write_images
from folders import ROOT

from harness.cli import run
from harness.cli.commands import documents, stand_ins
from harness.cli.interruption import guarded
from harness.core import cancellation
from harness.core.errors import InputError, MeasurementError, StoreError
from harness.plan.options import Options

PARITY = Path(sys.executable).with_name("parity")
TABLE = "| model | source | flops | input size |\n| - | - | - | - |\n| resnet50 | timm v0.6.5 | 8.178G | 224 |\n"
#: what takes long to import, and `--help` and a pytest that checks no table do not need
HEAVY = (
    "fsspec", "jinja2", "markdown_it", "matplotlib", "numpy", "pandas", "PIL", "platformdirs", "pyarrow", "requests",
    "rich", "scipy", "statsmodels", "upath", "urllib3", "uv",
)  # fmt: skip
#: modules of a hostile folder: of the standard library, of what the harness uses, and packages
PLANTED = ("numpy.py", "json.py", "argparse.py", "dataclasses.py", "tomllib.py", "pandas.py", "timm.py",
           "rich/__init__.py", "jinja2/__init__.py", "shtab.py", "adapters/__init__.py", "reference/__init__.py",
           "harness_plugin.py")  # fmt: skip

PROGRAMS = {
    "python -m": [sys.executable, "-m", "harness.run"],
    "python -P -m": [sys.executable, "-P", "-m", "harness.run"],
    "parity": [str(PARITY), "run"],
}


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


# --- in a folder that is somebody else's


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder whose modules leave a mark when they are executed."""
    folder = tmp_path / "repository"
    for name in PLANTED:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"open({str(tmp_path / 'executed')!r}, 'a').write({name!r} + ' ')\n")
    (folder / "README.md").write_text(TABLE)
    return folder


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        *((program, ["--help"]) for program in PROGRAMS),
        ("python -m", ["--table", "README.md", "--dry-run"]),
        ("parity", ["--table", "README.md", "--dry-run"]),
    ],
)
def test_nothing_of_the_working_folder_is_executed(hostile: Path, program: str, arguments: list[str]) -> None:
    if program == "parity" and not PARITY.exists():
        pytest.skip(f"there is no console script {PARITY}")
    command = [*PROGRAMS[program], *arguments]
    ran = subprocess.run(command, cwd=hostile, env=environment(), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert not (hostile.parent / "executed").exists(), (hostile.parent / "executed").read_text()


def test_the_planted_modules_would_be_executed(hostile: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.path.insert(0, ''); import pandas, rich"]
    assert subprocess.run(command, cwd=hostile, env=environment(), check=False).returncode == 0
    assert (hostile.parent / "executed").read_text() == "pandas.py rich/__init__.py "


def test_a_folder_named_harness_is_what_the_docs_say_it_is(hostile: Path) -> None:
    (hostile / "harness").mkdir()
    (hostile / "harness" / "__init__.py").write_text(f"open({str(hostile.parent / 'executed')!r}, 'a').write('ours')\n")
    for program in ("python -P -m", "parity"):
        if program == "python -P -m" or PARITY.exists():
            command = [*PROGRAMS[program], "--help"]
            ran = subprocess.run(command, cwd=hostile, env=environment(), capture_output=True, text=True, check=False)
            assert ran.returncode == 0, ran.stderr
            assert not (hostile.parent / "executed").exists()
    command = [*PROGRAMS["python -m"], "--help"]
    subprocess.run(command, cwd=hostile, env=environment(), capture_output=True, check=False)
    assert (hostile.parent / "executed").exists(), "the docs need not warn of it any more"


# --- what is imported


def loaded(code: str) -> tuple[set[str], float]:
    """The modules that are there in the end, and seconds of CPU."""
    code = f"import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n{code}"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ran.returncode == 0, ran.stderr
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {name.partition(".")[0] for name in ran.stderr.splitlines()[-1].split()}, used


@pytest.mark.parametrize(
    "code",
    [
        "import harness",
        "import harness; harness.Options(tables='x'); harness.InputError",
        "from harness.cli import start; sys.argv = ['parity', '--help']; start.parity()",
        "from harness.cli import start; sys.argv = ['parity', 'audit', '--help']; start.parity()",
        "from harness.cli import start; sys.argv = ['run', '--help']; start.start('run')",
        "from harness.cli import start; sys.argv = ['compare', '--help']; start.start('commands.compare')",
        "from harness.cli import start; sys.argv = ['documents', '--help']; start.start('commands.documents')",
        "from harness.cli import start; sys.argv = ['standins', '--help']; start.start('commands.stand_ins')",
    ],
)
def test_what_measures_nothing_imports_nothing_heavy(code: str) -> None:
    modules, seconds = loaded(code)
    assert "harness" in modules
    assert sorted(modules & set(HEAVY)) == []
    assert seconds < 2, "0.3 s on an idle CPU; with the heavy modules it is 3 s or more"


def test_a_pytest_that_checks_no_table_imports_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text("def test_theirs(): pass\n")
    code = f"import pytest; assert pytest.main(['-q', '-p', 'no:cacheprovider', {str(tmp_path)!r}]) == 0"
    modules, _ = loaded(f"import os; os.chdir({str(tmp_path)!r}); {code}")
    assert {"harness", "pytest"} <= modules
    # those that other plugins of this environment import
    others, _ = loaded(f"import os; os.chdir({str(tmp_path)!r}); {code.replace('-q', '-qpno:parity')}")
    assert sorted(modules & set(HEAVY) - others) == []


def test_the_modules_that_are_started_are_imported_by_nobody() -> None:
    """`harness.run` and `harness.compare` are functions; importing the module of that name would hide them."""
    for path in (ROOT / "harness").rglob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for name in ("harness.run", "harness.compare"):
            assert not [line for line in lines if line.split()[:2] in (["import", name], ["from", name])]


# --- how it ends


class OfAFileSystem(Exception):
    """As every file system of a URL has its own."""


def fail(error: Exception) -> Callable[[], int]:
    def work() -> int:
        raise error

    return work


@pytest.mark.parametrize(
    "error",
    [AttributeError("'NoneType' object has no attribute 'outcome'"), KeyError("x"), OfAFileSystem("raised where?")],
)
def test_a_fault_of_the_harness_is_told_as_one(capsys: pytest.CaptureFixture[str], error: Exception) -> None:
    assert guarded(fail(error), "memory://store") == 2
    told = capsys.readouterr().err
    assert told.startswith("Traceback")
    assert f"{type(error).__name__}: {error}" in told
    *_, last = told.splitlines()
    assert last.startswith("error: this is a fault of the harness")
    assert "Completed measurements are saved in memory://store" in last


def test_a_fault_with_a_store_at_a_url_has_its_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("harness.checks.run.execute", lambda *_: None.outcome)  # type: ignore[attr-defined]
    use_fakes(monkeypatch)
    table = tmp_path / "table.md"
    table.write_text(TABLE.replace("timm v0.6.5", "fake"))
    assert run.run(Options(tables=(table,), store="memory://x", out=tmp_path / "out")) == 2
    told = capsys.readouterr().err
    assert "AttributeError: 'NoneType' object has no attribute 'outcome'" in told
    assert "Fix the problem" not in told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (InputError("no such table"), "error: no such table"),
        (MeasurementError("uv says no."), "error: uv says no. Completed measurements are saved in out. Fix the "),
        (OSError(28, "No space left on device"), "error: [Errno 28] No space left on device. Completed "),
        (StoreError("forbidden"), "error: forbidden. Completed measurements are saved in out. Fix the "),
        (StoreError(), "error: StoreError. Completed"),
    ],
)
def test_what_the_user_can_fix_is_one_line(capsys: pytest.CaptureFixture[str], error: Exception, told: str) -> None:
    assert guarded(fail(error), "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(told)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["standins", "documents"])
def test_the_other_commands_that_start_workers_are_interrupted(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: str,
    number: signal.Signals,
) -> None:
    use_fakes(monkeypatch)

    def waiting(*_: object, **__: object) -> None:
        os.kill(os.getpid(), number)
        cancellation.sleep(60)

    monkeypatch.setattr("harness.execution.process.run", waiting)
    table = tmp_path / "table.md"
    table.write_text(TABLE.replace("timm v0.6.5", "fake"))
    began = time.monotonic()
    if command == "documents":
        status = documents.main(["fake", "--out", str(tmp_path / "page.md")])
    else:
        write_images(tmp_path / "data", [b"image"], [1])
        given = ["--table", str(table), "--data", str(tmp_path / "data"), "--out", str(tmp_path / "weights")]
        status = stand_ins.main(given)
    assert status == 130
    assert time.monotonic() - began < 30
    assert capsys.readouterr().err == "interrupted. Run the same command again to repeat it\n"
