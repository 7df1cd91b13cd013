"""Laws of /v1/gates, and of the frame that shows its page."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from urllib.parse import urljoin

from afterword.inspection.gates_page import gates_html
from afterword.inspection.trace import named_units
from afterword.language_model import load
from tests.cases import cases
from tests.serving.server import Serving


def test_the_page_is_that_of_inspect(server: Serving, models: Path) -> None:
    model = load(models / "tiny").hold("l0.u1=0")
    found = server.answer("/v1/gates", model="tiny", text="abcd", hold=["l0.u1=0"], units=["l0.u2"])
    about = f"tiny: {model.config.network}, {model.parameters:,} parameters; held: l0.u1=0"
    page = gates_html(model.gates("abcd"), about, named_units(["l0.u2"], model.config))
    assert found == {"model": "tiny", "html": page}


def test_the_frame_lets_the_script_of_that_page_run_and_no_other(server: Serving) -> None:
    frame = server.get("/inside")
    policy = frame.headers["content-security-policy"]
    pages = [server.answer(path, model="tiny", text="abcd")["html"] for path in ("/v1/gates", *cases("FRAMED"))]
    running = re.findall(r"<script>(.*?)</script>", "".join(pages), re.S)  # others are data
    digests = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in running]
    assert re.findall(r"'sha256-([^']+)'", policy) == digests
    assert "script-src 'self' 'sha256-" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    assert "frame-ancestors 'self'" in policy
    scripts = re.findall(r'<script[^>]* src="([^"]+)"', frame.body.decode())
    assert [server.get(urljoin("/inside", one)).status for one in scripts] == [200] * len(scripts)
    assert scripts
    assert not re.search(r"<script[^>]*>[^<]", frame.body.decode())
