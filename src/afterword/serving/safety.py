"""Who may ask: checked before any route sees a request.

A browser on this machine can be made to ask by any page that it shows. So the Host must be one of ours (a name that
was pointed at this machine is none), an Origin must be our own page's, and a body must be JSON, which no other page can
send without asking first; no answer allows any other page to read it.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import msgspec

from afterword.serving.bodies import Message, Receive
from afterword.serving.endpoints import JSON, Scope, Send
from afterword.serving.errors import ApiError

HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
NOTHING = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")

Application = Callable[[Any, Any, Any], Awaitable[None]]


class Guard:
    """Lets through to `app` what is safe."""

    def __init__(
        self,
        app: Application,
        hosts: Collection[str],
        key: str | None,
        is_open: Callable[[str], bool],
        largest: int,
        on_refusal: Callable[[int], object],
    ) -> None:
        """`hosts` as the Host header may spell them; `is_open` says of a path that it needs no key; `largest` is how
        many bytes a header may have; `on_refusal` is told the status of each request that is not let through."""
        self._app, self._hosts, self._is_open, self._largest = app, frozenset(hosts), is_open, largest
        self._on_refusal = on_refusal
        self._key = None if key is None else f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in message["headers"]}
                more = [*HEADERS, NOTHING] if NOTHING[0] not in names else HEADERS
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        error = self._wrong(scope)
        if error is None:
            await self._app(scope, receive, guarded)
            return
        self._on_refusal(error.status)
        body = msgspec.json.encode(error.failure)
        headers = {"Content-Type": JSON, "Content-Length": str(len(body)), **error.headers}
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await guarded({"type": "http.response.start", "status": error.status, "headers": encoded})
        await guarded({"type": "http.response.body", "body": body})

    def _wrong(self, scope: Scope) -> ApiError | None:
        size = len(scope["raw_path"]) + len(scope["query_string"])
        if size + sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > self._largest:
            return ApiError(431, f"the header may be at most {self._largest:,} bytes")
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value)
        host = [value.decode("latin-1").lower() for value in headers.get(b"host", [])]
        if len(host) != 1 or host[0] not in self._hosts:
            named = host[0][:80] if host else ""
            return ApiError(403, f"this server is not {named!r}: ask by its own name, or start it with --allow-host")
        for origin in headers.get(b"origin", []):
            if origin.decode("latin-1").lower() not in {f"http://{host[0]}", f"https://{host[0]}"}:
                return ApiError(403, "only this server's own page may ask from a browser")
        if self._key is not None and not self._is_open(scope["path"]):
            given = headers.get(b"authorization", [b""])
            if len(given) != 1 or not hmac.compare_digest(given[0], self._key):
                told = "this server needs its key: send it as Authorization: Bearer KEY"
                return ApiError(401, told, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})
        if scope["method"] == "POST":
            kind = headers.get(b"content-type", [b""])[0].partition(b";")[0].strip().lower()
            if kind != JSON.encode():
                return ApiError(415, f"the body must be JSON: send it with Content-Type: {JSON}")
        return None
