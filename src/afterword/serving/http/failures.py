"""Failures: what a client receives for a request that cannot be answered, in the shape that OpenAI's clients read."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from asyncio import CancelledError
from collections.abc import Collection, Mapping

import msgspec
from starlette.responses import Response

from afterword.errors import OPTION_NAME, AfterwordError, RunError, StorageError, spelled

JSON = "application/json"
KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class ErrorDetail(msgspec.Struct):
    """An error in one sentence; `param` is the field that it is about."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class Failure(msgspec.Struct):
    """The body of every answer with a status of 400 or more."""

    error: ErrorDetail


class ApiError(Exception):
    """End a request with `status` and a sentence; `param` is the field that it is about."""

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        # a request may contain half a character, which cannot be encoded
        message = message.encode("utf-8", "replace").decode()
        param = None if param is None else param.encode("utf-8", "replace").decode()
        super().__init__(message)
        self.status, self.headers = status, headers
        kind = KINDS.get(status, "invalid_request_error" if status < 500 else "server_error")
        self.detail = ErrorDetail(message, kind, param, code)

    @property
    def body(self) -> bytes:
        return msgspec.json.encode(Failure(self.detail))

    def response(self) -> Response:
        return Response(self.body, self.status, self.headers, JSON)


def busy(seconds: int = 1) -> ApiError:
    """Return the failure for a server whose places and queue are full."""
    return ApiError(429, "too many requests at once: try again later", headers={"Retry-After": str(seconds)})


def stopping() -> ApiError:
    """Return the failure for a server that stops."""
    headers = {"Connection": "close", "Retry-After": "1"}
    return ApiError(503, "the server is stopping: try again later", headers=headers)


def check_at_most(most: int, number: int, what: str, advice: str, param: str, code: str | None = None) -> None:
    """Raise ApiError if `number` is more than `most`; in `what`, {} is the place of `most`."""
    if number > most:
        raise ApiError(400, f"{what.format(f'{most:,}')}, not {number:,}: {advice}", param, code)


def as_api_error(error: BaseException, seconds: float, fields: Collection[str]) -> ApiError:
    """Return `error` as a client sees it: a request had `seconds` and may have `fields`.

    An error in this program is reported to whoever runs the server.
    """
    if isinstance(error, ApiError):
        return error
    if isinstance(error, CancelledError):  # by a server that stops at once
        return stopping()
    if isinstance(error, TimeoutError | MemoryError):
        late = f"the request took longer than {seconds:g} s and was stopped"
        what = late if isinstance(error, TimeoutError) else "not enough memory for this request"
        return ApiError(503, f"{what}: ask for less", headers={"Retry-After": "1"})
    if isinstance(error, RunError):
        return ApiError(500, error.over_http)
    if isinstance(error, AfterwordError) and not isinstance(error, StorageError):
        first = error.message.partition(" ")[0]  # a message about an option may begin with its name
        named = [name for name in [*OPTION_NAME.findall(error.message), first] if name in fields]
        return ApiError(400, for_client(error.message, fields), next(iter(named), None))
    report(error)
    return ApiError(500, "an error occurred in the server: try again")


def for_client(message: str, fields: Collection[str]) -> str:
    """Return `message` as a client reads it: without advice on options that a request, which has `fields`, lacks."""
    what, colon, advice = message.partition(": ")
    own = [one for one in advice.split("; ") if all(name in fields for name in OPTION_NAME.findall(one))]
    return spelled(what + colon * bool(own) + "; ".join(own), str)


def report(error: BaseException) -> None:
    """Print an error in this program on standard error, without any text of the request."""
    log(f"error: {type(error).__name__} while answering (AFTERWORD_DEBUG=1 shows where)")
    if os.environ.get("AFTERWORD_DEBUG"):
        log("".join(traceback.format_exception(error)))


def log(line: str) -> None:
    """Print `line` on standard error. If nobody reads it, the server continues."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
