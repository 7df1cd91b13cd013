"""What a client is told that asked for something it cannot have, in the shape that OpenAI's clients read."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping

import msgspec

KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class Told(msgspec.Struct):
    """What is wrong, in a sentence."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class Failure(msgspec.Struct):
    """The body of every answer whose status is 400 or more."""

    error: Told


class ApiError(Exception):
    """Ends a request with `status` and one clear sentence; `param` is the field that it is about."""

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        # what was sent may hold half a character, which no answer can
        message = message.encode("utf-8", "replace").decode()
        param = None if param is None else param.encode("utf-8", "replace").decode()
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})
        kind = KINDS.get(status, "invalid_request_error" if status < 500 else "server_error")
        self.failure = Failure(Told(message, kind, param, code))


def busy(seconds: int = 1) -> ApiError:
    """All places are taken, and so are those of the queue."""
    return ApiError(429, "too many requests at once: ask again later", headers={"Retry-After": str(seconds)})


def report(error: BaseException) -> None:
    """Tell whoever runs the server of a mistake in this program. Nothing of any prompt is told."""
    print(f"error: {type(error).__name__} while answering (AFTERWORD_DEBUG=1 shows where)", file=sys.stderr, flush=True)
    if os.environ.get("AFTERWORD_DEBUG"):
        traceback.print_exception(error)
