"""What all routes do alike, over the server's own document: each refuses what its schema forbids, in one sentence."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from afterword.language_model import load
from afterword.model.folder.saved import load_model, save_model
from afterword.serving.app import ROUTES
from tests.cases import cases
from tests.serving.server import Serving, serving

NEEDS_MORE = {*cases("NEEDS_MORE")}  # than a plain model has
WITH_BODY = sorted(route.path for route in ROUTES if route.body is not None)
SOUND: dict[str, Any] = {"prompt": "ab", "text": "ab\ncd", "tokens": [1], "name": "new", **cases("SOUND")}
NO_JSON = {
    **dict.fromkeys([b"", b"{", b'{"prompt":"\xff"}'], "the body is not valid JSON"),
    b'{"model":"tiny","model":"tiny"}': "the body has 'model' twice",
    b'{"model":NaN}': "NaN is not a number",
    b"[" * 100_000: "nested too deeply",
    b'{"model":"tiny","x\\ud800":1}': "a name in the body contains a lone surrogate",
    b"[]": "the body must be an object, not a list",
}


@functools.cache
def document(port: int) -> Any:
    return Serving(None, port).get("/openapi.json").json  # type: ignore[arg-type]


def schema(server: Serving, path: str) -> dict[str, Any]:
    """The schema of a route's body."""
    api = document(server.port)
    body = api["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    found: dict[str, Any] = api["components"]["schemas"][body["$ref"].rpartition("/")[2]]
    return found


def sound(server: Serving, path: str) -> dict[str, Any]:
    """A body that the route takes, without a model."""
    return {name: value for name, value in SOUND.items() if name in schema(server, path)["properties"]}


def forbidden(kind: dict[str, Any]) -> Iterator[object]:
    """Values that a schema forbids, one for each of its limits and one of another type."""
    limits = {"minimum": -1, "exclusiveMinimum": 0, "maximum": 1, "exclusiveMaximum": 0}
    yield from (kind[limit] + beyond for limit, beyond in limits.items() if limit in kind)
    if "maxLength" in kind:
        yield "a" * (kind["maxLength"] + 1)
    if "maxItems" in kind:
        yield ["a"] * (kind["maxItems"] + 1)
    yield "other" if "enum" in kind else {"x": []}


def refusal(server: Serving, path: str, body: Any, status: int = 400) -> str:
    """Send what is refused; return the sentence that says why."""
    found = server.post(path, body)
    assert found.status == status, (path, body, found.body)
    assert "\n" not in found.error
    assert found.json["error"]["type"] == ("not_found_error" if status == 404 else "invalid_request_error")
    return found.error


@pytest.mark.parametrize("path", WITH_BODY)
def test_a_body_that_its_schema_forbids_is_refused_and_named(server: Serving, path: str) -> None:
    known, body = schema(server, path), sound(server, path)
    if "model" in known["properties"]:
        body["model"] = "tiny"
    for sent, says in NO_JSON.items():
        assert says in refusal(server, path, sent)
    assert refusal(server, path, {**body, "unknown": 1}).startswith("unknown is not supported here")
    for name in known.get("required", ()):
        assert f"{name} is missing" in refusal(server, path, {key: body[key] for key in body if key != name})
    for name, field in known["properties"].items():
        for value in (value for kind in field.get("anyOf", [field]) for value in forbidden(kind)):
            found = server.post(path, {**body, name: value})
            assert found.status == 400, (name, value, found.body)
            assert name in found.error or found.json["error"]["param"] == name, (name, value, found.error)
    assert server.is_idle()


def test_a_body_must_say_that_it_is_json(server: Serving) -> None:
    for path in WITH_BODY:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
            found = server.ask("POST", path, b"{}", {"Content-Type": kind})
            assert found.status == 415
            assert found.error == "the body must be JSON: send it with Content-Type: application/json"


def test_a_path_names_the_methods_that_it_takes(server: Serving) -> None:
    for route in ROUTES:
        found = server.ask("DELETE", route.path)
        assert found.status == 405
        assert route.method in found.headers["allow"].split(", ")
        assert found.error == f"{route.path} takes {found.headers['allow']}, not DELETE"
    assert server.ask("OPTIONS", "/v1/completions").headers["allow"] == "POST"
    assert server.ask("DELETE", "/v1/runs").headers["allow"] == "GET, HEAD, POST"


def test_half_a_character_is_refused_everywhere(server: Serving) -> None:
    for path in set(WITH_BODY) - {*NEEDS_MORE, "/v1/runs", "/v1/documents"}:
        for name in sound(server, path).keys() & {"text", "prompt"}:
            body = {**sound(server, path), name: "ab\ud800", "model": "tiny"}
            assert "character 2 of the text is a lone surrogate (U+D800)" in refusal(server, path, body)


def test_a_request_without_a_model_means_the_only_one(server: Serving, models: Path) -> None:
    with serving(models / "tiny") as alone:
        for path in (path for path in WITH_BODY if "model" in schema(server, path)["properties"]):
            body = sound(server, path)
            found, named = (alone.post(path, asked) for asked in (body, {**body, "model": "tiny"}))
            assert found.status == named.status == (400 if path in NEEDS_MORE else 200), found.body
            assert refusal(server, path, body) == "model is missing: give one of tiny, mixed, lines"
            for name in ("none", "../tiny"):
                said = refusal(server, path, {**body, "model": name}, 404)
                assert said == f"unknown model {name!r}; available: tiny, mixed, lines"
        assert alone.get("/tokenizer_info").status == 200


REFUSED: list[tuple[str, dict[str, Any], str]] = [  # which only a client can ask for; others are in tests/refusals.py
    ("/v1/next", {"prompt": [999]}, "unknown token 999"),
    ("/v1/next", {"prompt": "a" * 200_001}, "a prompt may have at most 200,000 tokens, not 200,001"),
    ("/v1/score", {"text": ""}, "text is empty"),
    ("/v1/score", {"model": "lines", "text": "\n\n"}, "has only empty lines"),
    ("/v1/score", {"text": "\n" * 100_001, "lines": True}, "at most 100,000 lines"),
    ("/v1/surprises", {"text": "a" * 50_001}, "at most 50,000 characters"),
    ("/v1/gates", {"text": "a" * 1_000_000}, "tokens, not 1,000,000: send a part"),
    ("/v1/gates", {"text": "a", "units": ["u2"]}, "write it as l0.u42"),
    ("/v1/completions", {"frequency_penalty": 1}, "frequency_penalty is not supported here"),
    ("/v1/completions", {"n": 128, "max_tokens": int("9" * 4299)}, "one request may ask for at most 16,384 tokens"),
    ("/v1/completions", {"n": 2, "best_of": 1}, "best_of must be at least n"),
    ("/v1/completions", {"best_of": 2, "stream": True}, "best_of must be at least n, and equal to n in a stream"),
    ("/v1/completions", {"n": 100, "prompt": ["a", "b"]}, "one request may ask for at most 128 texts, not 200"),
    ("/v1/completions", {"echo": True, "logprobs": 1, "n": 128, "prompt": "a" * 1000}, "echo at most 100,000 tokens"),
    ("/v1/completions", {"seed": -1}, "seed must be from 0 to 2^64 - 1, not -1"),
    ("/v1/completions", {"prompt": []}, "prompt is an empty list"),
    ("/v1/completions", {"prompt": ["a", 1]}, "prompt must be a text"),
    ("/v1/completions", {"prompt": [-1]}, "unknown token -1"),
    ("/v1/completions", {"logit_bias": {"a": 1}}, "logit_bias must name tokens of this model by their ids, not 'a'"),
    ("/v1/completions", {"logit_bias": {"0" * 20 + "99999": 1}}, "logit_bias must name tokens"),
    ("/v1/completions", {"logit_bias": {"99999": 1}}, "logit_bias must name tokens"),
    ("/v1/completions", {"stream_options": {}}, "stream_options needs a stream"),
    *cases("SERVED_REFUSALS"),
]


def test_what_makes_no_sense_is_refused(server: Serving) -> None:
    for path, body, says in REFUSED:
        assert says in refusal(server, path, {"model": "tiny", **body})
    large = b'{"model":"tiny","max_tokens":1e999}'
    assert "max_tokens must be a whole number or null, not" in refusal(server, "/v1/completions", large)
    deep = b'{"model":"tiny","prompt":' + b"[" * 900 + b"]" * 900 + b"}"
    assert "prompt[0][0] must be a whole number" in refusal(server, "/v1/completions", deep)
    assert server.is_idle()


def test_line_ends_and_a_mark_are_read_as_in_a_file(server: Serving) -> None:
    plain = server.answer("/v1/score", model="tiny", text="ab\ncd\n", lines=True)
    assert server.answer("/v1/score", model="tiny", text="\ufeffab\r\ncd\r", lines=True) == plain


def test_labels_are_told_of_a_model_that_knows_them(models: Path, tmp_path: Path) -> None:
    saved = load_model(models / "lines")
    saved.about["labels"] = {"a": 2, "b": 2}
    save_model(tmp_path / "labelled", saved, "")
    with serving(tmp_path / "labelled") as server:
        found = server.answer("/v1/score", model="labelled", text="abcd\na\tcd", lines=True)["lines"]
    for line, one in zip(found, load(tmp_path / "labelled").classify(["abcd", "a\tcd"]), strict=True):
        assert (line["text"], line["label"], line["given_label"]) == (one.text, one.label, one.given_label)
        figures = [line["label_probability"], line["bits"]]
        assert figures == pytest.approx([one.label_probability, one.bits])
