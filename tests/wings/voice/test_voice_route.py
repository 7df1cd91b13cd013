"""Laws of /v1/voice and of the page that asks for it: the parts are those of `afterword.voice`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import afterword
from afterword.operations.train import train
from tests.browser.chromium import Tab
from tests.browser.test_serve_page import open_page, score
from tests.serving.server import Serving, serving
from tests.tiny import save_tiny

OWN = "".join(f"We went to the {k}th hill. The wind was cold.\n\n" for k in range(120))
DRAFT = "We went to the old hill. You may buy pens!\n\nThe wind 🌬 was cold."


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, a model without a run, and a draft."""
    place = tmp_path_factory.mktemp("voice")
    (place / "own.txt").write_text(OWN)
    (place / "draft.txt").write_text(DRAFT)
    train(place / "own.txt", out=place / "own", base="none", steps=2, threads=1, hidden_size=8)
    save_tiny(place / "tiny")
    return place


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Serving]:
    with serving(place / "own", place / "tiny") as found:
        yield found


def test_the_parts_are_those_of_python(server: Serving, place: Path) -> None:
    expected = [one.to_dict() for one in afterword.voice(place / "own", place / "draft.txt")]
    for _ in range(2):  # the second time, the writer's own text is not read again
        found = server.answer("/v1/voice", model="own", text=DRAFT)
        assert found.keys() == {"model", "parts"}
        assert [one["says"] for one in found["parts"]] == [one["says"] for one in expected]
        assert [one["gain"] for one in found["parts"]] == pytest.approx([one["gain"] for one in expected])


def test_wrong_bodies_get_their_line(server: Serving) -> None:
    for body, message in (
        ({"model": "tiny", "text": DRAFT}, "give the folder of its run"),
        ({"model": "own", "text": " \n "}, "text is empty"),
        ({"model": "own", "text": "\ud800"}, "lone surrogate"),
        ({"model": "own", "text": "a" * 20_001}, "text may have at most 20,000 characters"),
        ({"model": "own", "text": DRAFT, "own": "/etc/passwd"}, "own"),
    ):
        response = server.post("/v1/voice", body)
        assert response.status == 400
        assert message in response.error


def test_each_sentence_has_its_place_and_its_words_are_shaded(tab: Tab, server: Serving) -> None:
    page = open_page(tab, server.url)
    score(page, DRAFT)
    page.until("!!document.getElementById('figures')")
    page.click("#score-voice")
    page.until("!!document.getElementById('voice')")
    whole, *parts = server.answer("/v1/voice", model="own", text=DRAFT)["parts"]
    sentences = [one for one in parts if one["part"] == "sentence"]
    for kind, key in (("dt", "says"), ("dd", "text")):
        shown = page.run(f"[...document.querySelectorAll('#voice {kind}')].map(e => e.textContent)")
        assert shown == [one[key] for one in sentences]
    assert whole["says"] in page.text("#voice")
    for marked in ("u", "b[class^=p], #voice dd b[class^=n]"):
        assert page.run(f"document.querySelectorAll('#voice dd {marked}').length") > 0
    with page.phone(390):
        assert page.widths == [390, 390]
    assert page.complaints == []
