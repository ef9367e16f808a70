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
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harness.core.errors import InputError

if TYPE_CHECKING:
    from harness.core.paths import Place

#: image, its best classes, their logits
Row: TypeAlias = tuple[str, Sequence[int], Sequence[float]]

#: seconds after which a file that is still being written was left over by a process that is gone
_LEFT_OVER = 24 * 3600.0
SCHEMA = pa.schema(
    {"image": pa.string(), "classes": pa.list_(pa.int64()), "logits": pa.list_(pa.float64()), "error": pa.string()}
)


def key(identity: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]


class Store:
    """One folder of measurements, which may be on another machine. Raises InputError where it cannot be written."""

    def __init__(self, root: Place, local: Path | None = None) -> None:
        """`local` is a folder of this machine for logs and what is needed for a moment; `root` where that is one."""
        root = root.absolute() if isinstance(root, Path) else root  # other machines are elsewhere
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

    def log(self, name: str) -> Path:
        return self.local / "logs" / f"{name}.log"

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
            _make(folder)
            if isinstance(folder, Path):
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

    def __init__(self, folder: Place) -> None:
        self.folder = folder

    def append(self, rows: Sequence[Row], undecodable: Sequence[tuple[str, str]]) -> None:
        """Adds what was predicted for the images of one batch."""
        names = [name for name, _, _ in rows] + [name for name, _ in undecodable]
        columns = {
            "image": names,
            "classes": [classes for _, classes, _ in rows] + [[] for _ in undecodable],
            "logits": [logits for _, _, logits in rows] + [[] for _ in undecodable],
            "error": [None] * len(rows) + [why for _, why in undecodable],
        }
        if names:
            self._write(pa.table(columns, SCHEMA), _part(names))

    def store(self, rows: Sequence[Row], undecodable: Sequence[tuple[str, str]]) -> None:
        """As append(), unless it is there already."""
        names = [row[0] for row in rows] + [name for name, _ in undecodable]
        if names and not (self.folder / _part(names)).is_file():
            self.append(rows, undecodable)

    def batch(self, names: Iterable[str]) -> tuple[list[Row], list[tuple[str, str]]] | None:
        """Rows and undecodable images of the batch of these images; None where it was not stored as such."""
        path = self.folder / _part(names)
        stored = _rows(path) if path.is_file() else None
        if stored is None:
            return None
        table = stored.to_pandas()
        rows, undecodable = table[table["error"].isna()], table[table["error"].notna()]
        columns = (rows[name] for name in ("image", "classes", "logits"))
        return (
            [(image, list(classes), list(logits)) for image, classes, logits in zip(*columns, strict=True)],
            list(zip(undecodable["image"], undecodable["error"], strict=True)),
        )

    def read(self) -> pd.DataFrame:
        """Every image once, in the order of their names."""
        read: pd.DataFrame = self.table().to_pandas()
        return read

    def table(self) -> pa.Table:
        """What read() gives, in a twentieth of the memory."""
        while True:
            paths = self._files()
            try:
                parts = [part for part in map(_rows, paths) if part is not None]
            except FileNotFoundError:  # another process has just put it into a larger file
                continue
            # a folder that changes is not listed at one moment: who misses a new whole file may miss its parts too
            if all(path in paths for path in self._files() if path.name.startswith("whole-")):
                break
        table = pa.concat_tables(parts or [SCHEMA.empty_table()]).sort_by("image")
        names = table["image"]
        repeated = pc.equal(names[1:], names[:-1]).to_numpy()
        return table.filter(pa.array(~np.append(False, repeated))) if len(table) else table

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
            self._write(self.table(), f"whole-{uuid.uuid4().hex}.parquet", replaces=old)

    def replace(self, table: pd.DataFrame) -> None:
        """Has these predictions and no others, in the columns of read()."""
        content = pa.Table.from_pandas(table, SCHEMA, preserve_index=False)
        self._write(content, f"whole-{uuid.uuid4().hex}.parquet", replaces=self._files())

    def _files(self) -> list[Place]:
        return sorted(self.folder.glob("*.parquet"), key=lambda path: path.name)

    def _write(self, table: pa.Table, name: str, replaces: Sequence[Place] = ()) -> None:
        content = pa.BufferOutputStream()
        pq.write_table(table, content, write_page_checksum=True)
        write_whole(self.folder / name, content.getvalue().to_pybytes())
        for path in replaces:
            path.unlink(missing_ok=True)


def _rows(path: Place) -> pa.Table | None:
    """The rows of a Parquet file; None where it is damaged."""
    content = path.read_bytes()  # what cannot be read at all is no fault of the file
    try:
        # a third of the time that pandas takes for a small file
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        return file.read(SCHEMA.names, use_threads=False).select(SCHEMA.names).cast(SCHEMA)
    except MemoryError:
        raise
    except Exception as error:  # of damaged bytes its reader may say anything
        _set_aside(path, error)
        return None


def _json(path: Place) -> Any:
    """What a file says; None where there is none, or a damaged one."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        _set_aside(path, error)
        return None


def _set_aside(path: Place, why: Exception) -> None:
    logging.getLogger(__name__).warning(
        "%s is damaged (%s); it is renamed to *.damaged and what was in it is measured again", path, why
    )
    with contextlib.suppress(FileNotFoundError):  # another process was faster
        path.rename(path.with_name(f"{path.name}.damaged"))  # type: ignore[arg-type]  # the same kind as itself


def _part(names: Iterable[str]) -> str:
    """The file of a batch: the same however often it is done, so that it is there once."""
    return f"part-{key({'images': sorted(names)})}.parquet"


def _make(folder: Place) -> None:
    # a bucket has no folders, and one whose name is misspelt is not to be made
    if isinstance(folder, Path) or not folder.drive:
        folder.mkdir(parents=True, exist_ok=True)


def write_whole(path: Place, content: bytes) -> None:
    """Writes a file that is there whole or not at all, whatever happens and whoever else writes it."""
    if not isinstance(path, Path):
        path.write_bytes(content)  # an object is there whole or not at all
        return
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
