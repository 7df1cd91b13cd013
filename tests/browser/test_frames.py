"""The page inside another one, as in a notebook, and on a narrow screen: it fits whatever room it gets, and when."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from afterword.inspection.gates_page import framed, gates_html
from tests.browser.chromium import Tab
from tests.inspection.test_gates import TEXT, made
from tests.processes import until

TRACE = made(hidden_size=20).gates(TEXT * 3)
# The frame is sandboxed, so nobody sees inside: the page itself answers how large its parts are.
ANSWERS = """<script>addEventListener("message", event => requestAnimationFrame(() => event.source.postMessage({
  room: document.getElementById("frame").clientWidth, ready: "ready" in document.documentElement.dataset,
  map: map.getBoundingClientRect().toJSON(), means: means.width, column: S.width, characters: T, units: sorted.length,
  wide: document.documentElement.scrollWidth > document.documentElement.clientWidth }, "*")))</script></body>"""
ASK = """new Promise(done => {
  setTimeout(done, 300);  // where it is not listening yet
  addEventListener("message", event => done(event.data), { once: true });
  // in a frame that the outer page draws, because only then does the browser see that the inner one is shown
  requestAnimationFrame(() => document.querySelector("iframe").contentWindow.postMessage("how large?", "*"));
})"""


def frame(content: str) -> str:
    return framed(content.replace("</body>", ANSWERS))


def opened(tab: Tab, content: str, folder: Path) -> Tab:
    path = folder / "outer.html"
    path.write_text(f"<!doctype html><html data-ready=1><body>{content}", encoding="utf-8")
    tab.complaints.clear()
    tab.open(f"file://{path}")
    return tab


def settled(tab: Tab, least: int = 1, most: int = 10_000) -> dict[str, Any]:
    """What the page says of itself as soon as its map fills a room of such a width, or else after `PATIENCE`."""
    tab.run("new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', () => done()))")
    found: dict[str, Any] = {}

    def has_settled() -> bool:
        nonlocal found
        found = tab.run(ASK) or found
        return bool(found) and fills(found) and least <= found["room"] <= most

    with contextlib.suppress(TimeoutError):
        until(has_settled)
    return found


def fills(found: dict[str, Any]) -> bool:
    """Whether the heat map is as wide as its columns, of a width that fits the room, and as high as its rows."""
    column = max(4, min(20, found["room"] // found["characters"]))
    wide = min(found["room"], found["characters"] * column)
    return bool(
        found["ready"]
        and found["column"] == column
        and found["map"]["width"] == wide > 0
        and found["map"]["height"] >= 280
    )


@pytest.mark.parametrize("how", ["in the page", "by a script"])
def test_the_map_fills_the_frame_however_often_it_is_loaded(tab: Tab, tmp_path: Path, how: str) -> None:
    inside = frame(gates_html(TRACE))
    if how == "by a script":  # as a notebook does
        text = json.dumps(inside).replace("</", "<\\/")
        inside = f"<div id=cell></div><script>setTimeout(() => {{ cell.innerHTML = {text} }}, 20)</script>"
    for _ in range(3):
        opened(tab, inside, tmp_path)
        tab.run(
            "new Promise(done => { const look = () => document.querySelector('iframe') ? done() "
            ": setTimeout(look, 10); look(); })"
        )
        found = settled(tab)
        assert fills(found), found
    assert tab.run("document.querySelector('iframe').offsetHeight") == 760
    assert tab.complaints == []


def test_a_frame_that_is_shown_or_resized_later_is_filled_then(tab: Tab, tmp_path: Path) -> None:
    opened(tab, f"<div id=cell style='display: none'>{frame(gates_html(TRACE))}</div>", tmp_path)
    tab.run("new Promise(done => setTimeout(done, 300))")  # nothing to wait for: it is drawn only once it is shown
    tab.run("cell.style.display = 'block'")
    found = settled(tab)
    assert fills(found), found
    for width in (600, 900):
        tab.run(f"document.querySelector('iframe').style.width = '{width}px'")
        found = settled(tab, width - 100, width)
        assert fills(found), found
        assert width - 100 <= found["room"] <= width
    assert tab.complaints == []
