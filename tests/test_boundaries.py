"""The harness runs without any framework, and what workers import runs with NumPy alone."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).parents[1]
FRAMEWORKS = (
    "torch", "torchvision", "timm", "mmcv", "mmcls", "paddle", "ppcls", "paddleclas", "onnxruntime", "openvino",
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
WORKER_MODULES = (
    "harness.worker",
    "harness.images",
    "harness.integrity",
    "harness.names",
    "harness.traces",
    "harness.correspondence",
    "harness.divergence",
)

SOURCES = sorted((ROOT / "harness").rglob("*.py"))
MODULES = sorted(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in SOURCES)


def forbidden(code: str) -> list[str]:
    """Imports in the code that reach a framework or a source's adapter, with their lines."""
    found = []
    for node in ast.walk(ast.parse(code)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            names = [str(node.args[0].value)] if called in ("import_module", "__import__") else []
        for name in names:
            top, _, rest = name.partition(".")
            if top in FRAMEWORKS or (top == "adapters" and rest.partition(".")[0] not in SHARED):
                found.append(f"line {node.lineno}: {name}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_of_the_harness_imports_a_framework_or_an_adapter(path: Path) -> None:
    assert forbidden(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import torch", "line 1: torch"),
        ("import torch.nn as nn", "line 1: torch.nn"),
        ("import json, timm", "line 1: timm"),
        ("from paddle import nn", "line 1: paddle.nn"),
        ("from mmcv.utils import Config", "line 1: mmcv.utils.Config"),
        ("def f():\n    import openvino", "line 2: openvino"),
        ("if TYPE_CHECKING:\n    from torch import Tensor", "line 2: torch.Tensor"),
        ("import importlib\nimportlib.import_module('ppcls')", "line 2: ppcls"),
        ("__import__('onnxruntime')", "line 1: onnxruntime"),
        ("import adapters.timm", "line 1: adapters.timm"),
        ("from adapters import mmcls", "line 1: adapters.mmcls"),
        ("from adapters.ppcls import Adapter", "line 1: adapters.ppcls.Adapter"),
    ],
)
def test_the_check_finds_every_way_to_import(code: str, found: str) -> None:
    assert forbidden(code) == [found]


@pytest.mark.parametrize(
    "code",
    [
        "import torchless, mytimm",
        "from adapters.base import Match",
        "from adapters import base",
        "from adapters import recipe",
        "import adapters.base",
        "from harness import timm",
        "from . import torch",
        "importlib.import_module(job['module'])",
        "print('torch')",
    ],
)
def test_the_check_passes_what_only_looks_like_it(code: str) -> None:
    assert forbidden(code) == []


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
    assert {"harness", "harness.verdicts", "harness.report"} <= set(MODULES)


@pytest.mark.parametrize("module", WORKER_MODULES)
def test_what_workers_import_needs_numpy_alone(module: str) -> None:
    ran = imported((module,), FRAMEWORKS + HARNESS_ONLY)
    assert ran.returncode == 0, ran.stderr


def test_what_workers_import_loads_nothing_but_numpy_and_the_standard_library() -> None:
    """Judged by what is loaded in the end, since a list of packages can miss one."""
    loaded = (
        "import sys; sys.path[:0] = sys.argv[1:3]; before = set(sys.modules)\n"
        f"import {', '.join(WORKER_MODULES)}\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    packages = str(Path(numpy.__file__).parents[1])
    command = [sys.executable, "-I", "-S", "-c", loaded, str(ROOT), packages]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert set(ran.stdout.split()) == {"harness", "adapters", "numpy"}


@pytest.mark.parametrize(
    ("code", "refused"), [("import torch", FRAMEWORKS), ("from pandas import DataFrame", HARNESS_ONLY)]
)
def test_the_refusal_works(tmp_path: Path, code: str, refused: tuple[str, ...]) -> None:
    (tmp_path / "intruder.py").write_text(code)
    ran = imported(("intruder",), refused, tmp_path)
    assert ran.returncode != 0
    assert "is refused" in ran.stderr
