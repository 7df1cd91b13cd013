"""What lies on disk as JSON has a type: a frozen dataclass, whose fields are checked one by one when it is read."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any, TypeVar

Record = TypeVar("Record")


def as_record(kind: type[Record], value: Any) -> Record:
    """The dataclass `kind` that `value`, out of a JSON file, describes; keys that it does not have are passed over.

    Fields may be numbers, text, true or false, any of them or None, lists of one type, objects of one type by name,
    other dataclasses, or Any. Raises ValueError, which names the field.
    """
    return typing.cast(Record, _typed(kind, value, ""))


def _typed(kind: Any, value: Any, name: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value, name)
    if origin in (types.UnionType, typing.Union):
        if value is None and types.NoneType in arguments:
            return None
        [one] = [argument for argument in arguments if argument is not types.NoneType]
        return _typed(one, value, name)
    if origin is list and isinstance(value, list):
        return [_typed(arguments[0], one, f"{name}[{k}]") for k, one in enumerate(value)]
    if origin is dict and isinstance(value, dict):
        return {key: _typed(arguments[1], one, f"{name}.{key}") for key, one in value.items()}
    if type(value) is kind or (kind is float and type(value) is int):  # JSON writes 1.0 as it likes
        return value
    raise ValueError(f"{name or 'it'} is {str(value)[:40]!r}")


def _dataclass(kind: Any, value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{name or 'it'} is {str(value)[:40]!r}")
    hints = typing.get_type_hints(kind)
    found = {}
    for field in dataclasses.fields(kind):
        place = f"{name}.{field.name}" if name else field.name
        if field.name in value:
            found[field.name] = _typed(hints[field.name], value[field.name], place)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{place} is missing")
    return kind(**found)
