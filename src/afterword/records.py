"""Read JSON from disk: a dataclass says what a file contains, and msgspec checks every field against it.

A field may be a number, text, true or false, a list, an object, another dataclass, any of them or None, or Any. Limits
belong to the type of the field: `Annotated[int, Meta(ge=1)]`. Keys that the dataclass does not have are skipped.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

import msgspec

Record = TypeVar("Record")

NAMES = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}


def read_json(kind: type[Record], content: str | bytes) -> Record:
    """Return the `kind` that `content` holds as JSON. Raises ValueError, one line that names the field."""
    try:
        value = json.loads(content)
        json.dumps(value, ensure_ascii=False).encode()  # fails for half a character, which no answer could hold
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("it contains a lone surrogate, which is not valid text") from None
    return as_record(kind, value)


def as_record(kind: type[Record], value: Any) -> Record:
    """Return the `kind` that `value`, read from JSON, describes. Raises ValueError, one line that names the field."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ValueError(plain(str(error))[1]) from None


def fact(about: Any, *names: str) -> Any:
    """Return the value at a path of names in nested JSON objects, or None if one is missing."""
    for name in names:
        about = about.get(name) if isinstance(about, dict) else None
    return about


def plain(message: str, whole: str = "it") -> tuple[str, str]:
    """Return the field that msgspec's `message` is about ("" for the `whole`), and the message in our words."""
    what, _, where = message.partition(" - at ")
    place = where.strip("`").removeprefix("$").removeprefix(".")
    if named := re.fullmatch(r"Object (missing required|contains unknown) field `(.*)`", what):
        field = f"{place}.{named[2]}".removeprefix(".")[:80]
        wrong = "is missing" if named[1] == "missing required" else "is not supported here: leave it out"
        return field, f"{field} {wrong}"
    must, _, got = what.removeprefix("Expected ").partition(", got ")
    if must == what:  # no type, but a value: an invalid enum value, a number out of range
        return place, f"{place or whole}: {what[:1].lower()}{' '.join(what.split())[1:60]}"
    words = f"{place or whole} must be {must}" + (f", not {got}" if got else "")
    return place, re.sub(r"`([^`]*)`", lambda kinds: " or ".join(NAMES.get(k, k) for k in kinds[1].split(" | ")), words)
