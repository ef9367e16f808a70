"""One test per documented cell, and on request per pair of sources and per preprocessing claim.

`pytest -m parity --parity-table README.md` runs them in any repository, which needs no test file of its own.
"""

import pytest

from harness.cli.pytest_plugin import Cell, PairOfSources, PreparedSource


@pytest.mark.parity
def test_parity(parity_cell: Cell) -> None:
    parity_cell.check()


@pytest.mark.parity
def test_same_function(parity_pair: PairOfSources) -> None:
    parity_pair.check()


@pytest.mark.parity
def test_preprocessing(parity_preprocessing: PreparedSource) -> None:
    parity_preprocessing.check()
