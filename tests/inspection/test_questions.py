"""Where something holds in a text."""

from __future__ import annotations

import pytest

from afterword.errors import OptionError
from afterword.inspection.questions import Mask, matching


def matches(pattern: str, text: str, seconds: float = 10.0) -> Mask:
    return matching(pattern, seconds).where(text)


def test_an_expression_marks_its_first_group_or_all_of_its_match() -> None:
    assert matches("b+", "abba").tolist() == [False, True, True, False]
    assert matches("a(b)", "abba").tolist() == [False, True, False, False]
    assert matches("^a", "a\na").tolist() == [True, False, True]
    assert matches("(x)|b", "ab").tolist() == [False, False]
    assert matches("", "ab").tolist() == [False, False]


@pytest.mark.parametrize("pattern", ["(", "[a", "(?P<n>", "a{2,1}", "\\", "*"])
def test_what_is_no_expression_is_said(pattern: str) -> None:
    with pytest.raises(OptionError, match="is not a regular expression"):
        matches(pattern, "aa")


def test_an_expression_that_would_take_for_ever_is_stopped() -> None:
    with pytest.raises(OptionError, match=r"takes more than 0\.5 s on this text"):
        matches("(a|aa)+$", "a" * 100 + "b", seconds=0.5)


@pytest.mark.parametrize("pattern", ["(" * 5000 + ")" * 5000, "a{99999999999999999999}"])
def test_an_expression_beyond_all_measure_is_refused(pattern: str) -> None:
    with pytest.raises(OptionError, match="is too large"):
        matches(pattern, "aa")
