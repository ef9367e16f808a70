"""Measurements and predictions on disk, found by what they are measurements of.

    static/<key>.json                counts of one network
    predictions/<key>/identity.json  everything the key is made of
    predictions/<key>/network.json   how the network was built: preprocessing, input size
    predictions/<key>/*.parquet      one row per image, appended batch by batch

A key is a digest of its identity: source, packages, code, model, checkpoint, preprocessing size, device and the
bytes of the images. Whatever changes one of these gets another key, so nothing is ever reused wrongly. Files
appear whole or not at all (written beside, then renamed).
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from harness.errors import InputError


def key(identity: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]


class Store:
    """One folder of measurements. Raises InputError where it cannot be written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            for folder in ("static", "predictions", "logs"):
                (root / folder).mkdir(parents=True, exist_ok=True)
            probe = root / f".{uuid.uuid4().hex}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise InputError(f"--out: cannot write to {root}: {error}. Give a folder that can be written") from error

    def log(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    def static(self, identity: Mapping[str, Any]) -> Any:
        """What was saved under this identity; None where nothing was."""
        path = self.root / "static" / f"{key(identity)}.json"
        if not path.is_file():
            return None
        return json.loads(path.read_text(encoding="utf-8"))["measured"]

    def save_static(self, identity: Mapping[str, Any], measured: Any) -> None:
        content = {"identity": identity, "measured": measured}
        _write(self.root / "static" / f"{key(identity)}.json", json.dumps(content, indent=1).encode())

    def predictions(self, identity: Mapping[str, Any]) -> Predictions:
        folder = self.root / "predictions" / key(identity)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "identity.json").is_file():
            _write(folder / "identity.json", json.dumps(identity, indent=1).encode())
        return Predictions(folder)


class Predictions:
    """What one network said about the images of one data set.

    Columns: image (name in the data set), classes (list of int, best first), logits (list of float32, the same
    order), error (why it could not be decoded; null where it could).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def append(
        self, rows: Sequence[tuple[str, list[int], list[float]]], undecodable: Sequence[tuple[str, str]]
    ) -> None:
        table = pd.DataFrame(
            {
                "image": [name for name, _, _ in rows] + [name for name, _ in undecodable],
                "classes": [classes for _, classes, _ in rows] + [[] for _ in undecodable],
                "logits": [logits for _, _, logits in rows] + [[] for _ in undecodable],
                "error": [None] * len(rows) + [why for _, why in undecodable],
            }
        )
        if len(table):
            # a batch has one name, so that it is there once however often it is done
            self._write(table, f"part-{key({'images': sorted(table['image'])})}.parquet")

    def read(self) -> pd.DataFrame:
        """Every image once, in the order of their names."""
        while True:
            try:
                parts = [pd.read_parquet(path) for path in sorted(self.folder.glob("*.parquet"))]
                break
            except FileNotFoundError:  # another process has just put it into a larger file
                continue
        if not parts:
            return pd.DataFrame({"image": [], "classes": [], "logits": [], "error": []})
        whole = pd.concat([part.astype({"error": object}) for part in parts], ignore_index=True)
        return whole.drop_duplicates("image").sort_values("image", ignore_index=True)

    def network(self) -> dict[str, Any] | None:
        """How the network that made these predictions was built; None where it never was."""
        path = self.folder / "network.json"
        if not path.is_file():
            return None
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content

    def save_network(self, network: Mapping[str, Any]) -> None:
        _write(self.folder / "network.json", json.dumps(network, indent=1).encode())

    def compact(self) -> None:
        """One file instead of one per batch. Interrupted halfway it leaves rows twice, which read() ignores."""
        # listed before it is read: another process may append meanwhile
        old = sorted(self.folder.glob("*.parquet"))
        if any(path.name.startswith("part-") for path in old):
            self._write(self.read(), f"whole-{uuid.uuid4().hex}.parquet", replaces=old)

    def replace(self, table: pd.DataFrame) -> None:
        """Has these predictions and no others, in the columns of read()."""
        old = sorted(self.folder.glob("*.parquet"))
        self._write(table, f"whole-{uuid.uuid4().hex}.parquet", replaces=old)

    def _write(self, table: pd.DataFrame, name: str, replaces: Sequence[Path] = ()) -> None:
        _write(self.folder / name, table.to_parquet(index=False))
        for path in replaces:
            path.unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # or a power cut takes the name back
        finally:
            os.close(folder)
    except BaseException:  # a full disk above all: what was begun would keep it full
        beside.unlink(missing_ok=True)
        raise
