"""The API document: an OpenAPI document made from the routes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from afterword.serving.http.endpoints import Endpoint
from afterword.serving.http.failures import JSON, Failure

TYPES = {int: "integer", str: "string"}
TEXT = {"type": "string"}
OTHER = {dict[str, Any]: {"type": "object"}, Response: TEXT}  # answers that are not records
FAILURES = {
    "400": "The request is invalid.",
    "401": "The server's key is missing or wrong.",
    "403": "The Host or the Origin is not this server's.",
    "404": "It does not exist.",
    "405": "The path takes another method.",
    "409": "The name is taken, or something else is in progress.",
    "408": "The request did not arrive in time.",
    "413": "The body is too large.",
    "415": "The body is not declared as JSON.",
    "431": "The header is too large.",
    "429": "There are too many requests at once.",
    "500": "An error occurred in the server.",
    "503": "The server is not ready, is stopping, or the request took too long.",
    "507": "The disk has no room for the text.",
}


FAILED = {status: {"$ref": f"#/components/responses/{status}"} for status in FAILURES}


def api_document(routes: Sequence[Endpoint], version: str) -> dict[str, Any]:
    """Return the OpenAPI document of `routes`."""
    kinds = [kind for route in routes for kind in (route.body, route.reply) if kind is not None and kind not in OTHER]
    kinds.append(Failure)
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, Any] = {}
    for route in routes:
        path = re.sub(r":\w+\}", "}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, path, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Afterword", "version": version, "description": "A small LSTM that writes and scores text."},
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {
                status: {"description": meaning, "content": {JSON: {"schema": schema_of[Failure]}}}
                for status, meaning in FAILURES.items()
            },
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Endpoint, path: str, schema_of: dict[Any, Any]) -> dict[str, Any]:
    given: list[tuple[str, str, type]] = [(name, "path", str) for name in re.findall(r"\{(\w+)\}", path)]
    given += [(name, "query", kind) for name, kind in route.query.items()]
    kinds = ("text/html", "text/plain", "text/javascript", "text/css") if route.reply is Response else (JSON,)
    content: dict[str, Any] = {kind: {"schema": OTHER.get(route.reply) or schema_of[route.reply]} for kind in kinds}
    if route.streams:
        content["text/event-stream"] = {"schema": {}}
    found: dict[str, Any] = {
        "summary": route.summary,
        "operationId": route.handler.__name__,
        "parameters": [
            {"name": name, "in": place, "required": place == "path", "schema": {"type": TYPES[kind]}}
            for name, place, kind in given
        ],
        "responses": {str(route.status): {"description": "Done.", "content": content}, **FAILED},
        "security": [] if route.is_open else [{"key": []}],
    }
    if route.body is not None:
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": schema_of[route.body]}}}
    return found
