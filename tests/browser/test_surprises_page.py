"""The page of surprises in a real browser: shades, what was expected under the pointer and by the keyboard, themes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.chromium import Tab
from tests.browser.test_pages import SURPRISING, files, open_file

__all__ = ["files"]

AFTER = "getComputedStyle(document.querySelector({!r}), '::after').content"


@pytest.fixture
def opened(tab: Tab, files: Path) -> Tab:
    return open_file(tab, files / "surprises.html")


def test_the_page_shows_all_of_the_text_as_text_and_runs_no_script(opened: Tab) -> None:
    shown = SURPRISING.replace("\n", "↵").replace("\t", "→\t").replace("\u202e", "<202E>")
    assert opened.run("[...document.querySelectorAll('li b')].map(b => b.textContent).join('')") == shown
    assert opened.text("h2") == "<i>text"
    assert opened.run("document.scripts.length") == 0


def test_the_more_bits_the_stronger_the_shade(opened: Tab) -> None:
    strength = "getComputedStyle(document.querySelectorAll('li b')[{}]).backgroundColor"
    shades = [opened.run(strength.format(at)) for at in range(41)]
    assert shades[0] == shades[1] == "rgba(0, 0, 0, 0)"
    assert len(set(shades)) == 13
    assert len(set(shades[32:])) == 1  # 8 bits and more


def test_what_was_expected_stands_by_the_character_under_the_pointer(opened: Tab) -> None:
    place = "li:nth-child(2) b:nth-child(7)"
    assert opened.run(AFTER.format(place)) == "none"
    opened.hover(place)
    assert opened.run(AFTER.format(place)) == r'"5.8 bits; expected\a <b> 50%\a ↵ 30%"'


def test_a_link_of_the_table_leads_to_its_character_by_the_keyboard(opened: Tab) -> None:
    opened.mouse("mouseMoved", (1, 1))
    opened.run("document.querySelector('tr:last-child a').focus()")
    opened.press("Enter")
    opened.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert "10.0 bits" in opened.run(AFTER.format("b:target"))
    box = opened.run("document.querySelector('b:target').getBoundingClientRect().toJSON()")
    assert 0 < box["top"] < opened.run("innerHeight")
