"""Checkpoints that other packages have downloaded to this machine already, which need not be downloaded again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from harness.execution.download import file_name, hash_in_name


def kept(url: str) -> Path | None:
    """The file behind an address in a package's cache, under its published name; None where it is in none.

    A file whose name carries no hash is taken from a cache alone whose files are all of one publisher.
    """
    name = file_name(url)
    for folder, publisher in _folders():
        # imgclsmob's archives are kept unpacked
        for kept_as in dict.fromkeys((name, name.removesuffix(".zip"))):
            known = hash_in_name(kept_as) is not None or (publisher and publisher in urlsplit(url).netloc)
            if known and (folder / kept_as).is_file():
                return folder / kept_as
    return None


def _folders() -> Iterator[tuple[Path, str]]:
    """Folders of downloaded checkpoints, and the publisher's domain where they are all of one."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    yield Path(os.environ.get("TORCH_HOME") or cache / "torch").expanduser() / "hub" / "checkpoints", ""
    yield Path.home() / ".torch" / "models", ""  # pytorchcv
    yield Path.home() / ".paddleclas" / "weights", "bcebos.com"
    yield Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser() / "models", "storage.googleapis.com"
