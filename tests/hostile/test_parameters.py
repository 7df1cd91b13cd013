"""Extreme parameters: every field of every request, with every kind of value; never a 5xx."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterword.cli.main import main
from tests.serving.conftest import models, server
from tests.serving.server import Serving

__all__ = ["models", "server"]

SOUND: dict[str, dict[str, Any]] = {
    "/v1/completions": {"model": "mixed", "prompt": "ab", "max_tokens": 3},
    "/v1/score": {"model": "mixed", "text": "ab\ncd"},
    "/v1/surprises": {"model": "mixed", "text": "ab\ncd"},
    "/v1/odd": {"model": "mixed", "text": "ab\ncd"},
    "/v1/next": {"model": "mixed", "prompt": "ab"},
    "/tokenize": {"model": "mixed", "prompt": "ab"},
    "/detokenize": {"model": "mixed", "tokens": [1, 2]},
}
EXTREME: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**400, 1e308, -1e308, 5e-324, 0.5, -0.0),
    *("", "\0", "\ud800", "\U0010ffff", "a" * 5000, "é" * 999, "(a+)+$", "[", "../../etc/passwd", "0", "null", "-"),
    *([], [None], [[]], [0], [-1], [2**63], ["a"] * 999, [""], ["\ud800"], {}, {"a": {}}, {"0": 1e308}, {"1": -100}),
]


@functools.cache
def fields(port: int, path: str) -> tuple[str, ...]:
    """The names of the fields that the API's own document lists for a route."""
    api = Serving(None, port).get("/openapi.json").json  # type: ignore[arg-type]
    schema = api["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    name = schema["$ref"].rpartition("/")[2]
    return tuple(api["components"]["schemas"][name]["properties"])


@settings(max_examples=120)
@given(st.sampled_from(sorted(SOUND)), st.data())
def test_no_value_of_any_field_is_more_than_a_refusal(server: Serving, path: str, data: st.DataObject) -> None:
    names = fields(server.port, path)
    changed = data.draw(st.dictionaries(st.sampled_from(names), st.sampled_from(EXTREME), min_size=1, max_size=3))
    found = server.post(path, SOUND[path] | changed)
    assert found.status < 500, (changed, found.body)
    assert found.status < 400 or found.error


NUMBERS = ["nan", "inf", "-inf", "1e400", "-1", "0", "99999999999999999999", "0x9", "", " ", "1_0", "٣", "½", "\ud800"]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    "options",
    [
        ["generate", "--top-k"],
        ["generate", "--temperature"],
        ["generate", "--top-p"],
        ["generate", "--no-copy"],
        ["train", "--steps"],
        ["train", "--dropout"],
        ["score", "--top"],
    ],
    ids=lambda options: " ".join(options),
)
def test_an_extreme_number_on_the_command_line_is_one_line(
    capsys: pytest.CaptureFixture[str], model: Any, options: list[str], number: str
) -> None:
    command, option = options
    rest = {"generate": [str(model), "--max-tokens", "2"], "train": ["gone.txt"], "score": [str(model), "gone.txt"]}
    with pytest.raises(SystemExit) as left:
        main([command, *rest[command], option, number])
    said = capsys.readouterr().err
    assert left.value.code in (0, 2), said
    assert "Traceback" not in said
    assert left.value.code == 0 or said.splitlines()[-1].startswith("error: ")
