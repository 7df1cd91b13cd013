"""Laws of /v1/gates, and of the frame that shows its page."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from urllib.parse import urljoin

import numpy as np
import pytest

from afterword.inspection.gates_page import gates_html
from afterword.language_model import load
from tests.serving.server import Serving


def test_the_figures_are_those_of_inspect(server: Serving, models: Path) -> None:
    found = server.post("/v1/gates", {"model": "mixed", "text": "abé\ncd"}).json
    expected = load(models / "mixed").gates("abé\ncd").to_dict()
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
