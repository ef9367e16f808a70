"""PyTorch checkpoints as files: read without executing what they hold, and marked where they were made up."""

from __future__ import annotations

import contextlib
import pickle
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness.adapters.base import CheckpointError

#: entry of a checkpoint that says how it was made up
STAND_IN = "parity_stand_in"


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A .pth file as written, with tensors and plain values alone; code in it is never run.

    Raises CheckpointError for a file that is not a checkpoint or holds anything else.
    """
    try:
        _intact(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        zipfile.BadZipFile,
    ) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"{path}: not a PyTorch checkpoint of tensors alone ({reason}). Nothing in it was executed; "
            "expected the .pth file that the source publishes"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}, expected a state dict")
    return content


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
    return {
        name: value.float().numpy() if value.is_floating_point() else value.numpy() for name, value in state.items()
    }


def stand_in_mark(path: Path, *within: str) -> str | None:
    """The text by which a stand-in checkpoint says how it was made up."""
    content: Any = read_checkpoint(path)
    for key in within:
        content = content.get(key) or {}
    mark = content.get(STAND_IN)
    return mark if isinstance(mark, str) and mark else None
