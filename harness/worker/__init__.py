"""Runs inside a source's environment: standard library, NumPy and the adapter alone."""
