"""The page of surprises in a real browser: shades, what was expected under the pointer and by the keyboard, themes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from afterword.scoring.surprises import Surprise
from afterword.scoring.surprises_page import Drawn, surprises_html
from tests.browser.chromium import Tab

TEXT = "Friends, Romans,\n</b><script>alert(1)</script>&amp;\n\tcountrymen \u05d0\u202e\n" * 12
CONTRAST = """(() => {
  const canvas = document.createElement("canvas").getContext("2d");
  const over = (...colours) => { for (const c of colours) { canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3); };
  const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const panel = getComputedStyle(document.querySelector("section")).backgroundColor;
  return Math.min(...[...document.querySelectorAll("li b, mark, td, th, .soft")].map(e => {
    const style = getComputedStyle(e), a = light(over(style.color)), b = light(over(panel, style.backgroundColor));
    return (Math.max(a, b) + .05) / (Math.min(a, b) + .05); }));
})()"""
AFTER = "getComputedStyle(document.querySelector({!r}), '::after').content"


def surprises() -> Iterator[Surprise]:
    line, begun = 1, 0
    for at, text in enumerate(TEXT):
        yield Surprise(text, at, line, at - begun + 1, at % 41 / 4, (("<b>", 0.5), ("\n", 0.3), (" ", 0.004)))
        if text == "\n":
            line, begun = line + 1, at + 1


@pytest.fixture(params=["light", "dark"])
def opened(request: pytest.FixtureRequest, tab: Tab, tmp_path: Path) -> Iterator[Tab]:
    text = Drawn("<i>text")
    list(text.watch(surprises(), 10**6))
    path = tmp_path / "surprises.html"
    path.write_text(surprises_html([text], "a model").replace("<html", "<html data-ready=1"), encoding="utf-8")
    tab.complaints.clear()
    tab.requests.clear()
    tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": request.param}])
    tab.open(f"file://{path}")
    tab.run("new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', () => done()))")
    yield tab
    tab.call("Emulation.setEmulatedMedia", features=[])


def test_the_page_shows_all_of_the_text_and_asks_and_complains_of_nothing(opened: Tab) -> None:
    shown = TEXT.replace("\n", "↵").replace("\t", "→\t").replace("\u202e", "<202E>")
    assert opened.run("[...document.querySelectorAll('li b')].map(b => b.textContent).join('')") == shown
    assert opened.text("h2") == "<i>text"
    assert opened.run("document.scripts.length") == 0
    assert len(opened.requests) == 1
    assert opened.complaints == []


def test_the_more_bits_the_stronger_the_shade_and_all_can_be_read(opened: Tab) -> None:
    strength = "getComputedStyle(document.querySelectorAll('li b')[{}]).backgroundColor"
    shades = [opened.run(strength.format(at)) for at in range(41)]
    assert shades[0] == shades[1] == "rgba(0, 0, 0, 0)"
    assert len(set(shades)) == 13
    assert len(set(shades[32:])) == 1  # 8 bits and more
    assert opened.run(CONTRAST) >= 4.5


def test_what_was_expected_stands_by_the_character_under_the_pointer(opened: Tab) -> None:
    place = "li:nth-child(2) b:nth-child(7)"
    assert opened.run(AFTER.format(place)) == "none"
    opened.hover(place)
    assert opened.run(AFTER.format(place)) == r'"5.8 bits; expected\a <b> 50%\a ↵ 30%"'


def test_a_link_of_the_table_leads_to_its_character_by_the_keyboard(opened: Tab) -> None:
    opened.mouse("mouseMoved", (1, 1))
    opened.run("document.querySelector('tr:last-child a').focus()")
    for kind in ("keyDown", "keyUp"):
        opened.call("Input.dispatchKeyEvent", type=kind, key="Enter", windowsVirtualKeyCode=13, text="\r")
    opened.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert "10.0 bits" in opened.run(AFTER.format("b:target"))
    box = opened.run("document.querySelector('b:target').getBoundingClientRect().toJSON()")
    assert 0 < box["top"] < opened.run("innerHeight")


@pytest.mark.parametrize("width", [320, 390])
def test_a_narrow_screen_needs_no_sideways_scrolling(opened: Tab, width: int) -> None:
    assert opened.widths_on_a_phone(width) == [width, width]
