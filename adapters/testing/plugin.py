"""A pytest plugin: which source and models the contract's tests are of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.adapters.testing.asked import Asked

#: what is tested, where it was asked for
ASKED: pytest.StashKey[Asked] = pytest.StashKey()
_TESTS = Path(__file__).with_name("test_source.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("parity-source", "the contract of a source (harness.adapters.testing)")
    group.addoption("--source", default="", help="registered name of the source whose adapter is tested")
    group.addoption("--models", default="", help="names of its models, with commas between them")
    group.addoption(
        "--runtime",
        default="native",
        choices=("native", "openvino", "onnxruntime"),
        help="what its environment has besides, to try what it exports",
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    """Finds source and models once, so that what is wrong with them is told once."""
    config = session.config
    source, models, runtime = (config.getoption(name) for name in ("--source", "--models", "--runtime"))
    if not source and not models:
        return
    from harness.adapters.testing.asked import resolve

    from harness.core.errors import HarnessError

    terminal = config.pluginmanager.get_plugin("terminalreporter")
    try:
        config.stash[ASKED] = resolve(source, models, runtime, lambda line: terminal and terminal.write_line(line))
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuses to run the contract's tests of nothing."""
    if ASKED not in config.stash and any(item.path == _TESTS for item in items):
        raise pytest.UsageError("name what is tested: --source NAME --models A,B")
