"""The limits of the code's structure, who may import whom, and that lists kept by hand agree with the files."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest
import tiers
from folders import ROOT

#: lines of a module, lines of a function with its signature and docstring, modules of a package without __init__
MODULE_LINES, FUNCTION_LINES, PACKAGE_MODULES = 300, 60, 12
#: what the limits hold for
PARTS = ("harness", "adapters")
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def modules(root: Path) -> list[Path]:
    return sorted(path for part in PARTS for path in (root / part).rglob("*.py"))


# --- sizes


def long_modules(root: Path) -> Iterator[str]:
    for path in modules(root):
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MODULE_LINES:
            yield f"{path.relative_to(root)}: {lines} lines"


def long_functions(root: Path) -> Iterator[str]:
    for path in modules(root):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                if (lines := node.end_lineno - node.lineno + 1) > FUNCTION_LINES:
                    yield f"{path.relative_to(root)}:{node.lineno} {node.name}: {lines} lines"


def full_packages(root: Path) -> Iterator[str]:
    """Sources are not counted: each is one module with its requirement file, and there are as many as it takes."""
    for folder in sorted({path.parent for path in modules(root)}):
        own = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        inside = [path for path in own if not path.with_suffix(".txt").is_file()]
        if len(inside) > PACKAGE_MODULES:
            yield f"{folder.relative_to(root)}: {len(inside)} modules"


@pytest.mark.parametrize("offenders", [long_modules, long_functions, full_packages])
def test_sizes_are_within_their_limits(offenders: Callable[[Path], Iterator[str]]) -> None:
    assert list(offenders(ROOT)) == []


def test_what_is_too_large_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "harness" / "checks"
    folder.mkdir(parents=True)
    for number in range(PACKAGE_MODULES + 1):
        (folder / f"module_{number}.py").write_text("x = 1\n" * MODULE_LINES)
    assert list(long_modules(tmp_path)) == []
    assert list(full_packages(tmp_path)) == ["harness/checks: 13 modules"]
    (folder / "module_9.txt").write_text("a_source==1.0\n")
    assert list(full_packages(tmp_path)) == []
    (folder / "module_0.py").write_text("x = 1\n" * (MODULE_LINES + 1))
    assert list(long_modules(tmp_path)) == ["harness/checks/module_0.py: 301 lines"]
    lines = "        x = 1\n" * (FUNCTION_LINES - 1)
    content = f"def short():\n{lines}class Long:\n    def long(self):\n{lines}        y = 2\n"
    (folder / "module_1.py").write_text(content)
    assert list(long_functions(tmp_path)) == ["harness/checks/module_1.py:62 long: 61 lines"]


def test_complexity_is_limited_by_the_linter() -> None:
    lint = CONFIGURATION["tool"]["ruff"]["lint"]
    assert "C90" in lint["select"]
    assert lint["mccabe"]["max-complexity"] == 15
    assert not any(rule.startswith("C9") for rules in lint["per-file-ignores"].values() for rule in rules)


# --- what is installed


def test_the_packages_that_are_installed_are_the_folders() -> None:
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "harness").rglob("__init__.py")}
    mapped = {"harness.adapters": "adapters", "harness.reference": "reference"}
    folders = {path.parent for path in (ROOT / "adapters").rglob("*.py")}
    mapped |= {
        f"harness.{'.'.join(folder.relative_to(ROOT).parts)}": str(folder.relative_to(ROOT)) for folder in folders
    }
    setuptools = CONFIGURATION["tool"]["setuptools"]
    assert set(setuptools["packages"]) == found | set(mapped)
    assert setuptools["package-dir"] == {"harness": "harness", **mapped}
    assert len(setuptools["packages"]) == len(set(setuptools["packages"]))


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {path.parent for path in modules(ROOT)}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_every_kind_of_file_that_is_no_module_is_installed() -> None:
    """A file that nobody lists would be missing from the wheel alone."""
    setuptools = CONFIGURATION["tool"]["setuptools"]
    folders = {
        name: ROOT / name.replace(".", "/").replace("harness/adapters", "adapters") for name in setuptools["packages"]
    }
    folders["harness.reference"] = ROOT / "reference"
    for name, folder in folders.items():
        listed = {path for pattern in setuptools["package-data"].get(name, ()) for path in folder.glob(pattern)}
        files = {path for path in folder.iterdir() if path.is_file() and path.suffix != ".py"}
        files |= {path for path in folder.glob("templates/*") if path.is_file()}
        assert files <= listed, name


def test_the_versions_of_the_linter_are_the_same() -> None:
    tox = ConfigParser()
    tox.read(ROOT / "tox.ini")
    [ruff] = [line for line in tox["testenv:lint"]["deps"].split() if line.startswith("ruff==")]
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"ruff==[\d.]+", hooks)) == {ruff}


def test_every_test_that_is_listed_as_slow_is_there() -> None:
    for file, names in tiers.SLOW.items():
        content = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert [name for name in names if f"def {name}" not in content] == [], file
    for fixture, file in tiers.SLOW_FIXTURES.items():
        assert f"def {fixture}(" in (ROOT / "tests" / file).read_text(encoding="utf-8")


# --- who may import whom

#: contract -> module that gets an import, and the import
PLANTED = {
    "floors": ("harness/tables/cells.py", "import harness.plan.plan"),
    "checks": ("harness/checks/counts/judge.py", "import harness.checks.diagnosis.run"),
    "workers are bare": ("harness/worker/evaluate.py", "import pandas"),
    "frameworks live in adapters": ("harness/checks/results.py", "import torch"),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What would be installed."""
    folder = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "harness", folder / "harness", ignore=ignored)
    for part in ("adapters", "reference"):
        shutil.copytree(ROOT / part, folder / "harness" / part, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def contracts(folder: Path) -> tuple[int, str]:
    """Exit status of import-linter and what it prints."""
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()", "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_contracts_hold(copy: Path) -> None:
    status, printed = contracts(copy)
    assert status == 0, printed
    assert f"Contracts: {len(PLANTED)} kept, 0 broken" in printed


def test_every_contract_has_an_import_that_breaks_it() -> None:
    assert {one["name"] for one in CONFIGURATION["tool"]["importlinter"]["contracts"]} == set(PLANTED)


@pytest.mark.parametrize("contract", PLANTED)
def test_an_import_that_is_planted_breaks_its_contract(copy: Path, contract: str) -> None:
    name, planted = PLANTED[contract]
    module = copy / name
    whole = module.read_text(encoding="utf-8")
    try:
        module.write_text(f"{whole}\n{planted}\n", encoding="utf-8")
        status, printed = contracts(copy)
    finally:
        module.write_text(whole, encoding="utf-8")
    assert status == 1, printed
    assert re.search(rf"^{contract} BROKEN$", printed, re.MULTILINE), printed


def test_every_package_may_import_no_framework() -> None:
    """A package that is added has to be added to the contract too."""
    contracts = {one["name"]: one for one in CONFIGURATION["tool"]["importlinter"]["contracts"]}
    parts = {path.stem for path in (ROOT / "harness").iterdir() if (path.is_dir() or path.suffix == ".py")}
    parts -= {"__init__", "__pycache__", "run", "compare", "documents", "standins"}
    missing = {f"harness.{part}" for part in parts} - set(contracts["frameworks live in adapters"]["source_modules"])
    assert missing == set()
