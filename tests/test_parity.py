"""The CSPNet table, unless --parity-table names another: pytest -m parity."""

from harness.cli.default_tests import test_parity, test_preprocessing, test_same_function

__all__ = ["test_parity", "test_preprocessing", "test_same_function"]
