"""Laws of /v1/gates, and of the frame that shows its page."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import numpy as np
import pytest

from afterword.inspection.gates_page import gates_html
from afterword.language_model import load
from tests.serving.server import Serving


@pytest.mark.parametrize("name", ["tiny", "mixed"])
def test_the_figures_are_those_of_inspect(server: Serving, models: Path, name: str) -> None:
    found = server.post("/v1/gates", {"model": name, "text": "abé\ncd"}).json
    expected = load(models / name).gates("abé\ncd").to_dict()
    for key in ("text", "tokens", "bits", "means"):
        assert found[key] == expected[key]
    assert [len(layer["memory"]) for layer in found["layers"]] == [6, 6]
    forget = np.array(expected["forget"][0])
    assert found["layers"][0]["gates"]["forget"]["mean"] == pytest.approx(forget.mean(), abs=1e-6)


def test_the_page_is_that_of_inspect(server: Serving, models: Path) -> None:
    model = load(models / "tiny").hold("l0.u1=0")
    found = server.post("/v1/gates", {"model": "tiny", "text": "abcd", "format": "html", "hold": ["l0.u1=0"]}).json
    about = f"tiny: {model.config.network}, {model.parameters:,} parameters; held: l0.u1=0"
    assert found == {"model": "tiny", "html": gates_html(model.gates("abcd"), about)}


def test_the_frame_lets_the_script_of_that_page_run_and_no_other(server: Serving) -> None:
    frame = server.get("/inside")
    policy = frame.headers["content-security-policy"]
    html = server.post("/v1/gates", {"model": "tiny", "text": "abcd", "format": "html"}).json["html"]
    running = re.findall(r"<script>(.*?)</script>", html, re.S)  # the others are data
    digests = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in running]
    assert re.findall(r"'sha256-([^']+)'", policy) == digests
    assert "script-src 'self' 'sha256-" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    assert "frame-ancestors 'self'" in policy
    scripts = re.findall(r'<script[^>]* src="([^"]+)"', frame.body.decode())
    assert [server.get(urljoin("/inside", one)).status for one in scripts] == [200] * len(scripts)
    assert scripts
    assert not re.search(r"<script[^>]*>[^<]", frame.body.decode())


def test_what_is_kept_of_a_word_is_what_inspect_prints(server: Serving, models: Path) -> None:
    asked = {"text": "ab\ncd.", "word": "ab", "after": "\n", "instead": ["ba"], "hold": ["forget=0.5"]}
    expected = load(models / "mixed").hold("forget=0.5").keeps("ab\ncd.", "ab", after="\n", instead=["ba"]).to_dict()
    assert server.post("/v1/keeps", {"model": "mixed", **asked}).json == {"model": "mixed", **expected}


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"text": "ab\ncd"}, 400, "word is missing"),
        ({"text": "ab\ncd", "word": "cb"}, 400, "the text has no word 'cb': name one of its words"),
        ({"text": "ab\ncd", "word": "cd"}, 400, "the text ends with 'cd'"),
        ({"text": "ab\ncd", "word": "ab", "after": "."}, 400, "the text has no '.' after 'ab'"),
        ({"text": "ab\ncd", "word": "ab", "instead": ["a"] * 6}, 400, "instead"),
        ({"text": "ab\n" * 7_000, "word": "ab", "instead": ["ba"]}, 400, "tokens"),
        ({"text": "ab\n" * 100_000, "word": "ab"}, 400, "tokens"),
    ],
)
def test_a_word_that_cannot_be_followed_is_refused(server: Serving, body: Any, status: int, says: str) -> None:
    found = server.post("/v1/keeps", {"model": "tiny", **body})
    assert found.status == status
    assert says in found.error


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"model": "tiny"}, 400, "text is missing"),
        ({"model": "tiny", "text": ""}, 400, "the text to look at is empty"),
        ({"model": "lines", "text": "a\nb"}, 400, "give it one line"),
        ({"model": "tiny", "text": "a" * 20_001}, 400, "20,001 tokens"),
        ({"model": "tiny", "text": "a" * 1_000_000}, 400, "tokens, not 1,000,000: send a part"),
        ({"model": "tiny", "text": "a", "format": "png"}, 400, "format"),
        ({"model": "tiny", "text": "a", "hold": ["l0.u9=1"]}, 400, "unit"),
        ({"model": "mixed", "text": "a", "with": "ngram"}, 400, "an n-gram has no gates"),
        ({"model": "none", "text": "a"}, 404, "unknown model 'none'"),
    ],
)
def test_what_makes_no_sense_is_refused(server: Serving, body: Any, status: int, says: str) -> None:
    found = server.post("/v1/gates", body)
    assert found.status == status
    assert says in found.error
