"""What stands for the classes and functions that pickled checkpoints name, so that none of theirs is ever called.

NumPy's own functions are not given to a file: with them it could name an address in memory as an object. Arrays are
rebuilt by the functions below, which take only plain numbers. Other classes are replaced by one that keeps nothing.
"""

from __future__ import annotations

import pickle
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

#: numbers and truth values of some bytes each
_NUMBERS = re.compile(r"[<>|=]?[biufc][0-9]{0,2}")
#: what a pickled array names as its class; nothing that can be called
NDARRAY = object()


class Type:
    """A pickled numpy.dtype."""

    def __init__(self, name: Any, *_: Any) -> None:
        self.dtype = _number(name)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order, *structure = state[1:5]
        if any(part is not None for part in structure) or order not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError("it holds an array of other things than numbers")
        self.dtype = self.dtype.newbyteorder("=" if order == "|" else order)


class Array:
    """A pickled numpy.ndarray, which gets its values after it was made."""

    value: npt.NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_columns, raw = state
        self.value = values(raw, kind, shape, "F" if by_columns else "C")


def _number(name: Any) -> np.dtype[Any]:
    if not isinstance(name, str) or not _NUMBERS.fullmatch(name):
        raise pickle.UnpicklingError(f"it holds an array of {name!r}, expected numbers")
    return np.dtype(name)


def values(raw: Any, kind: Any, shape: Any, order: Any) -> npt.NDArray[Any]:
    """The numbers of an array from their bytes."""
    raw = raw.encode("latin1") if isinstance(raw, str) else raw  # as Python 2 wrote it
    if not isinstance(kind, Type) or not isinstance(raw, bytes | bytearray) or order not in ("C", "F"):
        raise pickle.UnpicklingError("it holds an array that is not made of numbers")
    return np.frombuffer(bytes(raw), kind.dtype).reshape(tuple(map(int, shape)), order=order).copy()


def reconstruct(kind: Any, *_: Any) -> Array:
    """An array that has no values yet."""
    if kind is not NDARRAY:
        raise pickle.UnpicklingError("it holds an array of an unknown kind")
    return Array()


def scalar(kind: Any, raw: Any) -> Any:
    """A single number."""
    return values(raw, kind, (), "C")[()]


def encode(text: Any, encoding: Any) -> bytes:
    """The bytes that a text stands for."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}")
    return text.encode("latin1")


def nothing() -> bytes:
    """No bytes, as old protocols write them."""
    return b""


#: what rebuilding plain containers and NumPy arrays takes, under the names of NumPy 1 and 2
PLAIN: Mapping[tuple[str, str], Any] = {
    ("numpy", "ndarray"): NDARRAY,
    ("numpy", "dtype"): Type,
    ("numpy.core.multiarray", "_reconstruct"): reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): reconstruct,
    ("numpy.core.multiarray", "scalar"): scalar,
    ("numpy._core.multiarray", "scalar"): scalar,
    ("numpy.core.numeric", "_frombuffer"): values,
    ("numpy._core.numeric", "_frombuffer"): values,
    ("_codecs", "encode"): encode,
    ("builtins", "bytes"): nothing,
    ("__builtin__", "bytes"): nothing,
    ("builtins", "tuple"): tuple,
    ("__builtin__", "tuple"): tuple,
    ("collections", "OrderedDict"): OrderedDict,
}


class Settings:
    """Stands for an object that says how a network was trained: it takes whatever it is given and keeps nothing."""

    def __new__(cls, *_: Any, **__: Any) -> Settings:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...


class SettingsByName:
    """The same for a dictionary of settings, which is a plain one from then on."""

    def __new__(cls, *_: Any, **__: Any) -> Any:
        return OrderedDict()


class SettingsInOrder:
    """The same for a list or a queue."""

    def __new__(cls, *_: Any, **__: Any) -> Any:
        return []


#: Classes that trainers of PyTorch networks write beside the weights, of which nothing is needed: arguments, paths,
#: times, settings, histories. Under each is what stands for it. What a file names and is not here is refused.
SETTINGS: Mapping[str, Any] = {
    **dict.fromkeys(
        (
            "argparse.Namespace",  # timm's and torchvision's training scripts
            "types.SimpleNamespace",
            "pathlib.PosixPath",
            "pathlib.WindowsPath",
            "pathlib.PurePosixPath",
            "pathlib.PureWindowsPath",
            "pathlib._local.PosixPath",  # of Python 3.13
            "pathlib._local.WindowsPath",
            "datetime.datetime",
            "datetime.date",
            "datetime.timedelta",
            "decimal.Decimal",
            "uuid.UUID",
            "typing.Any",
            "omegaconf.dictconfig.DictConfig",
            "omegaconf.listconfig.ListConfig",
            "omegaconf.base.ContainerMetadata",
            "omegaconf.base.Metadata",
            "omegaconf.nodes.AnyNode",
            "mmengine.logging.history_buffer.HistoryBuffer",
        ),
        Settings,
    ),
    **dict.fromkeys(
        (
            "collections.defaultdict",
            "lightning.fabric.utilities.data.AttributeDict",
            "lightning_fabric.utilities.data.AttributeDict",
            "pytorch_lightning.utilities.parsing.AttributeDict",
            "yacs.config.CfgNode",  # of Swin Transformer's training
            "addict.addict.Dict",
            "easydict.EasyDict",
            "mmcv.utils.config.ConfigDict",
            "mmengine.config.config.ConfigDict",
        ),
        SettingsByName,
    ),
    "collections.deque": SettingsInOrder,
}


def plain(value: Any) -> Any:
    """The same with arrays for what stood for them."""
    if isinstance(value, Array):
        if value.value is None:
            raise pickle.UnpicklingError("it holds an array without values")
        return value.value
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else value
