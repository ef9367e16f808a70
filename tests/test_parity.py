"""One test per documented cell: pytest -m parity."""

import pytest

from harness.pytest_plugin import Cell


@pytest.mark.parity
def test_parity(parity_cell: Cell) -> None:
    parity_cell.check()
