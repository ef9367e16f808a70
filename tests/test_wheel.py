"""What users install: the wheel and the source distribution, in an environment outside the checkout."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import uv
from folders import ROOT

pytestmark = pytest.mark.slow

#: folder of the checkout -> where it is installed
INSTALLED = {"harness": "harness", "adapters": "harness/adapters", "reference": "harness/reference"}
#: another distribution whose import name is that of a folder here
OTHER = "adapters==1.0.0"
PAGE = """\
| model | source | params (M) | input size |
| - | - | - | - |
| resnet18 | timm v0.6.5 | 11.690 | 224 |
"""


def expected() -> set[str]:
    """Every file of the packages, as the wheel names it."""
    return {
        f"{inside}/{path.relative_to(ROOT / folder)}"
        for folder, inside in INSTALLED.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def run(*command: str | Path, cwd: Path, status: int = 0) -> str:
    """What a command prints; it sees neither this environment's packages nor the checkout."""
    hidden = ("PYTHON", "VIRTUAL_ENV", "TOX_", "COV_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == status, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@dataclass(frozen=True)
class Built:
    """The two distributions; the wheel is made from the source distribution."""

    wheel: Path
    source: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    checkout, dist = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("dist")
    for folder in INSTALLED:
        shutil.copytree(ROOT / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    run(uv.find_uv_bin(), "build", "--quiet", "--out-dir", dist, cwd=checkout)
    [wheel], [source] = dist.glob("*.whl"), dist.glob("*.tar.gz")
    return Built(wheel, source)


@dataclass(frozen=True)
class Environment:
    """A clean environment with the wheel and the other distribution in it."""

    python: Path
    folder: Path  #: where commands are run; nothing of ours is in it

    @property
    def packages(self) -> Path:
        [found] = self.python.parents[1].glob("lib/python*/site-packages")
        return found


@pytest.fixture(scope="module")
def environment(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("environment")
    python = folder / "venv" / "bin" / "python"
    run(uv.find_uv_bin(), "venv", "--quiet", "--python", sys.executable, folder / "venv", cwd=folder)
    install = (uv.find_uv_bin(), "pip", "install", "--quiet", "--python", python)
    run(*install, "--no-deps", OTHER, cwd=folder)  # its own requirements are gigabytes, and nothing here runs it
    run(*install, built.wheel, cwd=folder)
    (folder / "elsewhere").mkdir()
    return Environment(python, folder / "elsewhere")


def test_the_wheel_has_one_package_with_every_file_of_it(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        [licence] = [name for name in names if name.endswith("licenses/LICENSE")]
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
    packages = {name for name in names if ".dist-info/" not in name}
    assert {name.partition("/")[0] for name in packages} == {"harness"}
    assert packages == expected()


def test_the_source_distribution_has_what_the_wheel_is_made_of(built: Built) -> None:
    with tarfile.open(built.source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    files = {path for folder in INSTALLED for path in (ROOT / folder).rglob("*") if path.is_file()}
    there = {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}
    assert there | {"pyproject.toml", "README.md", "LICENSE"} <= names


def test_another_package_of_the_name_of_a_folder_is_left_alone(environment: Environment) -> None:
    """By the checksums of its own record; importing it takes its requirements."""
    packages = environment.packages
    [record] = packages.glob("adapters-*.dist-info/RECORD")
    checked = 0
    for name, digest, _ in csv.reader(record.read_text(encoding="utf-8").splitlines()):
        if digest and name.startswith("adapters/"):
            algorithm, _, value = digest.partition("=")
            content = (packages / name).read_bytes()
            assert base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).decode().rstrip("=") == value, (
                name
            )
            checked += 1
    assert checked > 50
    code = "import importlib.util as u; print(u.find_spec('adapters').origin, u.find_spec('harness.adapters').origin)"
    found = run(environment.python, "-P", "-c", code, cwd=environment.folder).split()
    assert found == [str(packages / one / "__init__.py") for one in ("adapters", "harness/adapters")]
    run(environment.python, "-P", "-c", "import harness, harness.adapters.base", cwd=environment.folder)


def test_a_page_is_audited_where_nothing_of_ours_is(environment: Environment) -> None:
    (environment.folder / "page.md").write_text(PAGE)
    run(environment.python.with_name("parity"), "audit", "page.md", "--out", "report", cwd=environment.folder)
    cells = json.loads((environment.folder / "report" / "report.json").read_text(encoding="utf-8"))["cells"]
    assert {cell["metric"]: cell["outcome"] for cell in cells}["params"] == "reproduced"
    names = {path.name for path in (environment.folder / "report").iterdir()}
    assert {"report.html", "report.md", "report.json", "report.xml"} <= names
