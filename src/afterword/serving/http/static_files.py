"""The files of the page."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import PurePosixPath

from starlette.responses import Response

from afterword.commands import of_page
from afterword.serving.http.failures import JSON, ApiError
from afterword.web.pages import read, style

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

IMPORT = re.compile(r'^import [^;]*"\./([^"]+)";', re.MULTILINE)
PRELOADS = b"<!-- modulepreload -->"  # replaced by links to the page's first modules, which are then fetched together
WINGS = b"<!-- wings -->"  # replaced by links to the styles of wings, and the names of their modules
SHEET = b"<!-- sheet -->"  # replaced by the sheet, which exported pages share


def page_file(request_headers: Mapping[str, str], name: str, policy: str, root_path: str = "") -> Response:
    """Return a file of the page under a content security policy, compressed if the client can read that.

    Links in an HTML file are relative to `root_path`, or without one, to the address of the page. Raises ApiError if
    the file does not exist.
    """
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    plain, packed = _read(name, root_path)
    kind = KINDS[PurePosixPath(name).suffix]
    if "gzip" in request_headers.get("accept-encoding", ""):
        return Response(packed, 200, {**headers, "Content-Encoding": "gzip"}, kind)
    return Response(plain, 200, headers, kind)


@lru_cache(maxsize=100)
def _read(name: str, root_path: str = "") -> tuple[bytes, bytes]:
    """Return a file as it is and compressed."""
    if name == "style.css":
        plain = style().encode()
    else:
        folders = [resources.files("afterword.serving").joinpath("page"), resources.files("afterword.web")]
        folders += [resources.files(of_page()[name])] if name in of_page() else []
        served = STATIC.fullmatch(f"/static/{name}") and PurePosixPath(name).suffix in KINDS
        file = next((folder.joinpath(name) for folder in folders if served and folder.joinpath(name).is_file()), None)
        if file is None:
            raise ApiError(404, f"unknown file {name[:80]!r}")
        plain = file.read_bytes()
    if PRELOADS in plain:
        links = [f'<link rel="modulepreload" href="static/{module}">' for module in sorted(_modules("main.js"))]
        plain = plain.replace(PRELOADS, "\n".join(links).encode())
        styles = [f'<link rel="stylesheet" href="static/{file}">' for file in of_page() if file.endswith(".css")]
        modules = f'<meta name="wings" content="{" ".join(file for file in of_page() if file.endswith(".js"))}">'
        plain = plain.replace(WINGS, "\n".join([*styles, modules]).encode())
        plain = plain.replace(SHEET, read("afterword.web", "sheet.template").encode())
    if root_path:
        plain = plain.replace(b"<head>", f'<head>\n<base href="{root_path}/">'.encode())
    return plain, gzip.compress(plain, mtime=0)


def _modules(name: str) -> set[str]:
    """Return the modules that the module `name` imports at once, and those that they import in turn."""
    imported = set(IMPORT.findall(_read(name)[0].decode()))
    return imported.union(*map(_modules, imported))
