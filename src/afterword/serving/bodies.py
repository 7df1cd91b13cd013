"""A request's body: read within limits, as strict JSON, into the record that its route takes."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NoReturn, TypeVar

import msgspec

from afterword.serving.errors import ApiError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Body = TypeVar("Body")

DEEPEST = 32  # levels of a body's JSON


class Gone(Exception):
    """The client has gone away."""


async def read_body(receive: Receive, headers: dict[bytes, bytes], largest: int) -> bytes:
    """The whole body. Raises ApiError for one that is too large, Gone where the client leaves before its end."""
    told = headers.get(b"content-length", b"0")
    too_large = ApiError(413, f"the body may be at most {largest:,} bytes")
    if told.isdigit() and int(told) > largest:
        raise too_large
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body += message.get("body", b"")
        if len(body) > largest:
            raise too_large
        more = message.get("more_body", False)
    return bytes(body)


def parsed(body: bytes, kind: type[Body]) -> Body:
    """`body` as a `kind`. Raises ApiError for what is no JSON, says one thing twice, or does not fit."""
    try:
        found = json.loads(body, object_pairs_hook=_object, parse_constant=_no_constant)
    except ApiError:
        raise
    except RecursionError:
        raise ApiError(400, "the body is nested too deeply") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise ApiError(400, f"the body is not valid JSON: {error}") from None
    if _deeper_than(found, DEEPEST):
        raise ApiError(400, "the body is nested too deeply")
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if any("\ud800" <= character <= "\udfff" for name in found if not name.isascii() for character in name):
        raise ApiError(400, "the body has a name with a lone surrogate, which is no text")
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ApiError(400, f"the body has {twice[:60]!r} twice: give it once", twice[:60])
    return found


def _no_constant(name: str) -> NoReturn:
    raise ApiError(400, f"the body is not valid JSON: {name} is not a number")


def _deeper_than(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(one, levels - 1) for one in inner)


def _invalid(message: str) -> ApiError:
    """What msgspec found, in our words: it says what is wrong, and mostly `where`."""
    what, _, where = message.partition(" - at ")
    param = where.strip("`").removeprefix("$").lstrip(".") or None
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", what):
        name = f"{param}.{unknown[1]}" if param else unknown[1]
        return ApiError(400, f"{name[:80]} is not supported here: leave it out", name[:80], "unsupported")
    if missing := re.fullmatch(r"Object missing required field `(.*)`", what):
        return ApiError(400, f"{missing[1]} is missing: give it", missing[1])
    said = what[:1].lower() + what[1:]
    return ApiError(400, f"{param}: {said}" if param else f"the body: {said}", param)
