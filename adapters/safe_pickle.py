"""Reads the pickled dictionaries of arrays that Paddle writes, without executing what else a pickle can hold."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from adapters.base import CheckpointError

#: What rebuilding plain containers and NumPy arrays takes, under the names of NumPy 1 and 2.
_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("_codecs", "encode"),
    ("builtins", "tuple"),
    ("__builtin__", "tuple"),
    ("collections", "OrderedDict"),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def load(path: Path) -> dict[str, Any]:
    """The dictionary in `path`.

    Raises CheckpointError for anything but plain values and arrays; nothing in the file is executed.
    """
    try:
        with path.open("rb") as file:
            content = _Unpickler(file, encoding="latin1").load()
    except (
        pickle.UnpicklingError,
        EOFError,
        AttributeError,
        IndexError,
        ValueError,
        TypeError,
        ImportError,
    ) as error:
        raise CheckpointError(
            f"{path}: not a .pdparams file of arrays alone ({error}). Nothing in it was executed; "
            "expected the file that the source publishes"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}, expected a dictionary of arrays")
    return content


def arrays(content: dict[str, Any]) -> dict[str, np.ndarray]:
    """The entries that are arrays; Paddle may save a tensor as (name, array)."""
    found = {}
    for name, value in content.items():
        array = value[1] if isinstance(value, tuple) and len(value) == 2 else value
        if isinstance(array, np.ndarray):
            found[str(name)] = array
    return found
