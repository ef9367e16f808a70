"""Predictions of one network on disk, one row per image, appended batch by batch."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from harness.adapters.base import Preprocessing
from harness.core import codec
from harness.core.errors import storing
from harness.core.files import write_whole
from harness.core.paths import Location

#: image, its best classes, their logits
Row: TypeAlias = tuple[str, Sequence[int], Sequence[float]]

SCHEMA = pa.schema(
    {"image": pa.string(), "classes": pa.list_(pa.int64()), "logits": pa.list_(pa.float64()), "error": pa.string()}
)
#: what is stored; read only where it is asked for, and null where only the best classes were stored
FULL_LOGITS = pa.field("full_logits", pa.large_binary())


@dataclass(frozen=True)
class BuiltNetwork:
    """How the network that made predictions was built, network.json of their folder."""

    input_size: int  #: pixels
    preprocessing: Preprocessing
    stand_in: str | None  #: how its checkpoint was made up; None for real weights
    engine: str  #: what runs it; "" where that is its own forward()
    states: tuple[str, ...] = ()  #: sets of weights in its checkpoint, the one that it has first
    at_once: int = 0  #: images that were run at once at the least, where the memory did not hold a batch; else 0


#: what the names of files of several batches begin with
_WHOLE = "whole-"
#: images in one of these; with the logits of 1,000 classes it has 7 MB, and as many again are held while it is written
_IMAGES = 4096


def identity_key(identity: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]


class Predictions:
    """What one network said about the images of one data set.

    Columns: image (name in the data set), classes (list of int, best first), logits (list of float32, the same
    order), error (why it could not be decoded; null where it could), full_logits (see worker.batches.unpack_logits;
    null or no column where only the best classes were stored).
    """

    def __init__(self, folder: Location) -> None:
        self.folder = folder

    def append(
        self, rows: Sequence[Row], undecodable: Sequence[tuple[str, str]], full_logits: Sequence[bytes | None] = ()
    ) -> None:
        """Adds what was predicted for the images of one batch; `full_logits` are of the rows, or none are stored."""
        names = [name for name, _, _ in rows] + [name for name, _ in undecodable]
        columns = {
            "image": names,
            "classes": [classes for _, classes, _ in rows] + [[] for _ in undecodable],
            "logits": [logits for _, _, logits in rows] + [[] for _ in undecodable],
            "error": [None] * len(rows) + [why for _, why in undecodable],
            "full_logits": [*(full_logits or [None] * len(rows)), *([None] * len(undecodable))],
        }
        if names:
            self._write(pa.table(columns, SCHEMA.append(FULL_LOGITS)), _part(names))

    def store(
        self, rows: Sequence[Row], undecodable: Sequence[tuple[str, str]], full_logits: Sequence[bytes | None] = ()
    ) -> None:
        """As append(), unless it is there already."""
        names = [row[0] for row in rows] + [name for name, _ in undecodable]
        with storing(self.folder):
            is_there = bool(names) and (self.folder / _part(names)).is_file()
        if names and not is_there:
            self.append(rows, undecodable, full_logits)

    def batch(self, names: Iterable[str]) -> tuple[list[Row], list[tuple[str, str]], list[bytes | None]] | None:
        """Rows, undecodable images and full_logits of the rows, of the batch of these images; None where it was not
        stored as such."""
        path = self.folder / _part(names)
        with storing(path):
            is_there = path.is_file()
        stored = _rows(path, full_logits=True) if is_there else None
        if stored is None:
            return None
        table = stored.to_pandas()
        rows, undecodable = table[table["error"].isna()], table[table["error"].notna()]
        columns = (rows[name] for name in ("image", "classes", "logits"))
        return (
            [(image, list(classes), list(logits)) for image, classes, logits in zip(*columns, strict=True)],
            list(zip(undecodable["image"], undecodable["error"], strict=True)),
            list(rows["full_logits"]),
        )

    def read(self) -> pd.DataFrame:
        """Every image once, in the order of their names."""
        read: pd.DataFrame = self.table().to_pandas()
        return read

    def table(self) -> pa.Table:
        """What read() gives, in a twentieth of the memory."""
        while True:
            try:
                parts = list(self.parts())
            except FileNotFoundError:  # another process has just put it into a larger file
                continue
            return pa.concat_tables(parts or [SCHEMA.empty_table()]).sort_by("image")

    def parts(self, full_logits: bool = False) -> Iterator[pa.Table]:
        """What table() gives in no order, a few thousand images at a time; full_logits where they are asked for.

        Raises FileNotFoundError where another process has put files into a larger one meanwhile: begin again.
        """
        while True:
            paths = self._files()
            # listing a folder takes time: a listing that misses a new whole file may miss its parts too
            if all(path in paths for path in self._files() if path.name.startswith(_WHOLE)):
                break
        seen: set[str] = set()
        for path in paths:
            rows = _rows(path, full_logits)
            if rows is not None:
                yield _not_in(rows, seen)

    def network(self) -> BuiltNetwork | None:
        """How the network that made these predictions was built; None where it never was."""
        path = self.folder / "network.json"
        content = read_json(path)
        try:
            return None if content is None else codec.decode(BuiltNetwork, content)
        except codec.CodecError as error:
            set_aside(path, error)
            return None

    def save_network(self, network: BuiltNetwork) -> None:
        if self.network() != network:
            content = json.dumps(network, indent=1, default=codec.plain)
            write_whole(self.folder / "network.json", content.encode())

    def compact(self) -> None:
        """Files of some thousand images instead of one per batch. Interrupted halfway it leaves rows twice, which are
        read once."""
        tables: list[pa.Table] = []
        paths: list[Location] = []
        # listed before they are read: another process may append meanwhile
        small = [path for path in self._files() if _is_small(path.name)]
        for path in small:
            with contextlib.suppress(FileNotFoundError):  # another process has put it together
                rows = _rows(path, full_logits=True)
                if rows is not None:
                    tables.append(rows)
                    paths.append(path)
            if path == small[-1] or sum(map(len, tables)) >= _IMAGES:
                if len(paths) > 1:
                    table = _sorted(tables)
                    self._write(table, _new_whole(len(table)), replaces=paths)
                tables, paths = [], []

    def replace(self, table: pd.DataFrame) -> None:
        """Has these predictions and no others, in the columns of read()."""
        content = pa.Table.from_pandas(table, SCHEMA, preserve_index=False)
        self._write(content, _new_whole(len(content)), replaces=self._files())

    def _files(self) -> list[Location]:
        with storing(self.folder):
            return sorted(self.folder.glob("*.parquet"), key=lambda path: path.name)

    def _write(self, table: pa.Table, name: str, replaces: Sequence[Location] = ()) -> None:
        content = pa.BufferOutputStream()
        # values are almost never repeated, so dictionaries would only cost time
        pq.write_table(table, content, write_page_checksum=True, compression="zstd", use_dictionary=False)
        write_whole(self.folder / name, content.getvalue().to_pybytes())
        with storing(self.folder):
            for path in replaces:
                path.unlink(missing_ok=True)


def _rows(path: Location, full_logits: bool = False) -> pa.Table | None:
    """The rows of a Parquet file, with their full_logits where asked; None where it is damaged."""
    with storing(path):
        content = path.read_bytes()  # outside of try: a file that cannot be read is not damaged
    try:
        # a third of the time that pandas takes for a small file
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        table = file.read(SCHEMA.names, use_threads=False).select(SCHEMA.names).cast(SCHEMA)
        if not full_logits:
            return table
        if FULL_LOGITS.name not in file.schema_arrow.names:  # written when only the best classes were stored
            return table.append_column(FULL_LOGITS, pa.nulls(len(table), FULL_LOGITS.type))
        return table.append_column(FULL_LOGITS, file.read([FULL_LOGITS.name], use_threads=False)[0])
    except MemoryError:
        raise
    except Exception as error:  # the reader may raise anything for damaged bytes
        set_aside(path, error)
        return None


def read_json(path: Location) -> Any:
    """What a file says; None where there is none, or a damaged one."""
    try:
        with storing(path):
            content = path.read_bytes()
        return json.loads(content)
    except FileNotFoundError:
        return None
    except ValueError as error:
        set_aside(path, error)
        return None


def set_aside(path: Location, why: Exception) -> None:
    logging.getLogger(__name__).warning(
        "%s is damaged (%s); it is renamed to *.damaged and its content is measured again", path, why
    )
    with contextlib.suppress(FileNotFoundError), storing(path):  # another process was faster
        path.rename(path.with_name(f"{path.name}.damaged"))  # type: ignore[arg-type]  # the same kind as itself


def _not_in(rows: pa.Table, seen: set[str]) -> pa.Table:
    """The rows of images that were not seen, which from now on are; an image may stand in several files."""
    new: list[bool] = []
    for name in rows["image"].to_pylist():
        new.append(name not in seen)
        seen.add(name)
    return rows if all(new) else rows.filter(pa.array(new, pa.bool_()))


def _sorted(tables: Sequence[pa.Table]) -> pa.Table:
    seen: set[str] = set()
    return pa.concat_tables(_not_in(table, seen) for table in tables).sort_by("image")


def _new_whole(images: int) -> str:
    return f"{_WHOLE}{images}-{uuid.uuid4().hex}.parquet"


def _is_small(name: str) -> bool:
    """Whether a file is of one batch, or of so few that it can be put together with others."""
    images, _, rest = name.removeprefix(_WHOLE).partition("-")
    return not name.startswith(_WHOLE) or (bool(rest) and int(images) < _IMAGES)


def _part(names: Iterable[str]) -> str:
    """The file of a batch: the same each time the batch is run, so that it exists once."""
    return f"part-{identity_key({'images': sorted(names)})}.parquet"
