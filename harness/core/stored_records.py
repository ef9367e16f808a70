"""Frozen dataclasses as plain JSON and back, for answers that are kept in the store."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from typing import Any, TypeVar

T = TypeVar("T")


def to_json(record: Any) -> Any:
    """A dataclass as dictionaries, lists and scalars; field names are keys."""
    return dataclasses.asdict(record)


def from_json(kind: type[T], content: Any) -> T:
    """The record that to_json() was given, with tuples where the fields say so.

    Raises TypeError where the content does not have the fields of the record, as that of another release.
    """
    record: T = _read(kind, content)
    return record


def _read(kind: Any, content: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        if not isinstance(content, dict) or not content.keys() <= hints.keys():
            raise TypeError(f"these are not the fields of {getattr(kind, '__name__', kind)}: {content!r}")
        return kind(**{name: _read(hints[name], value) for name, value in content.items()})  # type: ignore[operator]
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_read(arguments[0], value) for value in content)
        return tuple(_read(one, value) for one, value in zip(arguments, content, strict=True))
    if origin in (typing.Union, types.UnionType):
        return _first_that_fits(arguments, content)
    if origin is collections.abc.Mapping:
        return {key: _read(arguments[1], value) for key, value in content.items()}
    return content


def _first_that_fits(kinds: tuple[Any, ...], content: Any) -> Any:
    if content is None:
        return None
    for kind in kinds:
        try:
            return _read(kind, content)
        except TypeError:
            continue
    raise TypeError(f"none of {kinds} fits {content!r}")
