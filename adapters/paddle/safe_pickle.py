"""Reads the pickled dictionaries of arrays that Paddle writes, without executing what else a pickle can hold.

NumPy's own functions are not given to the file: with them it could name an address in memory as an object. Arrays are
rebuilt by the functions below, which take only plain numbers.
"""

from __future__ import annotations

import pickle
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from harness.adapters.base import CheckpointError

#: numbers and truth values of some bytes each
_NUMBERS = re.compile(r"[<>|=]?[biufc][0-9]{0,2}")
#: what a pickled array names as its class; nothing that can be called
_NDARRAY = object()


class _Type:
    """A pickled numpy.dtype."""

    def __init__(self, name: Any, *_: Any) -> None:
        self.dtype = _number(name)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order, *structure = state[1:5]
        if any(part is not None for part in structure) or order not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError("it holds an array of other things than numbers")
        self.dtype = self.dtype.newbyteorder("=" if order == "|" else order)


class _Array:
    """A pickled numpy.ndarray, which gets its values after it was made."""

    value: np.ndarray | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_columns, raw = state
        self.value = _values(raw, kind, shape, "F" if by_columns else "C")


def _number(name: Any) -> np.dtype[Any]:
    if not isinstance(name, str) or not _NUMBERS.fullmatch(name):
        raise pickle.UnpicklingError(f"it holds an array of {name!r}, expected numbers")
    return np.dtype(name)


def _values(raw: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:
    raw = raw.encode("latin1") if isinstance(raw, str) else raw  # as Python 2 wrote it
    if not isinstance(kind, _Type) or not isinstance(raw, bytes | bytearray) or order not in ("C", "F"):
        raise pickle.UnpicklingError("it holds an array that is not made of numbers")
    return np.frombuffer(bytes(raw), kind.dtype).reshape(tuple(map(int, shape)), order=order).copy()


def _reconstruct(kind: Any, *_: Any) -> _Array:
    if kind is not _NDARRAY:
        raise pickle.UnpicklingError("it holds an array of an unknown kind")
    return _Array()


def _scalar(kind: Any, raw: Any) -> Any:
    return _values(raw, kind, (), "C")[()]


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}")
    return text.encode("latin1")


def _nothing() -> bytes:
    return b""  # as old protocols write no bytes


#: what rebuilding plain containers and NumPy arrays takes, under the names of NumPy 1 and 2
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Type,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _values,
    ("numpy._core.numeric", "_frombuffer"): _values,
    ("_codecs", "encode"): _encode,
    ("builtins", "bytes"): _nothing,
    ("__builtin__", "bytes"): _nothing,
    ("builtins", "tuple"): tuple,
    ("__builtin__", "tuple"): tuple,
    ("collections", "OrderedDict"): OrderedDict,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _ALLOWED[module, name]


def load(path: Path) -> dict[str, Any]:
    """The dictionary in `path`.

    Raises CheckpointError for anything but plain values and arrays of numbers; nothing in the file is executed.
    """
    try:
        with path.open("rb") as file:
            content = _plain(_Unpickler(file, encoding="latin1").load())
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


def _plain(value: Any) -> Any:
    """The same with arrays for what stood for them."""
    if isinstance(value, _Array):
        if value.value is None:
            raise pickle.UnpicklingError("it holds an array without values")
        return value.value
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return type(value)(map(_plain, value)) if type(value) in (list, tuple) else value


def arrays(content: dict[str, Any]) -> dict[str, np.ndarray]:
    """The entries that are arrays; Paddle may save a tensor as (name, array)."""
    found = {}
    for name, value in content.items():
        array = value[1] if isinstance(value, tuple) and len(value) == 2 else value
        if isinstance(array, np.ndarray):
            found[str(name)] = array
    return found
