"""Access: which requests reach the routes.

Any web page can make a browser on this machine send requests. So the Host must be one of this server's names, or the
address that the client has reached: a foreign name that points at this machine is refused. An Origin must be the
server's own page. A body must be JSON, which no other page can send without asking first, and no answer allows another
page to read it.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from afterword.serving.http.failures import JSON, ApiError, log, stopping
from afterword.serving.http.resources import Resources

HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
MOST_LOGGED = 300  # characters of a path, or of a client's name
NOTHING = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


class RequestGuard:
    """Middleware that passes safe requests on to `app`."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], key: str | None, is_open: Callable[[str], bool]) -> None:
        """Accept `hosts` in the Host header. Paths that `is_open` accepts need no key."""
        self._app, self._hosts, self._is_open = app, frozenset(hosts), is_open
        self._key = None if key is None else f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        service: Resources = scope["app"].state.service
        began, root, path = time.perf_counter(), service.access.root_path, scope["path"]
        if f"{path}/".startswith(f"{root}/"):  # the proxy has not removed it
            path = path[len(root) :] or "/"
        scope["path"], scope["root_path"] = root + path, root
        head: Message = scope.setdefault("head", {})  # of the answer, filled when it is sent

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                head.update(message)
                names = {name for name, _ in message["headers"]}
                more = [*HEADERS, NOTHING] if NOTHING[0] not in names else HEADERS
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        error = self._wrong(scope, path, service)
        service.answering += error is None
        try:
            if error is None:
                if self._key is not None and not self._is_open(path):
                    scope["has_key"] = True  # the protocol keeps such connections longest
                await self._app(scope, receive, guarded)
            else:
                service.metrics.refusals.labels(str(error.status)).inc()
                await error.response()(scope, receive, guarded)
        finally:
            service.answering -= error is None
            if service.access.access_log:
                log(_line(scope, head.get("status", 499), time.perf_counter() - began))

    def _wrong(self, scope: Scope, path: str, service: Resources) -> ApiError | None:
        """Return why the request for `path` is refused, or None."""
        size = len(scope["raw_path"]) + len(scope["query_string"])
        if size + sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > service.limits.max_header:
            return ApiError(431, f"the header may be at most {service.limits.max_header:,} bytes")
        headers = Headers(scope=scope)
        if "content-length" in headers and "transfer-encoding" in headers:
            message = "the header has both Content-Length and Transfer-Encoding: send one of them"
            return ApiError(400, message, headers={"Connection": "close"})
        host = [name.lower() for name in headers.getlist("host")]
        if len(host) != 1 or host[0] not in self._hosts | reached(scope):
            named = host[0][:80] if host else ""
            return ApiError(403, f"this server is not {named!r}: use its own name, or start it with --allow-host")
        for origin in headers.getlist("origin"):
            if origin.lower() not in {f"http://{host[0]}", f"https://{host[0]}"}:
                return ApiError(403, "only this server's own page may send requests from a browser")
        if self._key is not None and not self._is_open(path):
            given = headers.getlist("authorization")
            if len(given) != 1 or not hmac.compare_digest(given[0].encode("latin-1"), self._key):
                what = "the key is wrong: send the server's" if given else "this server needs a key: send it"
                message = f"{what} as Authorization: Bearer KEY"
                return ApiError(401, message, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})
        if service.is_stopping and path != "/metrics":
            return stopping()
        if scope["method"] == "POST":
            if headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
                return ApiError(415, f"the body must be JSON: send it with Content-Type: {JSON}")
            coding = headers.getlist("content-encoding") or ["identity"]
            if coding != ["identity"]:
                return ApiError(415, f"the Content-Encoding {coding[0][:40]!r} is refused: send the body uncompressed")
        return None


def reached(scope: Scope) -> set[str]:
    """Return the address of this machine that the client has reached, as in a Host header; it is never a name."""
    try:
        address, port = ipaddress.ip_address(scope["server"][0]), scope["server"][1]
    except (TypeError, ValueError):  # a socket of the file system has no address
        return set()
    address = getattr(address, "ipv4_mapped", None) or address  # on a socket for both versions
    shown = f"[{address}]" if address.version == 6 else f"{address}"
    return {f"{shown}:{port}", *([shown] if port == 80 else [])}


def _line(scope: Scope, status: int, seconds: float) -> str:
    """Return a line of the access log. No text from a client can end the line, add a field or control a terminal."""
    client, _ = scope["client"] or ("-", 0)
    given = (client, scope["method"], scope["raw_path"].decode("latin-1"))  # not the query, which may contain secrets
    shown = [re.sub("[^!-~]", "?", one)[:MOST_LOGGED] for one in given]
    return " ".join([datetime.now(UTC).isoformat(timespec="milliseconds"), *shown, str(status), f"{seconds:.3f}"])
