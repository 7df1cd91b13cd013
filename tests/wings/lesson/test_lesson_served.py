"""What the lesson adds to a server: /v1/step, and in a real browser the tab of the gates shows its page."""

from __future__ import annotations

import afterword
from afterword.language_model import LanguageModel
from tests.browser.chromium import Tab
from tests.browser.test_serve_page import INSIDE, model, models, page, server, show_gates
from tests.serving.server import Serving

VIEWS = "[...document.querySelectorAll('[aria-label=Page] button')].map(e => [e.innerText, e.ariaPressed])"
__all__ = ["model", "models", "page", "server"]


def test_the_page_of_one_step_is_that_of_inspect(server: Serving, model: LanguageModel) -> None:
    about = f"story: {model.config.network}, {model.parameters:,} parameters"
    found = server.answer("/v1/step", model="story", text="to eat")
    assert found == {"model": "story", "html": afterword.step_page(model, "to eat", about)}
    refused = server.post("/v1/step", {"model": "story", "text": "to eat", "hold": ["forget=1"]})
    assert (refused.status, refused.error[:14]) == (400, "a held model h")


def test_the_page_of_one_step_is_a_view_of_the_end_of_the_text(page: Tab) -> None:
    page.type("Divya likes to eat. Reena is not fat. " * 14)
    show_gates(page)
    assert page.run(VIEWS) == [["all units", "true"], ["one step", "false"]]
    page.run("[...document.querySelectorAll('[aria-label=Page] button')].at(-1).click()")
    page.until(f"!!{INSIDE}?.querySelector('[data-gate=forget] input')")
    assert page.run(VIEWS) == [["all units", "false"], ["one step", "true"]]
    assert page.until(f"{INSIDE}.querySelectorAll('#text b').length") == 500
