"""The page inside another one, as in a notebook, and on a narrow screen: it fits whatever room it gets, and when."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from afterword.inspection.gates_page import framed, gates_html
from tests.browser.chromium import Tab
from tests.inspection.test_gates import TEXT, made
from tests.processes import until

# The frame is sandboxed, so nobody sees inside: the page itself answers how large its parts are.
ANSWERS = """<script>addEventListener("message", event => requestAnimationFrame(() => event.source.postMessage({
  room: document.getElementById("frame").clientWidth, ready: "ready" in document.documentElement.dataset,
  map: map.getBoundingClientRect().toJSON(), column: S.width, characters: T, units: sorted.length,
  wide: document.documentElement.scrollWidth > document.documentElement.clientWidth }, "*")))</script></body>"""
FRAME = framed(gates_html(made(hidden_size=20).gates(TEXT * 3)).replace("</body>", ANSWERS))
ASK = """new Promise(done => {
  setTimeout(done, 300);  // where it is not listening yet
  addEventListener("message", event => done(event.data), { once: true });
  // in a frame that the outer page draws, because only then does the browser see that the inner one is shown
  requestAnimationFrame(() => document.querySelector("iframe").contentWindow.postMessage("how large?", "*"));
})"""


def opened(tab: Tab, content: str, folder: Path) -> Tab:
    path = folder / "outer.html"
    path.write_text(f"<!doctype html><html data-ready=1><body>{content}", encoding="utf-8")
    tab.complaints.clear()
    tab.open(f"file://{path}")
    return tab


def wait_until_filled(tab: Tab, least: int = 1, most: int = 10_000) -> None:
    """Wait until the map is as wide as its columns, of a width that fits its room, and as high as its rows."""
    tab.until("document.readyState === 'complete' && !!document.querySelector('iframe')")

    def is_filled() -> bool:
        found = tab.run(ASK)
        if not found or not found["ready"] or not least <= found["room"] <= most:
            return False
        column = max(4, min(20, found["room"] // found["characters"]))
        wide = min(found["room"], found["characters"] * column)
        box = found["map"]
        return bool(found["column"] == column and box["width"] == wide > 0 and box["height"] >= 280)

    until(is_filled)


@pytest.mark.parametrize("how", ["in the page", "by a script"])
def test_the_map_fills_the_frame_however_often_it_is_loaded(tab: Tab, tmp_path: Path, how: str) -> None:
    inside = FRAME
    if how == "by a script":  # as a notebook does
        text = json.dumps(inside).replace("</", "<\\/")
        inside = f"<div id=cell></div><script>setTimeout(() => {{ cell.innerHTML = {text} }}, 20)</script>"
    for _ in range(3):
        wait_until_filled(opened(tab, inside, tmp_path))
    assert tab.run("document.querySelector('iframe').offsetHeight") == 760
    assert tab.complaints == []


def test_a_frame_that_is_shown_or_resized_later_is_filled_then(tab: Tab, tmp_path: Path) -> None:
    opened(tab, f"<div id=cell style='display: none'>{FRAME}</div>", tmp_path)
    tab.run("new Promise(done => setTimeout(done, 300))")  # nothing to wait for: it is drawn only once it is shown
    tab.run("cell.style.display = 'block'")
    wait_until_filled(tab)
    for width in (600, 900):
        tab.run(f"document.querySelector('iframe').style.width = '{width}px'")
        wait_until_filled(tab, width - 100, width)
    assert tab.complaints == []
