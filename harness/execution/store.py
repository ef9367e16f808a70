"""Measurements and predictions on disk, found by the identity of what was measured.

    format.json                      which release can read it
    static/<key>.json                counts of one network
    predictions/<key>/identity.json  everything the key is made of
    predictions/<key>/network.json   how the network was built: preprocessing, input size
    predictions/<key>/*.parquet      one row per image, appended batch by batch

A run resumes from it: `cached` gives what is stored, so that it is not measured again, and of an evaluation only the
batches are run that `PredictionTable.missing_batches` (checks/accuracy/scores.py) finds no predictions of.

A key is a digest of its identity: source, packages, code, model, checkpoint, preprocessing size, device and the
bytes of the images. A change of one of these changes the key, so nothing is ever reused wrongly.

Files appear whole or not at all (written elsewhere, then renamed), so that any number of processes may use one store
and any of them may be killed. A file that is damaged nevertheless is renamed to *.damaged with a warning, and its
content is measured again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core import codec
from harness.core.errors import InputError, storing
from harness.core.files import sync_folder, write_whole
from harness.execution.predictions import Predictions, identity_key, read_json

if TYPE_CHECKING:
    from harness.core.paths import Location


#: format of a store; increased when files are laid out or read differently
FORMAT = 2
#: seconds after which a file that is still being written was left over by a process that is gone
_LEFT_OVER = 24 * 3600.0


class Store:
    """One folder of measurements, which may be on another machine. Raises InputError where it cannot be written."""

    def __init__(self, root: Location, local: Path | None = None) -> None:
        """`local` is a folder of this machine for logs and temporary files; by default `root`, if that is one."""
        root = root.absolute() if isinstance(root, Path) else root  # other machines have other working directories
        self.root = root
        self.local = (root if local is None and isinstance(root, Path) else local or Path()).absolute()
        try:
            for folder in (root / "static", root / "predictions", self.local / "logs"):
                _make(folder)
            probe = root / f".{uuid.uuid4().hex}"
            probe.touch()
            probe.unlink()
            if isinstance(root, Path):
                for pattern in (".*", "static/.*", "predictions/*/.*"):
                    _clear(root.glob(pattern))
        except Exception as error:
            if isinstance(root, Path) and not isinstance(error, OSError):
                raise
            flag = "--out" if root == self.local else "--store"
            why = str(error) or type(error).__name__
            raise InputError(f"{flag}: cannot write to {root}: {why}. Give a folder that can be written") from error
        self._note_format()

    def _note_format(self) -> None:
        """Says once of a store that an earlier release wrote that nothing in it is used; marks it as of this one."""
        mark = self.root / "format.json"
        found = read_json(mark)
        if found == {"format": FORMAT}:
            return
        with storing(self.root):
            used = any(True for part in ("static", "predictions") for _ in (self.root / part).glob("*"))
        if used:
            logging.getLogger(__name__).warning(
                "%s was written by another release of the harness: its content is left there, and is measured again",
                self.root,
            )
        write_whole(mark, json.dumps({"format": FORMAT}).encode())

    def log(self, name: str) -> Path:
        return self.local / "logs" / f"{name}.log"

    def cached(self, identity: Mapping[str, Any]) -> Any:
        """What was saved under this identity; None where nothing was."""
        content = read_json(self.root / "static" / f"{identity_key(identity)}.json")
        return content and content["measured"]

    def save(self, identity: Mapping[str, Any], measured: Any) -> None:
        content = {"identity": identity, "measured": measured}
        lines = json.dumps(content, indent=1, default=codec.plain)
        write_whole(self.root / "static" / f"{identity_key(identity)}.json", lines.encode())

    def predictions(self, identity: Mapping[str, Any]) -> Predictions:
        folder = self.root / "predictions" / identity_key(identity)
        with storing(folder):
            is_there = folder.is_dir()
            if not is_there:
                _make(folder)
        if not is_there and isinstance(folder, Path):
            sync_folder(folder.parent)
        content = json.dumps(identity, indent=1)
        if read_json(folder / "identity.json") != json.loads(content):
            write_whole(folder / "identity.json", content.encode())
        return Predictions(folder)


def _make(folder: Location) -> None:
    # a bucket has no folders, and a misspelt one must not be made
    if isinstance(folder, Path) or not folder.drive:
        folder.mkdir(parents=True, exist_ok=True)


def _clear(beside: Iterable[Path]) -> None:
    for path in beside:
        with contextlib.suppress(FileNotFoundError):  # it has just been written
            if time.time() - path.stat().st_mtime > _LEFT_OVER:
                path.unlink()
