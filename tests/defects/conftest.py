"""Shows at the end what the benchmark of planted defects found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from benchmark import Counts

_COUNTS = pytest.StashKey[dict[str, Counts]]()


@pytest.fixture
def counts(request: pytest.FixtureRequest) -> Callable[[str], Counts]:
    """The counts of a group."""
    groups = request.config.stash.setdefault(_COUNTS, {})
    return lambda group: groups.setdefault(group, Counts())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    groups = config.stash.get(_COUNTS, {})
    whole = Counts()
    for name, group in groups.items():
        terminalreporter.write_line(f"planted in {name}: {group.line()}")
        whole.named |= {f"{name}: {defect}": named for defect, named in group.named.items()}
        whole.missed += group.missed
        whole.alarms += group.alarms
        whole.undamaged += group.undamaged
    if len(groups) > 1:
        terminalreporter.write_line(f"planted in all: {whole.line()}")
