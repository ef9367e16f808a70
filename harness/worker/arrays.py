"""Named arrays in one file: an image's preprocessing steps, or a state. Workers import this: NumPy and stdlib alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def save(steps: Mapping[str, npt.NDArray[Any]], path: Path) -> dict[str, str]:
    """Writes the results; returns step -> hex SHA-256 over the type, the shape and the contiguous values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {step: np.ascontiguousarray(array) for step, array in steps.items()}
    np.savez(path, **arrays)
    return {
        step: hashlib.sha256(f"{array.dtype.str}{array.shape}".encode() + array.tobytes()).hexdigest()
        for step, array in arrays.items()
    }


def load(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Name -> array of a NumPy archive, as save() writes one; pickles in it are refused."""
    with np.load(path, allow_pickle=False) as content:
        return {name: content[name] for name in content.files}
