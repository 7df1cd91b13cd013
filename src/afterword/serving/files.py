"""The files of the page, which lie beside this one."""

from __future__ import annotations

import gzip
import re
from functools import lru_cache
from importlib import resources

from afterword.serving.endpoints import JSON, Call, Raw
from afterword.serving.errors import ApiError

HTML = "text/html; charset=utf-8"
KINDS = {
    ".html": HTML,
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": JSON,
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
STATIC = re.compile(r"/static/((?:[A-Za-z0-9_-]{1,40}/)?[A-Za-z0-9_][A-Za-z0-9._-]{0,80})")


def page_file(call: Call, name: str, policy: str) -> Raw:
    """A file of the page, under a content security policy; compressed for who can read that.

    Raises ApiError where there is none of that name.
    """
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    plain, packed = _read(name)
    if b"gzip" in call.headers.get(b"accept-encoding", b""):
        return Raw(packed, KINDS[_ending(name)], {**headers, "Content-Encoding": "gzip"})
    return Raw(plain, KINDS[_ending(name)], headers)


@lru_cache(maxsize=100)
def _read(name: str) -> tuple[bytes, bytes]:
    """A file, as it is and compressed."""
    place = resources.files("afterword.serving").joinpath("page")
    if not STATIC.fullmatch(f"/static/{name}") or _ending(name) not in KINDS or not place.joinpath(name).is_file():
        raise ApiError(404, f"there is no file {name[:80]!r} here")
    plain = place.joinpath(name).read_bytes()
    return plain, gzip.compress(plain, mtime=0)


def _ending(name: str) -> str:
    return name[name.rfind(".") :]
