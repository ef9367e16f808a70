"""`pytest --pyargs harness.adapters.testing` on the package that the documentation shows; faults are told once."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uv
from fakes import installed
from folders import ROOT
from harness.adapters.testing.asked import Asked, outcomes
from harness.adapters.testing.clauses import CLAUSES

from harness.core.errors import MeasurementError
from harness.execution import environments, registry
from harness.execution.environments import Installed
from harness.execution.registry import SourceSpec

PAGE = (ROOT / "docs" / "howto" / "source.md").read_text(encoding="utf-8")
COMMAND = ("--pyargs", "harness.adapters.testing", "-p", "no:cacheprovider", "-o", "addopts=")
Run = Callable[..., pytest.RunResult]


def shown(file: str) -> str:
    """The content of a file that the page shows."""
    found = re.search(rf"^`{re.escape(file)}`[^\n]*\n\n```\w*\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert found, f"the page shows no {file}"
    return found[1]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with the files that the page shows."""
    for file in ("pyproject.toml", "my_zoo/zoo.py", "my_zoo/zoo.txt"):
        path = tmp_path / "project" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(shown(file), encoding="utf-8")
    (tmp_path / "project" / "my_zoo" / "__init__.py").touch()
    return tmp_path / "project"


@pytest.fixture
def spec(package: Path, monkeypatch: pytest.MonkeyPatch) -> SourceSpec:
    """The documented source as the registry finds it."""
    monkeypatch.syspath_prepend(package)
    monkeypatch.delitem(sys.modules, "my_zoo", raising=False)  # that of another test
    points = tomllib.loads(shown("pyproject.toml"))["project"]["entry-points"]["parity.adapters"]
    (point,) = (registry.importlib.metadata.EntryPoint(*pair, registry.GROUP) for pair in points.items())
    return registry._spec(point)


@pytest.fixture
def ready(spec: SourceSpec) -> Installed:
    """It in this interpreter, whose packages stand in for the pinned ones."""
    return installed(spec.module, spec.default_version, spec=spec)


@pytest.fixture
def run(ready: Installed, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command where the documented source is registered and its environment is there."""
    monkeypatch.setattr(registry, "sources", lambda: {"zoo": ready.spec, "timm": ready.spec})
    monkeypatch.setattr(environments, "is_prepared", lambda *_: True)
    monkeypatch.setattr(environments, "prepare", lambda *_: ready)
    return lambda *given: pytester.runpytest_inprocess(*COMMAND, *given)


def told(result: pytest.RunResult) -> str:
    """The one thing that is wrong, of a command that ran no test."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert not re.search("passed|failed", result.stdout.str())
    (line,) = (line for line in result.stderr.lines if line.startswith("ERROR: "))
    return line.removeprefix("ERROR: ")


# -- the documented package


def test_the_documented_package_holds_its_contract(run: Run) -> None:
    result = run("--source", "zoo", "--models", "colours4,colours8", "-rs")
    optional = 7
    result.assert_outcomes(passed=2 * (len(CLAUSES) - optional), skipped=2 * optional)
    result.stdout.fnmatch_lines(["*zoo==* colours4, clause aliases: Adapter has no method aliases() of its own*"])


def test_the_documented_package_says_that_its_requirement_file_is_package_data() -> None:
    settings = tomllib.loads(shown("pyproject.toml"))
    module = settings["project"]["entry-points"]["parity.adapters"]["zoo"]
    package = module.rpartition(".")[0]
    assert settings["tool"]["setuptools"]["packages"] == [package]
    assert settings["tool"]["setuptools"]["package-data"] == {package: ["*.txt"]}
    named, version = shown("my_zoo/zoo.txt").splitlines()[0].split("==")
    assert named == "numpy"
    assert version


@pytest.mark.slow
def test_the_documented_package_has_its_requirement_file_in_its_wheel(package: Path, tmp_path: Path) -> None:
    build = (uv.find_uv_bin(), "build", "--quiet", "--wheel", "--out-dir", tmp_path)
    done = subprocess.run(build, cwd=package, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [wheel] = tmp_path.glob("*.whl")
    assert {"my_zoo/zoo.py", "my_zoo/zoo.txt"} <= set(zipfile.ZipFile(wheel).namelist())


def test_a_package_without_its_requirement_file_is_named(package: Path, spec: SourceSpec) -> None:
    (package / "my_zoo" / "zoo.txt").unlink()
    point = registry.importlib.metadata.EntryPoint(spec.name, spec.module, registry.GROUP)
    with pytest.raises(Exception, match=r"source zoo: cannot read its requirement file.*zoo\.txt"):
        registry._spec(point)


def test_the_page_lists_every_clause_with_what_it_says() -> None:
    listed = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)
    said = [(name, (clause.__doc__ or "").replace(" Optional.", " *Optional.*")) for name, clause in CLAUSES.items()]
    assert [pair for pair in listed if pair[0] in CLAUSES] == said


# -- what is wrong is told once


def test_an_unknown_source_is_told_once_with_the_nearest(run: Run) -> None:
    text = told(run("--source", "tim", "--models", "a,b"))
    assert text.startswith("--source: unknown source 'tim', did you mean timm? Known: timm, zoo.")
    assert "pip install -e ." in text


def test_an_unknown_version_names_the_option_that_was_given(run: Run, spec: SourceSpec) -> None:
    text = told(run("--source", "zoo==new", "--models", "colours4"))
    assert text == f"--source: 'zoo==new' is not a version; expected something like zoo=={spec.default_version}"


def test_unknown_models_are_told_once_with_the_nearest(run: Run) -> None:
    text = told(run("--source", "zoo", "--models", "colours4,nope,colours5"))
    assert text == (
        "--models: zoo has no model 'nope'. --models: zoo has no model 'colours5', did you mean colours4? "
        "It has colours4, colours8"
    )


def test_a_model_that_is_built_but_not_offered_fails_its_clause(run: Run, package: Path) -> None:
    file = package / "my_zoo" / "zoo.py"
    file.write_text(file.read_text().replace("return list(CELLS)", 'return ["colours8"]'))
    result = run("--source", "zoo", "--models", "colours4", "-k", "models")
    result.assert_outcomes(failed=1, deselected=len(CLAUSES) - 1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "name what is tested: --source NAME --models A,B"),
        (("--models", "a"), "--source: name the source that is tested, with --source NAME --models A,B"),
        (("--source", "zoo"), "--models: name at least one model of zoo, with commas between several"),
        (("--source", "zoo", "--models", " , "), "--models: name at least one model of zoo"),
    ],
)
def test_what_is_not_named_is_asked_for(run: Run, given: tuple[str, ...], said: str) -> None:
    assert told(run(*given)).startswith(said)


def test_an_environment_that_cannot_be_made_is_told_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Installed:
        raise MeasurementError("the environment of zoo==9 could not be made. uv says: no zoo==9")

    monkeypatch.setattr(environments, "prepare", refuse)
    monkeypatch.setattr(environments, "is_prepared", lambda *_: False)
    result = run("--source", "zoo", "--models", "colours4,colours8")
    assert told(result) == "the environment of zoo==9 could not be made. uv says: no zoo==9"
    assert result.stdout.str().count("making its environment") == 1


def test_another_runtime_is_part_of_the_environment(
    run: Run, ready: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []
    monkeypatch.setattr(environments, "prepare", lambda *options: given.extend(options) or ready)
    run("--source", "zoo", "--models", "colours4", "--runtime", "openvino", "--collect-only")
    assert given[-1] == "openvino"


def test_an_environment_without_numpy_is_told_in_one_sentence(
    run: Run, ready: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    bare = dataclasses.replace(ready, python=tmp_path / "bare" / "bin" / "python")
    monkeypatch.setattr(environments, "prepare", lambda *_: bare)
    result = run("--source", "zoo", "--models", "colours4")
    assert told(result).startswith("source zoo: NumPy cannot be imported in its environment")
    assert "add a line `numpy` to its requirement file" in result.stderr.str()
    assert str(ready.spec.folder / "zoo.txt") in result.stderr.str()
    assert "Traceback" not in result.stderr.str()


def test_an_adapter_that_cannot_be_imported_is_told_once_with_where(run: Run, package: Path) -> None:
    file = package / "my_zoo" / "zoo.py"
    file.write_text("import no_such_framework\n" + file.read_text())
    result = run("--source", "zoo", "--models", "colours4,colours8")
    assert told(result).startswith("source zoo: its adapter my_zoo.zoo cannot be used in its environment:")
    assert result.stderr.str().count("No module named 'no_such_framework'") == 1


# -- in the source's environment


def test_it_runs_in_the_sources_own_environment() -> None:
    found = outcomes(installed(), "tiny")
    assert found.keys() == CLAUSES.keys()
    assert found["seed"].kind == "held"
    assert "expected" in found["preprocessing"].why, "the fake source reads no real images"


def test_a_process_that_ends_breaks_the_clause_at_which_it_did(
    ready: Installed, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = package / "my_zoo" / "zoo.py"
    file.write_text(file.read_text().replace("        pooled, features, logits =", "        import os; os._exit(3)\n#"))
    started: list[tuple[object, ...]] = []
    begin = subprocess.run

    def noted(*given: Any, **named: Any) -> Any:
        started.append(given)
        return begin(*given, **named)

    monkeypatch.setattr(subprocess, "run", noted)
    found = Asked(ready, ("colours4",))
    kinds = {clause: found.outcome("colours4", clause).kind for clause in CLAUSES}
    assert len(started) == 1
    broken = [clause for clause, kind in kinds.items() if kind == "broken"]
    assert broken == ["trace"]
    assert "the process ended with status 3" in found.outcome("colours4", "trace").why
    after = list(CLAUSES)[list(CLAUSES).index("trace") + 1 :]
    assert {kinds[clause] for clause in after} == {"skipped"}
    assert found.outcome("colours4", after[-1]).why == "not tried, because clause trace ended the process"
