"""The files of the page, which lie beside this one."""

from __future__ import annotations

import re
from importlib import resources

from afterword.serving.endpoints import JSON, Raw
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


def page_file(name: str, policy: str) -> Raw:
    """A file of the page, under a content security policy. Raises ApiError where there is none of that name."""
    place = resources.files("afterword.serving").joinpath("page")
    ending = name[name.rfind(".") :]
    if not STATIC.fullmatch(f"/static/{name}") or ending not in KINDS or not place.joinpath(name).is_file():
        raise ApiError(404, f"there is no file {name[:80]!r} here")
    place = place.joinpath(name)
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
    return Raw(place.read_bytes(), KINDS[ending], headers)
