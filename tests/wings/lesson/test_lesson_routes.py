"""Laws of /v1/step and /v1/inspect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import afterword
from afterword.language_model import load
from afterword.wings.lesson.finding import Finding
from tests.serving.server import Serving


def test_the_page_of_one_step_is_that_of_inspect(server: Serving, models: Path) -> None:
    model = load(models / "tiny")
    about = f"tiny: {model.config.network}, {model.parameters:,} parameters"
    found = server.post("/v1/step", {"model": "tiny", "text": "abcd"}).json
    assert found == {"model": "tiny", "html": afterword.step_page(model, "abcd", about)}
    refused = server.post("/v1/step", {"model": "tiny", "text": "abcd", "hold": ["forget=1"]})
    assert (refused.status, refused.json["error"]["message"][:14]) == (400, "a held model h")


def test_a_measurement_is_what_the_command_prints(server: Serving, models: Path) -> None:
    model, text = load(models / "mixed").hold("l0.u1=0"), "abé\ncd" * 20
    horizon: dict[str, Any] = {"steps": 200, "places": 32}
    expected: list[tuple[str, dict[str, Any], Finding]] = [
        ("units", {"matching": "b"}, afterword.units(model, text).matching("b")),
        ("units", {"matching": "a", "within": "[ac]"}, afterword.units(model, text).matching("a", within="[ac]")),
        ("ablate", {}, afterword.ablate(model, text)),
        ("horizon", {}, afterword.horizon(model, text, **horizon, gradient=False)),
        ("horizon", {"at": "[ac]"}, afterword.horizon(model, text, **horizon, at="[ac]")),
        (
            "keeps",
            {"word": "abé", "after": "\n", "instead": ["béa"]},
            afterword.keeps(model, text, "abé", after="\n", instead="béa"),
        ),
        (
            "keeps",
            {"word": "abé", "instead": ["béa", "éab"]},
            afterword.keeps(model, text, "abé", instead=["béa", "éab"]),
        ),
    ]
    for name, expressions, finding in expected:
        asked: dict[str, Any] = {"model": "mixed", "text": text, "inspection": name, "hold": ["l0.u1=0"]}
        found = server.post("/v1/inspect", asked | expressions).json
        rows = [list(row) for row in finding.rows()]
        table = {"caption": finding.caption, "head": list(finding.head), "rows": rows, "foot": finding.foot}
        assert found == {"model": "mixed", **table}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"inspection": "units"}, 'needs "matching"'),
        ({"inspection": "keeps"}, 'needs "word"'),
        ({"inspection": "horizon", "word": "ab"}, "belongs to"),
        ({"inspection": "ablate", "matching": "b"}, "belongs to"),
        ({"inspection": "horizon", "within": "b"}, "belongs to"),
        ({"inspection": "units", "matching": "b", "at": "b"}, "belongs to"),
        ({"inspection": "horizon", "at": "((a{99}){99}){99}"}, "too large"),
        ({"inspection": "units", "matching": "("}, "is not a regular expression"),
        ({"inspection": "units", "matching": "☃"}, "matches nothing"),
        ({"inspection": "units", "matching": "((a{99}){99}){99}"}, "matching '((a{99}){99}){99}' is too large"),
        ({"inspection": "units", "matching": "a(?R)?b"}, "calls a group"),
        ({"inspection": "heat"}, "inspection"),
    ],
)
def test_a_measurement_without_sense_is_refused(server: Serving, wrong: dict[str, str], says: str) -> None:
    answer = server.post("/v1/inspect", {"model": "tiny", "text": "abcd" * 20, **wrong})
    assert answer.status == 400
    assert says in answer.json["error"]["message"]
