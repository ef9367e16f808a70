"""Proves or refutes, cell by cell, a published table of ImageNet classifiers."""

__version__ = "0.1.0"
