"""Whatever decides a stored measurement or answer changes its key."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from folders import ROOT

#: prints which keys each change of a copy of the packages changes: of measurements, pairs, --why between sources
KEYS = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import harness
from harness import adapters
assert str(Path(harness.__file__).parent) == sys.argv[1] + "/harness", harness.__file__
assert str(Path(adapters.__file__).parent) == sys.argv[1] + "/harness/adapters", adapters.__file__
from harness.execution.cache_keys import code_of
from harness.execution.registry import ADAPTERS, SourceSpec
from harness.checks.equivalence import numerics
from harness.checks.diagnosis import against_source
asked = []
class Known(Exception): pass
def recorded(*packages):
    asked.append(packages)
    raise Known
spec = SourceSpec("timm", "harness.adapters.timm", ADAPTERS, "timm", "1.0")
other = SourceSpec("other", "other.nets.adapter", Path(sys.argv[1]) / "other" / "nets", "other", "1.0")
def packages_of(module, *given):
    module.code_digest = recorded
    try:
        module._identity(*given)
    except Known:
        return asked.pop()
class Anything:
    def __getattr__(self, name): return Anything()
    def __call__(self, *_, **__): return Anything()
    def __getitem__(self, _): return Anything()
    def __iter__(self): return iter(())
    def __add__(self, _): return {}
    def keys(self): return []
class Session(Anything):
    def identity(self, *_, **__): return {}
class Bench(Anything):
    session = Session()
    def identity(self, run, kind, **rest): return rest
images = type("Images", (), {"images": [], "digest": ""})()
sides = packages_of(numerics, Anything(), Anything(), images, Session())
why = packages_of(against_source, Anything(), Anything(), Bench(), None)
from harness.execution import cache_keys
def keys():
    cache_keys.code_digest.cache_clear()
    return {"measurement": code_of(spec), "third party": code_of(other), "pair": cache_keys.code_digest(*sides),
            "why": cache_keys.code_digest(*why)}
before = keys()
found = {}
for name, (file, text, changed) in json.load(sys.stdin).items():
    path = Path(sys.argv[1]) / file
    content = path.read_text()
    assert text in content, (file, text)
    path.write_text(content.replace(text, changed, 1))
    after = keys()
    path.write_text(content)
    found[name] = [key for key in before if after[key] != before[key]]
print(json.dumps(found))
"""

#: file, what it says, what it is changed to, the keys that depend on it
CHANGES = {
    "ROUNDING of the numerics": (
        "harness/checks/equivalence/logit_difference.py", "ROUNDING = 1e-3", "ROUNDING = 1e-1", {"pair", "why"},
    ),
    "LAYER_ROUNDING of the divergence": (
        "harness/checks/equivalence/divergence.py", "LAYER_ROUNDING = 1e-4", "LAYER_ROUNDING = 1e-2", {"pair", "why"},
    ),
    "a constant of the accuracy": (
        "harness/checks/accuracy/certificate.py", '"""', '"""A change. ', {"why"},
    ),
    "images that tell two sources apart": (
        "harness/checks/diagnosis/against_source.py", "MOST_APART = 32", "MOST_APART = 16", {"why"},
    ),
    "classes that a worker keeps": (
        "harness/worker/batches.py", "TOP_K = 6", "TOP_K = 7", {"measurement", "third party"},
    ),
    "a file of core": (
        "harness/core/operators.py", '"""', '"""A change. ', {"measurement", "third party", "pair", "why"},
    ),
    "an adapter": ("harness/adapters/timm.py", '"""', '"""A change. ', {"measurement", "third party"}),
    "an adapter's module in a sub-folder": (
        "harness/adapters/pytorch/trace.py", '"relu6": "ReLU6"', '"relu6": "ReLU"', {"measurement", "third party"},
    ),
    "a third party's own module in a sub-folder": (
        "other/parts/blocks.py", "WIDTH = 1", "WIDTH = 2", {"third party"},
    ),
    "a report": ("harness/report/markdown.py", '"""', '"""A change. ', set()),
}  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages as they are installed, and an adapter of somebody else's."""
    tree = tmp_path_factory.mktemp("tree")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "harness", tree / "harness", ignore=ignored)
    shutil.copytree(ROOT / "adapters", tree / "harness" / "adapters", ignore=ignored)
    shutil.copytree(ROOT / "reference", tree / "harness" / "reference", ignore=ignored)
    for folder in ("other", "other/nets", "other/parts"):
        (tree / folder).mkdir()
        (tree / folder / "__init__.py").touch()
    (tree / "other" / "nets" / "adapter.py").write_text("")
    (tree / "other" / "parts" / "blocks.py").write_text("WIDTH = 1\n")
    return tree


@pytest.fixture(scope="module")
def changed(tree: Path) -> dict[str, list[str]]:
    """Change -> the keys that it changes; all in one interpreter, which takes seconds to start."""
    command = [sys.executable, "-B", "-S", "-c", KEYS, str(tree)]
    path = [folder for folder in sys.path if "site-packages" in folder]
    given = json.dumps({name: change[:3] for name, change in CHANGES.items()})
    environment = {"PYTHONPATH": ":".join(path)}
    done = subprocess.run(command, input=given, capture_output=True, text=True, env=environment, cwd=tree)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", CHANGES)
def test_what_decides_changes_the_key(changed: dict[str, list[str]], name: str) -> None:
    assert set(changed[name]) == CHANGES[name][3]
