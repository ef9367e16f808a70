"""A pytest plugin: which source and models the contract's tests are of, and what came of them."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.execution.environments import Installed


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("parity-source", "the contract of a source (harness.adapters.testing)")
    group.addoption("--source", default="", help="registered name of the source whose adapter is tested")
    group.addoption("--models", default="", help="names of its models, with commas between them")


def results(installed: Installed, model: str) -> dict[str, str | None]:
    """Clause -> why it is broken, from the source's own environment. Raises AssertionError where that ends early."""
    import numpy as np
    from harness.adapters.testing.subject import COLOUR
    from PIL import Image

    from harness.execution.process import make_path

    with tempfile.TemporaryDirectory(prefix="parity-contract-") as folder:
        files = Path(folder) / "files"
        files.mkdir()
        pixels = np.full((300, 400, 3), COLOUR, np.uint8)
        noise = np.random.default_rng(0).integers(0, 256, pixels.shape, np.uint8)
        for name, content in (("red", pixels), ("noise", noise)):
            Image.fromarray(content).save(files / f"{name}.png")
        make_path(installed.spec, Path(folder) / "path")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            [str(installed.python), "-W", "ignore", "-m", "harness.adapters.testing.clauses", installed.spec.module,
             model, str(files)],
            capture_output=True,
            text=True,
            cwd=files,
            env={**inherited, "PYTHONPATH": str(Path(folder) / "path"), "PYTHONSAFEPATH": "1"},
        )  # fmt: skip
        assert done.returncode == 0, f"{installed.source} ended with status {done.returncode}: {done.stderr[-3000:]}"
        found: dict[str, str | None] = json.loads((files / "results.json").read_text(encoding="utf-8"))
        return found
