"""The lesson's page and its networks: what the page says is found again, and its exercises hold where they are done."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import afterword
from afterword.language_model import load
from afterword.wings.lesson.lesson import networks
from benchmarks.shipped import SHIPPED, said
from tests.browser.chromium import Tab
from tests.wings.lesson.test_step_page import choose_unit, move_slider, open_page

NUMBER = re.compile(r"−?\d+\.\d+|\d+%")


@pytest.mark.parametrize("name", SHIPPED)
def test_what_the_page_says_of_a_network_is_found_again(name: str) -> None:
    """`python -m benchmarks.shipped --kept` writes it anew; another processor rounds otherwise."""
    there, here = (json.dumps(one, ensure_ascii=False) for one in (networks()[name], said(name)))
    assert NUMBER.sub("…", there) == NUMBER.sub("…", here)
    one, two = (
        [float(figure.rstrip("%").replace("−", "-")) for figure in NUMBER.findall(text)] for text in (there, here)
    )
    np.testing.assert_allclose(one, two, atol=0.05, rtol=0.05)


def test_a_gate_that_is_held_open_on_the_page_names_whom_the_answer_says(tab: Tab, tmp_path: Path) -> None:
    one = networks()["divya"]
    page = open_page(tab, afterword.step_page(load("lesson:divya"), one["text"]), tmp_path)
    unit, at = one["at"].split(":")
    choose_unit(page, unit)
    page.run(f"move({at})")
    assert page.run("text(ids[S.at])") == "R"
    page.run("move(T - 1)")
    before = page.run("document.querySelector('#expected code').textContent")
    page.run(f"move({at})")
    page.click("#holds")
    move_slider(page, "forget", 1)
    page.run("move(T - 1)")
    after = page.run("document.querySelector('#expected code').textContent")
    answer = one["exercises"][1][1]
    assert re.findall(r": (\w),", answer) == [before, after]
    assert before != after
    page.run(f"move({at})")
    page.click("#release")
    move_slider(page, "forget", 1)
    page.run("move(T - 1)")
    assert page.run("document.querySelector('#expected code').textContent") == one["exercises"][2][1][0]


def test_the_page_opens_each_network_where_its_exercises_begin(tmp_path: Path, tab: Tab) -> None:
    afterword.lesson(html=tmp_path / "lesson.html")
    tab.complaints.clear()
    tab.call("Page.navigate", url=(tmp_path / "lesson.html").as_uri())
    tab.until("document.readyState === 'complete'")
    assert tab.run("document.querySelectorAll('details[name]').length") == len(SHIPPED)
    tab.run("document.querySelectorAll('summary').forEach(one => one.click())")
    assert tab.run("document.querySelectorAll('iframe').length") == 2 * len(SHIPPED)
    assert tab.run("document.documentElement.scrollWidth <= innerWidth")
    tab.until("![...document.querySelectorAll('details[open] > iframe')].some(one => one.style.height === '580px')")
    assert tab.complaints == []
