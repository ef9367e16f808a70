"""Reads the pickled dictionaries of arrays that Paddle writes, without executing what else a pickle can hold."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from harness.adapters.base import CheckpointError
from harness.adapters.inert import PLAIN, plain


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in PLAIN:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return PLAIN[module, name]


def load(path: Path) -> dict[str, Any]:
    """The dictionary in `path`.

    Raises CheckpointError for anything but plain values and arrays of numbers; nothing in the file is executed.
    """
    try:
        with path.open("rb") as file:
            content = plain(_Unpickler(file, encoding="latin1").load())
    except (
        pickle.UnpicklingError,
        EOFError,
        AttributeError,
        LookupError,
        ValueError,
        TypeError,
        MemoryError,
        OverflowError,
        RecursionError,
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


def unnamed(content: dict[str, Any]) -> dict[str, Any]:
    """The same with the array of each tensor that was saved as (name, array), in whatever dictionary it is."""
    return {
        name: unnamed(value) if isinstance(value, dict) else arrays({name: value}).get(str(name), value)
        for name, value in content.items()
    }
