"""One test per clause of the contract and model: pytest --pyargs harness.adapters.testing --source NAME --models A,B"""

from __future__ import annotations

import pytest
from harness.adapters.testing.clauses import CLAUSES
from harness.adapters.testing.plugin import ASKED


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test of each clause and model that was asked for."""
    if ASKED not in metafunc.config.stash:
        return  # the plugin says so
    pairs = [(model, clause) for model in metafunc.config.stash[ASKED].models for clause in CLAUSES]
    metafunc.parametrize(("model", "clause"), pairs, ids=["-".join(pair) for pair in pairs])


def test_contract(pytestconfig: pytest.Config, model: str, clause: str) -> None:
    asked = pytestconfig.stash[ASKED]
    outcome = asked.outcome(model, clause)
    if outcome.kind == "skipped":
        pytest.skip(f"{asked.installed.source} {model}, clause {clause}: {outcome.why}")
    if outcome.kind == "broken":
        pytest.fail(f"{asked.installed.source} {model}, clause {clause}: {outcome.why}", pytrace=False)
