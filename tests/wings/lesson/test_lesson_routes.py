"""Laws of /v1/step."""

from __future__ import annotations

from pathlib import Path

import afterword
from afterword.language_model import load
from tests.serving.server import Serving


def test_the_page_of_one_step_is_that_of_inspect(server: Serving, models: Path) -> None:
    model = load(models / "tiny")
    about = f"tiny: {model.config.network}, {model.parameters:,} parameters"
    found = server.post("/v1/step", {"model": "tiny", "text": "abcd"}).json
    assert found == {"model": "tiny", "html": afterword.step_page(model, "abcd", about)}
    refused = server.post("/v1/step", {"model": "tiny", "text": "abcd", "hold": ["forget=1"]})
    assert (refused.status, refused.json["error"]["message"][:14]) == (400, "a held model h")
