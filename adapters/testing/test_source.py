"""One test per clause of the contract and model: pytest --pyargs harness.adapters.testing --source NAME --models A,B"""

from __future__ import annotations

import functools

import pytest
from harness.adapters.testing.clauses import CLAUSES
from harness.adapters.testing.plugin import results


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test of each clause and model that was asked for."""
    source, models = (metafunc.config.getoption(name) for name in ("--source", "--models"))
    if not source or not models:
        raise pytest.UsageError("name what is tested: --source NAME --models A,B")
    asked = [(source, model.strip(), clause) for model in models.split(",") for clause in CLAUSES]
    metafunc.parametrize(("source", "model", "clause"), asked, ids=[f"{model}-{clause}" for _, model, clause in asked])


@functools.cache
def _results(source: str, model: str) -> dict[str, str | None]:
    from harness.execution import environments, registry

    known = registry.sources()
    name, version = registry.parse_source(source, known)
    return results(environments.prepare(known[name], version or known[name].default_version), model)


def test_contract(source: str, model: str, clause: str) -> None:
    why = _results(source, model)[clause]
    if why is not None:
        pytest.fail(f"{source} {model}, clause {clause}: {why}", pytrace=False)
