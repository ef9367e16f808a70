"""The harness runs without any framework, and what workers import runs with NumPy alone."""

import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from folders import ROOT

import harness
from harness.execution.process import IN_WORKERS, make_path
from harness.execution.registry import SourceSpec

FRAMEWORKS = (
    "torch", "torchvision", "timm", "mmcv", "mmcls", "paddle", "ppcls", "paddleclas", "onnxruntime", "openvino",
    "pytorchcv", "keras", "h5py",
)  # fmt: skip
#: modules of adapters/ that no source owns and that load no framework
SHARED = ("base", "recipe", "runtimes")
#: what the harness may use where workers cannot
HARNESS_ONLY = (
    "pandas",
    "pyarrow",
    "requests",
    "jinja2",
    "rich",
    "uv",
    "platformdirs",
    "markdown_it",
    "scipy",
    "pytest",
)
WORKER_MODULES = tuple(
    f"harness.{package}.{one.name}"
    for package in IN_WORKERS
    for one in pkgutil.iter_modules([str(ROOT / "harness" / package)])
)

OWN = [str(Path(str(harness.__file__)).parent)]
MODULES = sorted(one.name for one in pkgutil.walk_packages(OWN, "harness."))
MODULES = [name for name in MODULES if not name.startswith(("harness.adapters", "harness.reference"))]
MODULES = [name for name in MODULES if not name.startswith("harness.cli.default_tests")]


# --- imported for real, where the forbidden modules cannot be found

REFUSE = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
refused = sys.argv[2].split(",")

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ImportError(f"{name} is refused")

sys.meta_path.insert(0, Refuse())
for module in sys.argv[3].split(","):
    importlib.import_module(module)
print("imported", len(sys.argv[3].split(",")))
"""


def imported(modules: tuple[str, ...], refused: tuple[str, ...], root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Imports the modules in an interpreter that sees no environment variable and refuses some packages."""
    command = [sys.executable, "-I", "-c", REFUSE, str(root), ",".join(refused), ",".join(modules)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_every_module_of_the_harness_imports_where_no_framework_is() -> None:
    ran = imported(tuple(MODULES), FRAMEWORKS)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["imported", str(len(MODULES))]
    assert {"harness.checks.counts.judge", "harness.report.html"} <= set(MODULES)


@pytest.mark.parametrize("module", WORKER_MODULES)
def test_what_workers_import_needs_numpy_alone(module: str) -> None:
    ran = imported((module,), FRAMEWORKS + HARNESS_ONLY)
    assert ran.returncode == 0, ran.stderr


def test_what_workers_import_loads_nothing_but_numpy_and_the_standard_library(tmp_path: Path) -> None:
    """Judged by what is loaded in the end, since a list of packages can miss one."""
    make_path(SourceSpec("zoo", "zoo", tmp_path, "zoo", "1.0"), tmp_path / "path")
    loaded = (
        "import sys; sys.path[:0] = sys.argv[1:3]; before = set(sys.modules)\n"
        f"import {', '.join(WORKER_MODULES)}\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    packages = str(Path(numpy.__file__).parents[1])
    command = [sys.executable, "-I", "-S", "-c", loaded, str(tmp_path / "path"), packages]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert set(ran.stdout.split()) == {"harness", "numpy"}


@pytest.mark.parametrize(
    ("code", "refused"), [("import torch", FRAMEWORKS), ("from pandas import DataFrame", HARNESS_ONLY)]
)
def test_the_refusal_works(tmp_path: Path, code: str, refused: tuple[str, ...]) -> None:
    (tmp_path / "intruder.py").write_text(code)
    ran = imported(("intruder",), refused, tmp_path)
    assert ran.returncode != 0
    assert "is refused" in ran.stderr
