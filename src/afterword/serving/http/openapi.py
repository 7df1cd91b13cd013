"""The API document: an OpenAPI document made from the routes, and a page for people."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from afterword.serving.http.endpoints import Endpoint
from afterword.serving.http.failures import JSON, Failure

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


def document(routes: Sequence[Endpoint], version: str) -> dict[str, Any]:
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
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    in_query = [
        {"name": name, "in": "query", "required": False, "schema": {"type": "integer" if kind is int else "string"}}
        for name, kind in route.query.items()
    ]
    kinds = ("text/html", "text/plain", "text/javascript", "text/css") if route.reply is Response else (JSON,)
    content: dict[str, Any] = {kind: {"schema": OTHER.get(route.reply) or schema_of[route.reply]} for kind in kinds}
    if route.streams:
        content["text/event-stream"] = {"schema": {}}
    found: dict[str, Any] = {
        "summary": route.summary,
        "operationId": route.handler.__name__,
        "parameters": in_path + in_query,
        "responses": {str(route.status): {"description": "Done.", "content": content}, **FAILED},
        "security": [] if route.is_open else [{"key": []}],
    }
    if route.body is not None:
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": schema_of[route.body]}}}
    return found


def reference(api: dict[str, Any]) -> str:
    """Return the document `api` as an HTML page."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<title>Afterword API</title><link rel="stylesheet" href="static/style.css">',
        '<link rel="stylesheet" href="static/docs.css"></head><body>',
        "<h1>API</h1>",
        "<p>Requests and responses are JSON. Log probabilities are the model's own, in nats, before any filter. ",
        'Machine-readable: <a href="openapi.json">openapi.json</a>.</p>',
    ]
    for title, body in operations(api):
        parts += [f"<section><h2><code>{html.escape(title)}</code></h2>", body, "</section>"]
    return "\n".join([*parts, "</body></html>"])


def operations(api: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each operation of the document `api`, such as GET /health, and its description in HTML."""
    schemas = api["components"]["schemas"]
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            parts = [f"<p>{_text(operation['summary'])}</p>"]
            if "requestBody" in operation:
                parts += _fields("Request", operation["requestBody"]["content"][JSON]["schema"], schemas)
            answer = operation["responses"][next(iter(operation["responses"]))]["content"].get(JSON)
            if answer is not None:
                parts += _fields("Response", answer["schema"], schemas)
            yield f"{method.upper()} {path}", "\n".join(parts)


def _fields(title: str, schema: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found = schemas.get(name, schema)
    needed = found.get("required", ())
    rows = []
    for field, one in sorted(found.get("properties", {}).items(), key=lambda one: one[0] not in needed):
        notes = ["required"] * (field in needed) + [kind.get("description", "") for kind in _kinds(one)]
        cells = (f"<code>{html.escape(field)}</code>", html.escape(_kind(one)), _text(" ".join(notes)))
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    description = _text(found.get("description", ""))
    return [f"<h3>{title}</h3><p>{description}</p><table>", *rows, "</table>"] if rows else []


def _text(text: str) -> str:
    return re.sub("`(.+?)`", r"<code>\1</code>", html.escape(text))


def _kinds(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]


def _kind(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(map(_kind, _kinds(schema)))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return ", ".join(json.dumps(one) for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("type", "any"))
