"""What the lesson adds to the tab of the gates, in a real browser: measurements, and the page of one step."""

from __future__ import annotations

import afterword
from afterword.language_model import LanguageModel
from tests.browser.chromium import Tab
from tests.browser.test_serve_page import INSIDE, model, models, page, serve_address, server, show_gates, type_over

VIEWS = "[...document.querySelectorAll('[aria-label=Page] button')].map(e => [e.innerText, e.ariaPressed])"
__all__ = ["model", "models", "page", "serve_address", "server"]


def test_units_gates_and_horizon_are_measured_in_the_gates_tab(page: Tab, model: LanguageModel) -> None:
    text = "Divya likes to eat. Reena is not fat. " * 4
    page.type(text)
    show_gates(page)
    type_over(page, "matching", "Reena")
    page.press("Enter")
    page.until("!!document.getElementById('measured')")
    rows = "[...document.querySelectorAll('#measured tbody tr')].map(e => [...e.cells].map(c => c.innerText))"
    found = afterword.units(model, text).matching("Reena")
    assert page.run(rows) == [list(row) for row in found.rows()]
    page.click("#measured tbody button")  # which colours the text by the sign of the unit's cell state
    best = found.units[0].name
    page.until(f"{INSIDE}.getElementById('unit')?.value === '{best}'")
    assert page.run(f"{INSIDE}.querySelector('#part [aria-pressed=true]').innerText") == "cell"
    assert page.run(f"{INSIDE}.querySelector('#paint [aria-pressed=true]').innerText") == f"unit {best}"
    page.click("#ablate")
    page.until("/held at its mean/.test(document.getElementById('measured')?.innerText)")
    assert page.run(rows) == [list(row) for row in afterword.ablate(model, text).rows()]
    page.click("#horizon")
    page.until("/two blocks/.test(document.getElementById('measured')?.innerText)")
    assert page.run(rows) == [
        list(row) for row in afterword.horizon(model, text, steps=200, places=32, gradient=False).rows()
    ]
    type_over(page, "matching", "(")
    page.press("Enter")
    page.until("/not a regular expression/.test(document.body.innerText)")
    assert page.complaints == ["Failed to load resource: the server responded with a status of 400 (Bad Request)"]


def test_the_page_of_one_step_is_a_view_of_the_end_of_the_text(page: Tab) -> None:
    text = "Divya likes to eat. Reena is not fat. " * 14
    page.type(text)
    show_gates(page)
    assert page.run(VIEWS) == [["all units", "true"], ["one step", "false"]]
    page.run("[...document.querySelectorAll('[aria-label=Page] button')].at(-1).click()")
    page.until(f"!!{INSIDE}?.querySelector('[data-gate=forget] input')")
    assert page.run(VIEWS) == [["all units", "false"], ["one step", "true"]]
    assert page.until(f"{INSIDE}.querySelectorAll('#text b').length") == 500
    assert page.complaints == []
