"""Images in Parquet files as Hugging Face keeps them: bytes and a path in one column, the label in another.

They are read in place, row by row, and their bytes are what was stored.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import IO, Any, NamedTuple

from harness.core.errors import InputError, readable
from harness.dataset.labels.known import synset_indices
from harness.dataset.layouts import opened

#: rows that are in memory at once
_ROWS = 64


class Row(NamedTuple):
    """What a row tells beside the bytes of its image."""

    path: str  #: "" where it has none
    label: int | None  #: None where it has none


def rows(file: str) -> list[Row]:
    """The paths and labels of a file. Raises InputError where it holds no images."""
    with _reader(file) as reader:
        schema = reader.schema_arrow
        image, is_struct = _image_column(file, schema)
        has_path = is_struct and schema.field(image).type.get_field_index("path") >= 0
        label = _label_column(schema)
        columns = ([f"{image}.path"] if has_path else []) + ([label] if label else [])
        table = reader.read(columns=columns) if columns else None
        count = reader.metadata.num_rows
    paths: list[Any] = [None] * count
    labels: list[Any] = [None] * count
    if table is not None and has_path:
        paths = [one and one["path"] for one in table.column(image).to_pylist()]
    if table is not None and label:
        labels = table.column(label).to_pylist()
    return [
        Row(str(path or ""), _index(file, number, value))
        for number, (path, value) in enumerate(zip(paths, labels, strict=True))
    ]


def images(file: str, wanted: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """The encoded images of these rows, in the order of the file."""
    with _reader(file) as reader:
        image, is_struct = _image_column(file, reader.schema_arrow)
        starts = _starts(reader)
        left = sorted(set(wanted))
        for group, members in itertools.groupby(left, lambda row: bisect.bisect_right(starts, row) - 1):
            yield from _of_group(
                file, reader, f"{image}.bytes" if is_struct else image, group, starts[group], list(members)
            )


@lru_cache(maxsize=256)
def groups(file: str) -> tuple[int, ...]:
    """The first row of each group of rows, which is read as a whole."""
    with _reader(file) as reader:
        return tuple(_starts(reader))


def _of_group(
    file: str, reader: Any, column: str, group: int, start: int, wanted: Sequence[int]
) -> Iterator[tuple[int, bytes]]:
    first, left = start, list(wanted)
    for batch in reader.iter_batches(batch_size=_ROWS, row_groups=[group], columns=[column]):
        values = batch.column(0)
        while left and left[0] < first + len(values):
            row = left.pop(0)
            value = values[row - first].as_py()
            content = value["bytes"] if isinstance(value, dict) else value
            if not isinstance(content, bytes):
                raise InputError(
                    f"{file}: row {row} has no bytes of an image. Get a copy that holds the images themselves"
                )
            yield row, content
        first += len(values)
        if not left:
            return


def _starts(reader: Any) -> list[int]:
    sizes = [reader.metadata.row_group(group).num_rows for group in range(reader.metadata.num_row_groups)]
    return [0, *itertools.accumulate(sizes)][:-1] if sizes else []


@contextmanager
def _reader(file: str) -> Iterator[Any]:
    import pyarrow
    from pyarrow.parquet import ParquetFile

    source: IO[bytes]
    with readable(file), opened(file) as source:
        try:
            yield ParquetFile(source)
        except pyarrow.ArrowException as error:
            raise InputError(f"{file}: not a whole Parquet file ({error}). Download it again") from error


def _image_column(file: str, schema: Any) -> tuple[str, bool]:
    """The column of the images, and whether it is a struct that has a path beside the bytes."""
    import pyarrow.types as kinds

    def is_bytes(kind: Any) -> bool:
        return bool(kinds.is_binary(kind) or kinds.is_large_binary(kind))

    structs = [
        field.name
        for field in schema
        if kinds.is_struct(field.type)
        and (index := field.type.get_field_index("bytes")) >= 0
        and is_bytes(field.type.field(index).type)
    ]
    plain = [field.name for field in schema if is_bytes(field.type)]
    for found, is_struct in ((structs, True), (plain, False)):
        if "image" in found or len(found) == 1:
            return "image" if "image" in found else found[0], is_struct
    columns = ", ".join(f"{field.name} ({field.type})" for field in schema)[:300]
    raise InputError(f"{file}: no column of images: {columns}. Expected image.bytes, image.path and label")


def _label_column(schema: Any) -> str | None:
    import pyarrow.types as kinds

    names = [field.name for field in schema if kinds.is_integer(field.type) or kinds.is_string(field.type)]
    numbers = [field.name for field in schema if kinds.is_integer(field.type)]
    if "label" in names:
        return "label"
    return numbers[0] if len(numbers) == 1 else None


def _index(file: str, row: int, value: Any) -> int | None:
    if value is None or value == -1:  # as Hugging Face marks a test set
        return None
    if isinstance(value, str):
        if value not in synset_indices() and not value.isdecimal():
            raise InputError(f"{file}: row {row} has the label {value[:80]!r}; expected 0..999 or a WordNet id")
        return synset_indices()[value] if value in synset_indices() else int(value)
    return int(value)
