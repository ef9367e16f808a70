"""PyTorch checkpoints as files: read without executing what they hold, and marked where they were made up."""

from __future__ import annotations

import contextlib
import pickle
import re
import shutil
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness.adapters import inert
from harness.adapters.base import CheckpointError

#: entry of a checkpoint that says how it was made up
STAND_IN = "parity_stand_in"
#: how the lines begin in which PyTorch says what else one may do
_ADVICE = ("Weights only load failed", "Please file an issue", "Check the documentation", "Re-running")


#: What a file may name besides tensors: under each name is what stands for it, which calls nothing of the file's.
_NAMED: list[tuple[Any, str]] = [
    *((own, ".".join(name)) for name, own in inert.PLAIN.items()),
    *((own, name) for name, own in inert.SETTINGS.items()),
    (inert.Array, f"{inert.Array.__module__}.{inert.Array.__qualname__}"),  # which gets its values afterwards
    *((kind, f"{module}.{kind.__name__}") for module in ("builtins", "__builtin__") for kind in (list, dict, int)),
]


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A .pth, .ckpt or .safetensors file as written, with tensors, arrays and plain values alone.

    Code in it is never run. Classes that trainers write beside the weights are read as nothing (see inert.SETTINGS).
    Raises CheckpointError for a file that is not a checkpoint or holds anything else.
    """
    try:
        _intact(path)
        content = _load_safetensors(path) if is_safetensors(path) else _load(path)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        UnicodeError,
        RecursionError,
        MemoryError,
        OverflowError,
        zipfile.BadZipFile,
    ) as error:
        raise CheckpointError(
            f"{path}: not a PyTorch checkpoint of tensors alone ({_reason(error)}). Nothing in it was executed; "
            "expected the .pth file that the source publishes"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}, expected a state dict")
    return content


def is_safetensors(path: Path) -> bool:
    """Whether a file is one of the library safetensors: a length in 8 bytes, then JSON. Its name does not matter."""
    with path.open("rb") as file:
        start = file.read(9)
        return len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size


def _load_safetensors(path: Path) -> Any:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise CheckpointError(
            f"{path}: the source's environment has no library safetensors; add it to the source's requirement file"
        ) from error
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _load(path: Path) -> Any:
    with torch.serialization.safe_globals(_NAMED), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of protocols that it may not know: what it cannot read is an error
        return inert.plain(torch.load(path, map_location="cpu", weights_only=True))


def _reason(error: Exception) -> str:
    """The first line of what a reader says, without its advice to run what is in the file."""
    text = str(error)
    asked = re.search(r"(?:Unsupported global: |unsupported )GLOBAL (\S+)", text)
    if asked:
        return f"it asks for {asked[1][:200]}, which is not among the classes that are known to be settings"
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(_ADVICE)]
    return lines[0].rstrip(".") if lines else type(error).__name__


def packed(path: Path) -> zipfile.ZipInfo | None:
    """The one .pth in an archive; None for any other file, PyTorch's own archives among them."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".pth")]
            return members[0] if len(members) == 1 else None
    except (OSError, ValueError, zipfile.BadZipFile):
        return None


@contextlib.contextmanager
def unpacked(path: Path, most: int) -> Iterator[Path]:
    """The one .pth in an archive as a file, while it holds; any other file is as it is.

    Raises CheckpointError where it is damaged or would have more than `most` bytes.
    """
    member = packed(path)
    if member is None:
        yield path
        return
    inside = f"{path}: {member.filename[:200]}"
    if member.file_size > most:
        raise CheckpointError(f"{inside} has {member.file_size} bytes, too many for this network, at most {most}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "checkpoint.pth"  # never the name that the archive says
        try:
            # no more is read than it says to have, and its checksum is compared
            with zipfile.ZipFile(path) as archive, archive.open(member) as content, file.open("wb") as copy:
                shutil.copyfileobj(content, copy)
        except (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise CheckpointError(f"{inside} cannot be unpacked ({error}); download it again") from error
        yield file


def _intact(path: Path) -> None:
    """Raises ValueError for an archive with a damaged part, which PyTorch does not check."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():
                raise ValueError(f"it is damaged: {damaged} has another checksum than it was written with")


def state_of(path: Path, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The state dict in a checkpoint, under the first of `keys` that it has, else the file itself."""
    content: Any = read_checkpoint(path)
    for key in keys:
        if isinstance(content.get(key), dict):
            content = content[key]
            break
    state = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
    if not state:
        raise CheckpointError(f"{path}: no tensors in it; expected a state dict, alone or under {', '.join(keys)}")
    # torch.nn.DataParallel puts every name under "module."
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    return {name: array(value) for name, value in state.items()}


def array(tensor: torch.Tensor) -> np.ndarray:
    """Its values; of floating-point numbers in whichever precision, float32."""
    return tensor.float().numpy() if tensor.is_floating_point() else tensor.numpy()


def stand_in_mark(path: Path, *within: str) -> str | None:
    """The text by which a stand-in checkpoint says how it was made up; files of other libraries have none."""
    if path.suffix in (".npz", ".npy") or is_safetensors(path):
        return None
    content: Any = read_checkpoint(path)
    for key in within:
        content = content.get(key) or {}
    mark = content.get(STAND_IN) if isinstance(content, Mapping) else None
    return mark if isinstance(mark, str) and mark else None
