"""The Score tab of the page in a real browser: how much a text sounds like the writer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Tab
from tests.browser.test_serve_page import open_page, score
from tests.serving.server import Serving, serving
from tests.wings.voice import test_voice_route
from tests.wings.voice.test_voice_route import DRAFT

place = test_voice_route.place  # a folder with a run and a model without one


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Serving]:
    with serving(place / "own", place / "tiny") as found:
        yield found


def test_each_sentence_has_its_place_and_its_words_are_shaded(tab: Tab, server: Serving) -> None:
    page = open_page(tab, server.url)
    score(page, DRAFT)
    page.until("!!document.getElementById('figures')")
    page.click("#score-voice")
    page.until("!!document.getElementById('voice')")
    whole, *parts = server.answer("/v1/voice", model="own", text=DRAFT)["parts"]
    sentences = [one for one in parts if one["part"] == "sentence"]
    shown = "[...document.querySelectorAll('#voice {}')].map(e => e.textContent)"
    texts = [page.run(shown.format(kind)) for kind in ("dt", "dd")]
    assert texts == [[one[key] for one in sentences] for key in ("says", "text")]
    assert whole["says"] in page.text("#voice")
    assert page.run("document.querySelectorAll('#voice dd u').length") > 0
    assert page.run("document.querySelectorAll('#voice dd b[class^=p], #voice dd b[class^=n]').length") > 0
    with page.phone(390):
        assert page.widths == [390, 390]
    assert page.complaints == []
