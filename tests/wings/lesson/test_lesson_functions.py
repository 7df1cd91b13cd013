"""The functions of the lesson, as a notebook calls them: what is no text is refused, and what they find is readable."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import afterword
from afterword.errors import InputError
from tests.test_language_model import MODEL, made


@pytest.mark.parametrize("wrong", [None, 5, b"ab", ["ab"], np.array(["ab", "ab"])])
def test_what_is_no_text_is_refused_in_plain_words(wrong: Any) -> None:
    for call in (
        lambda: afterword.units(MODEL, wrong),
        lambda: afterword.step_page(MODEL, wrong),
        lambda: afterword.ablate(MODEL, wrong),
        lambda: afterword.keeps(MODEL, wrong, "a"),
        lambda: afterword.horizon(MODEL, wrong),
        lambda: afterword.horizon(made(lines=True), wrong),
    ):
        with pytest.raises(InputError, match=f"a text must be a string, not {type(wrong).__name__}"):
            call()


def test_a_mistyped_keyword_is_told_what_was_meant() -> None:
    with pytest.raises(TypeError, match=r"keeps\(\) got an unexpected keyword argument 'insted'; did you mean instead"):
        afterword.keeps(MODEL, "abé", "a", insted="b")  # type: ignore[call-arg]


def test_what_a_notebook_prints_is_short_or_the_table() -> None:
    assert repr(afterword.units(MODEL, "abé" * 200)).endswith("12 units)")
    for table in (afterword.ablate(MODEL, "abé"), afterword.horizon(MODEL, "abcd" * 9, gradient=False)):
        assert repr(table) == str(table)
