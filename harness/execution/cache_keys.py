"""Digests of code: what a stored measurement or answer depends on in addition to what was measured.

They cover whole packages, never a list of files, so that no change of the deciding code is overlooked.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import harness
from harness.execution.registry import SourceSpec

#: the packages that run in a worker
_WORKER = ("core", "worker")


@functools.cache
def code_digest(*packages: str) -> str:
    """Hex SHA-256 of all modules of some of the harness's packages, named as in "checks/counts"."""
    root = Path(str(harness.__file__)).parent
    digest = hashlib.sha256()
    for package in packages:
        for file in sorted((root / package).rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def code_of(spec: SourceSpec) -> str:
    """Hex SHA-256 of all code that a measurement of this source depends on, the harness's own and the adapter's."""
    return hashlib.sha256((spec.code_digest() + code_digest(*_WORKER)).encode()).hexdigest()
