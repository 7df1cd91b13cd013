"""The API as an OpenAPI document, made from the routes themselves, and that as a page."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from afterword import __version__
from afterword.serving.endpoints import JSON, Endpoint
from afterword.serving.errors import Failure

PLAIN = {dict: {"type": "object"}, bytes: {"type": "string"}}
FAILURES = {
    "400": "What is wrong with the request.",
    "401": "The server's key is missing or wrong.",
    "403": "A foreign Host or Origin.",
    "404": "There is no such thing.",
    "405": "Another method is wanted.",
    "409": "It is taken, or something else is under way.",
    "408": "The request did not come in time.",
    "413": "The body is too large.",
    "415": "The body is not said to be JSON.",
    "431": "The header is too large.",
    "429": "Too many requests at once.",
    "500": "A mistake of the server's.",
    "503": "Not ready, or it took too long.",
}


def document(routes: Sequence[Endpoint]) -> dict[str, Any]:
    """The document, as plain values."""
    kinds = [kind for route in routes for kind in (route.body, route.reply) if kind is not None and kind not in PLAIN]
    (schemas, components) = msgspec.json.schema_components(
        [*kinds, Failure], ref_template="#/components/schemas/{name}"
    )
    schema_of = dict(zip([*kinds, Failure], schemas, strict=True))
    paths: dict[str, Any] = {}
    for route in routes:
        path = re.sub(r":\w+\}", "}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, path, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Afterword",
            "version": __version__,
            "description": "A small LSTM that writes and scores text.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
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
    kind = "text/plain" if route.reply is bytes else JSON
    content: dict[str, Any] = {kind: {"schema": PLAIN.get(route.reply) or schema_of[route.reply]}}
    if route.reply is bytes:
        content = {one: {"schema": PLAIN[bytes]} for one in ("text/html", "text/plain", "text/javascript", "text/css")}
    if route.streams:
        content["text/event-stream"] = {"schema": {}}
    failures = {
        status: {"description": says, "content": {JSON: {"schema": schema_of[Failure]}}}
        for status, says in FAILURES.items()
    }
    found: dict[str, Any] = {
        "summary": route.summary,
        "operationId": route.handler.__name__,
        "parameters": in_path + in_query,
        "responses": {str(route.status): {"description": "Done.", "content": content}, **failures},
        "security": [] if route.is_open else [{"key": []}],
    }
    if route.body is not None:
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": schema_of[route.body]}}}
    return found


def reference(api: dict[str, Any]) -> str:
    """`document` as a page for people."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<title>The API of Afterword</title><link rel="stylesheet" href="/static/docs.css"></head><body>',
        "<h1>The API</h1>",
        "<p>Every body and answer is JSON. Log probabilities are the model's own, before any filter, in nats. ",
        'For programs: <a href="/openapi.json">openapi.json</a>.</p>',
    ]
    schemas = api["components"]["schemas"]
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            parts.append(f"<section><h2><code>{method.upper()} {html.escape(path)}</code></h2>")
            parts.append(f"<p>{html.escape(operation['summary'])}</p>")
            if "requestBody" in operation:
                parts += _fields("Request", operation["requestBody"]["content"][JSON]["schema"], schemas)
            answer = operation["responses"][next(iter(operation["responses"]))]["content"].get(JSON)
            if answer is not None:
                parts += _fields("Response", answer["schema"], schemas)
            parts.append("</section>")
    return "\n".join([*parts, "</body></html>"])


def _fields(title: str, schema: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found = schemas.get(name, schema)
    needed = found.get("required", ())
    rows = [
        f"<tr><td><code>{html.escape(field)}</code></td><td>{html.escape(_kind(one))}</td>"
        f"<td>{'required' if field in needed else ''}</td></tr>"
        for field, one in sorted(found.get("properties", {}).items(), key=lambda one: one[0] not in needed)
    ]
    said = html.escape(found.get("description", ""))
    return [f"<h3>{title}</h3><p>{said}</p><table>", *rows, "</table>"] if rows else []


def _kind(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"] if one.get("type") != "null")
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return ", ".join(json.dumps(one) for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("type", "any"))
