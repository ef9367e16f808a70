"""Frozen dataclasses to what JSON has and back, checked by their fields and types. Standard library alone."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

Record = TypeVar("Record")


class CodecError(Exception):
    """What was read is not such a record; the message names the record and the field."""


def plain(record: Any) -> dict[str, Any]:
    """A dataclass's fields; for json.dumps(default=plain), which goes through what is in them.

    Raises TypeError for anything else.
    """
    if not dataclasses.is_dataclass(record) or isinstance(record, type):
        raise TypeError(f"{type(record).__name__} is not a record: {record!r:.80}")
    return {name: getattr(record, name) for name in _fields(type(record))}


def decode(record: type[Record], fields: Any) -> Record:
    """The record of these fields, as JSON has them. Raises CodecError that names a field that does not fit."""
    name = record.__name__
    if not isinstance(fields, dict):
        raise CodecError(f"{name}: expected its fields, got {fields!r:.80}")
    converters = _fields(record)
    if unknown := [key for key in fields if key not in converters]:
        raise CodecError(f"{name} has no field {', '.join(unknown)}; its fields are {', '.join(converters)}")
    try:
        return record(**{key: convert(fields[key]) if (convert := converters[key]) else fields[key] for key in fields})
    except (TypeError, ValueError, AttributeError) as error:
        raise CodecError(f"{name}: {error}") from error


#: what makes a field's value of what JSON has; None where that is the value
_Converter = Callable[[Any], Any] | None


def _fields(record: Any) -> Mapping[str, _Converter]:
    return _converters(record)


@functools.cache
def _converters(record: Any) -> dict[str, _Converter]:
    hints = typing.get_type_hints(record)
    return {one.name: _converter(hints[one.name]) for one in dataclasses.fields(record)}


def _converter(hint: Any) -> _Converter:
    kind, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return functools.partial(decode, hint)
    if kind is tuple:
        return _tuple_converter(arguments)
    if kind in (typing.Union, types.UnionType):
        kinds = list(filter(None, map(_converter, arguments)))
        return (lambda value: None if value is None else _first_that_fits(kinds, value)) if kinds else None
    if kind is Sequence and (item := _converter(arguments[0])):
        return lambda values: list(map(item, values))
    if kind is Mapping:
        value_of = _converter(arguments[1])
        if arguments[0] is int or value_of:
            return lambda mapping: {
                (int(key) if arguments[0] is int else key): value_of(value) if value_of else value
                for key, value in mapping.items()
            }
    return None


def _tuple_converter(items: Sequence[Any]) -> _Converter:
    if len(items) == 2 and items[1] is Ellipsis:
        item = _converter(items[0])
        return (lambda values: tuple(map(item, values))) if item else tuple
    each = [_converter(item) for item in items]
    if not any(each):
        return tuple
    return lambda values: tuple(to(value) if to else value for to, value in zip(each, values, strict=True))


def _first_that_fits(converters: Sequence[Callable[[Any], Any]], value: Any) -> Any:
    *others, last = converters
    for convert in others:
        try:
            return convert(value)
        except CodecError:
            continue
    return last(value)
