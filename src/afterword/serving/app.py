"""The routes, and the application that they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from afterword.serving import basics, completions, expecting, looking, scores, training, watching
from afterword.serving.endpoints import JSON, Call, Endpoint, Raw
from afterword.serving.errors import ApiError
from afterword.serving.files import HTML, STATIC, page_file
from afterword.serving.openapi import document, reference

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


async def page(call: Call) -> Raw:
    return page_file(call, "index.html", PAGE_POLICY)


async def static(call: Call) -> Raw:
    return page_file(call, call.path["name"], PAGE_POLICY)


async def openapi(call: Call) -> dict[str, Any]:
    return document(ROUTES)


async def docs(call: Call) -> Raw:
    policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return Raw(reference(document(ROUTES)).encode(), HTML, {"Content-Security-Policy": policy})


ROUTES: Sequence[Endpoint] = (
    Endpoint("GET", "/", "The page for people.", page, bytes, is_open=True),
    Endpoint("GET", "/static/{name:path}", "A file of the page.", static, bytes, is_open=True),
    Endpoint(
        "POST",
        "/v1/completions",
        "Go on with a text.",
        completions.complete,
        completions.Completion,
        completions.CompletionRequest,
        streams=True,
    ),
    Endpoint("POST", "/v1/next", "What may come next.", expecting.expect, expecting.Next, expecting.NextRequest),
    Endpoint("POST", "/v1/score", "What a text costs.", scores.score, scores.ScoreReply, scores.ScoreRequest),
    Endpoint("POST", "/v1/gates", "What the gates do.", looking.gates, looking.GatesReply, looking.GatesRequest),
    Endpoint("GET", "/inside", "The frame of the gates' page.", looking.inside, bytes, is_open=True),
    Endpoint("GET", "/v1/runs", "The runs that there are.", watching.list_runs, watching.RunList),
    Endpoint("GET", "/v1/runs/{id}", "Where a run stands.", watching.one_run, watching.RunView, query={"after": int}),
    Endpoint(
        "POST",
        "/v1/runs/plan",
        "What would be done to learn from a text.",
        training.plan,
        training.PlanReply,
        training.RunRequest,
        largest="max_text",
    ),
    Endpoint(
        "POST",
        "/v1/runs",
        "Learn from a text.",
        training.begin,
        watching.RunSummary,
        training.RunRequest,
        status=201,
        largest="max_text",
    ),
    Endpoint(
        "POST", "/v1/runs/{id}/stop", "Stop a run, and keep it.", training.stop, watching.RunSummary, training.Nothing
    ),
    Endpoint("POST", "/v1/runs/{id}/resume", "Resume a run.", training.resume, watching.RunSummary, training.Nothing),
    Endpoint("GET", "/v1/models", "The models that there are.", basics.list_models, basics.ModelList),
    Endpoint("GET", "/v1/models/{id}", "One model.", basics.one_model, basics.Model),
    Endpoint("POST", "/tokenize", "Cut a text into tokens.", basics.tokenize, basics.Tokens, basics.Tokenize),
    Endpoint("POST", "/detokenize", "Join tokens.", basics.detokenize, basics.Detokenized, basics.Detokenize),
    Endpoint(
        "GET",
        "/tokenizer_info",
        "What a client must know to send token ids.",
        basics.tokenizer_info,
        basics.TokenizerInfo,
        query={"model": str},
    ),
    Endpoint("GET", "/health", "Whether the server is ready.", basics.health, basics.Health, is_open=True),
    Endpoint("GET", "/metrics", "What the server counts, for Prometheus.", basics.metrics, bytes),
    Endpoint("POST", "/v1/chat/completions", "Refused: these models hold no conversations.", basics.chat, bytes),
    Endpoint("GET", "/openapi.json", "This API.", openapi, dict),
    Endpoint("GET", "/docs", "This API, for people.", docs, bytes),
)


def is_open(path: str) -> bool:
    """Whether a path needs no key: the page's own files, which hold no data, and the server's health."""
    plain = {route.path for route in ROUTES if route.is_open and "{" not in route.path}
    return path in plain or STATIC.fullmatch(path) is not None


def application() -> Starlette:
    """The application; its `state.service` has to be set before it serves."""
    routes = [Route(route.path, route, methods=[route.method]) for route in ROUTES]
    return Starlette(routes=routes, exception_handlers={HTTPException: _no_route})


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path[:80]
    if error.status_code == 405:
        matching = [route for route in request.app.routes if route.path_regex.match(request.url.path)]
        allowed = ", ".join(sorted({method for route in matching for method in route.methods}))
        told = ApiError(405, f"{path} takes {allowed}, not {request.method[:20]}", headers={"Allow": allowed})
    else:
        told = ApiError(error.status_code, f"there is no route {path!r}: see /docs")
    return Response(msgspec.json.encode(told.failure), told.status, told.headers, JSON)
