"""The application: its routes, the page, and the API document."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Lifespan

from afterword import __version__
from afterword.commands import places, resolve
from afterword.serving.http.endpoints import Call, Endpoint
from afterword.serving.http.failures import ApiError
from afterword.serving.http.openapi import api_document
from afterword.serving.http.safety import RequestGuard
from afterword.serving.http.static_files import STATIC, page_file
from afterword.serving.routes import (
    catalogue,
    completions,
    document_texts,
    gate_views,
    next_tokens,
    operations,
    training_runs,
)
from afterword.serving.service import Service
from afterword.web.pages import policy

PAGE_POLICY = policy(
    **dict.fromkeys(("script_src", "style_src", "connect_src", "frame_src", "base_uri"), "'self'"),
    img_src="'self' data: blob:",
    frame_ancestors="'none'",
)


async def page(call: Call[Service]) -> Response:
    """Return the page for people."""
    return page_file(call.headers, "index.html", PAGE_POLICY, call.service.access.root_path)


async def static(call: Call[Service]) -> Response:
    """Return a file of the page."""
    return page_file(call.headers, call.path["name"], PAGE_POLICY)


async def openapi(call: Call[Service]) -> dict[str, Any]:
    """Return this API document."""
    api = api_document(ROUTES, __version__)
    whole, _ = api["components"]["schemas"]["CompletionRequest"]["properties"]["max_tokens"]["anyOf"]
    whole["maximum"] = call.service.limits.max_output
    if root := call.service.access.root_path:
        api["servers"] = [{"url": root}]
    return api


ROUTES: Sequence[Endpoint] = (
    Endpoint("GET", "/", page, is_open=True),
    Endpoint("GET", "/static/{name:path}", static, is_open=True),
    Endpoint("POST", "/v1/completions", completions.complete),
    Endpoint("POST", "/v1/next", next_tokens.expect),
    *operations.routes(),
    *(endpoint for place in places("routes") for endpoint in resolve(place)),
    Endpoint("POST", "/v1/gates", gate_views.gates),
    Endpoint("GET", "/inside", gate_views.inside, is_open=True),
    Endpoint("GET", "/v1/runs", training_runs.list_runs),
    Endpoint("GET", "/v1/runs/{id}", training_runs.one_run, query={"after": int}),
    Endpoint("POST", "/v1/runs", training_runs.begin, status=201, takes_text=True),
    Endpoint("POST", "/v1/runs/{id}/stop", training_runs.stop),
    Endpoint("POST", "/v1/runs/{id}/resume", training_runs.resume),
    Endpoint("POST", "/v1/documents", document_texts.read_document, takes_text=True),
    Endpoint("GET", "/v1/models", catalogue.list_models),
    Endpoint("GET", "/v1/models/{id}", catalogue.one_model),
    Endpoint("POST", "/tokenize", catalogue.tokenize),
    Endpoint("POST", "/detokenize", catalogue.detokenize),
    Endpoint("GET", "/tokenizer_info", catalogue.tokenizer_info, query={"model": str}),
    Endpoint("GET", "/health", catalogue.health, is_open=True),
    Endpoint("GET", "/metrics", catalogue.metrics),
    Endpoint("GET", "/openapi.json", openapi),
)


def is_open(path: str) -> bool:
    """Return whether a path needs no key, like the page's own files and the server's health."""
    plain = {route.path for route in ROUTES if route.is_open and "{" not in route.path}
    return path in plain or STATIC.fullmatch(path) is not None


def application(hosts: Collection[str], key: str | None, lifespan: Lifespan[Starlette]) -> Starlette:
    """Return the application, to be reached as one of `hosts`, with the `key`. Its `lifespan` sets `state.service`."""
    routes = [Route(route.path, route, methods=[route.method]) for route in ROUTES]
    guard = Middleware(RequestGuard, hosts, key, is_open)
    app = Starlette(routes=routes, middleware=[guard], exception_handlers={HTTPException: _no_route}, lifespan=lifespan)
    app.router.redirect_slashes = False
    return app


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path[:80]
    if error.status_code != 405:
        close = f"did you mean /v1{path}? " if any(route.path == f"/v1{path}" for route in ROUTES) else ""
        if "/chat" in path:
            close = "these models continue a text and cannot chat: use /v1/completions with a prompt; "
        message = f"unknown route {path!r}: {close}see {request.scope['root_path']}/openapi.json"
        return ApiError(error.status_code, message).response()
    matching = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    allowed = ", ".join(sorted({method for route in matching for method in route.methods}))
    return ApiError(405, f"{path} takes {allowed}, not {request.method[:20]}", headers={"Allow": allowed}).response()
