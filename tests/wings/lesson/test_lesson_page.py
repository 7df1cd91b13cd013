"""What the lesson adds to the tab of the gates, in a real browser: the page of one step."""

from __future__ import annotations

from tests.browser.chromium import Tab
from tests.browser.test_serve_page import INSIDE, model, models, page, server, show_gates

VIEWS = "[...document.querySelectorAll('[aria-label=Page] button')].map(e => [e.innerText, e.ariaPressed])"
__all__ = ["model", "models", "page", "server"]


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
