"""Measurements and predictions on disk, found by what they are measurements of.

    static/<key>.json                counts of one network
    predictions/<key>/identity.json  everything the key is made of
    predictions/<key>/network.json   how the network was built: preprocessing, input size
    predictions/<key>/*.parquet      one row per image, appended batch by batch

A key is a digest of its identity: source, packages, code, model, checkpoint, preprocessing size, device and the
bytes of the images. Whatever changes one of these gets another key, so nothing is ever reused wrongly.

Files appear whole or not at all (written beside, then renamed), so that any number of processes may use one store
and any of them may be killed. Should a file be damaged nevertheless, it is renamed to *.damaged, which is said, and
what was in it is measured again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from harness.errors import InputError

#: seconds after which a file that is still being written was left over by a process that is gone
_LEFT_OVER = 24 * 3600.0
_COLUMNS = ["image", "classes", "logits", "error"]


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
            for pattern in (".*", "static/.*", "predictions/*/.*"):
                _clear(root.glob(pattern))
        except OSError as error:
            raise InputError(f"--out: cannot write to {root}: {error}. Give a folder that can be written") from error

    def log(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    def static(self, identity: Mapping[str, Any]) -> Any:
        """What was saved under this identity; None where nothing was."""
        content = _json(self.root / "static" / f"{key(identity)}.json")
        return content and content["measured"]

    def save_static(self, identity: Mapping[str, Any], measured: Any) -> None:
        content = {"identity": identity, "measured": measured}
        write_whole(self.root / "static" / f"{key(identity)}.json", json.dumps(content, indent=1).encode())

    def predictions(self, identity: Mapping[str, Any]) -> Predictions:
        folder = self.root / "predictions" / key(identity)
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            _sync(folder.parent)
        content = json.dumps(identity, indent=1)
        if _json(folder / "identity.json") != json.loads(content):
            write_whole(folder / "identity.json", content.encode())
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
            paths = self._files()
            try:
                parts = [part for part in map(_table, paths) if part is not None]
            except FileNotFoundError:  # another process has just put it into a larger file
                continue
            # a folder that changes is not listed at one moment: who misses a new whole file may miss its parts too
            if all(path in paths for path in self._files() if path.name.startswith("whole-")):
                break
        if not parts:
            return pd.DataFrame({name: [] for name in _COLUMNS})
        whole = pd.concat([part.astype({"error": object}) for part in parts], ignore_index=True)
        return whole.drop_duplicates("image").sort_values("image", ignore_index=True)

    def network(self) -> dict[str, Any] | None:
        """How the network that made these predictions was built; None where it never was."""
        content: dict[str, Any] | None = _json(self.folder / "network.json")
        return content

    def save_network(self, network: Mapping[str, Any]) -> None:
        if self.network() != network:
            write_whole(self.folder / "network.json", json.dumps(network, indent=1).encode())

    def compact(self) -> None:
        """One file instead of one per batch. Interrupted halfway it leaves rows twice, which read() ignores."""
        # listed before it is read: another process may append meanwhile
        old = self._files()
        if len(old) > 1:
            self._write(self.read(), f"whole-{uuid.uuid4().hex}.parquet", replaces=old)

    def replace(self, table: pd.DataFrame) -> None:
        """Has these predictions and no others, in the columns of read()."""
        self._write(table, f"whole-{uuid.uuid4().hex}.parquet", replaces=self._files())

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.parquet"))

    def _write(self, table: pd.DataFrame, name: str, replaces: Sequence[Path] = ()) -> None:
        write_whole(self.folder / name, table.to_parquet(index=False, write_page_checksum=True))
        for path in replaces:
            path.unlink(missing_ok=True)


def _table(path: Path) -> pd.DataFrame | None:
    """The rows of a Parquet file; None where it is damaged."""
    content = path.read_bytes()  # what cannot be read at all is no fault of the file
    try:
        # a third of the time that pandas takes for a small file
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        found: pd.DataFrame = file.read(_COLUMNS, use_threads=False).to_pandas()[_COLUMNS]
        return found
    except MemoryError:
        raise
    except Exception as error:  # of damaged bytes its reader may say anything
        _set_aside(path, error)
        return None


def _json(path: Path) -> Any:
    """What a file says; None where there is none, or a damaged one."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        _set_aside(path, error)
        return None


def _set_aside(path: Path, why: Exception) -> None:
    logging.getLogger(__name__).warning(
        "%s is damaged (%s); it is renamed to *.damaged and what was in it is measured again", path, why
    )
    with contextlib.suppress(FileNotFoundError):  # another process was faster
        path.rename(path.with_name(f"{path.name}.damaged"))


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file that is there whole or not at all, whatever happens and whoever else writes it."""
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
        _sync(path.parent)
    except BaseException:  # a full disk above all: what was begun would keep it full
        beside.unlink(missing_ok=True)
        raise


def _sync(folder: Path) -> None:
    """What was named in it stays named there when the power goes."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _clear(beside: Iterable[Path]) -> None:
    for path in beside:
        with contextlib.suppress(FileNotFoundError):  # it has just been written
            if time.time() - path.stat().st_mtime > _LEFT_OVER:
                path.unlink()
