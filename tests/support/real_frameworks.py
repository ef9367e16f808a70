"""Environments, images and checkpoints for the tests that run real frameworks; a plugin of tests/conftest.py."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from folders import SAMPLE

import harness
from harness.core.errors import MeasurementError
from harness.dataset.image_set import ImageSet, open_images
from harness.execution import environments, registry
from harness.execution.environments import Installed
from harness.execution.process import make_path
from harness.execution.registry import ADAPTERS


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--images", type=int, default=48, help="real images that the frameworks are compared on")


@pytest.fixture(scope="session")
def sample(request: pytest.FixtureRequest) -> ImageSet:
    if not SAMPLE.is_dir():
        pytest.skip("no labelled images: expected ../shared/imagenet-sample beside the repository")
    limit: int = request.config.getoption("--images")
    return open_images(SAMPLE, limit=None if limit >= 500 else limit)


@pytest.fixture(scope="session")
def installed() -> Callable[..., Installed]:
    """The environment of a source, another runtime beside it where one is named; skips where none can be made."""

    def prepare(name: str, runtime: str = "native") -> Installed:
        spec = registry.sources()[name]
        try:
            return environments.prepare(spec, spec.default_version, runtime)
        except MeasurementError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(error))

    return prepare


@pytest.fixture(scope="session")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs a script in a source's environment; returns its output.

    Where it is asked, all of the harness can be imported there, as far as its libraries are in that environment.
    """

    def run(ready: Installed, script: Path, stdin: str = "", *arguments: str, importable: bool = False) -> str:
        path = tmp_path_factory.mktemp("path") / "path"
        if importable:
            root = Path(str(harness.__file__)).parent
            packages = [one.name for one in root.iterdir() if one.is_dir() and one.name != ADAPTERS.name]
            make_path(ready.spec, path, packages)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            [str(ready.python), "-W", "ignore", str(script), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env={**clean, **({"PYTHONPATH": str(path)} if importable else {}), "MALLOC_MMAP_MAX_": "0",
                 "MALLOC_TRIM_THRESHOLD_": str(2**33)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run
