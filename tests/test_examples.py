"""The examples in docs/ whose output is printed there: they are derived again, or a mark says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples import BLOCK, PAGES, commands, derived

TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "<!-- derived -->" in TEXTS[page]], ids=lambda page: page.name
)
def test_every_derived_example_is_as_it_is_printed_now(page: Path) -> None:
    assert derived(TEXTS[page]) == TEXTS[page], "make examples"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_example_with_its_output_is_marked(page: Path) -> None:
    for found in BLOCK.finditer(TEXTS[page]):
        begins = "" if found["language"] else commands(found["body"])
        assert found["kind"] or not begins or begins == found["body"], found[0]


def test_a_stale_example_is_derived_and_one_that_was_printed_once_stays() -> None:
    page = "```\nafterword --version\n```\n\n<!-- {} -->\n```\nstale\n```\n"
    assert "\n```\nafterword 0." in derived(page.format("derived"))
    once = page.format("printed once: a reason")
    assert derived(once) == once
