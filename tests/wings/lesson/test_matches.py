"""Where an expression matches, and the tasks with known answers, which are asked about by one."""

from __future__ import annotations

import pytest

from afterword.errors import OptionError
from afterword.text.characters import CharTokenizer
from afterword.wings.lesson.matches import last_characters, matching
from benchmarks.tasks import TASKS


def test_a_token_that_is_no_character_is_judged_by_the_last_character_of_it() -> None:
    assert last_characters("ab☃c", CharTokenizer.of("abc")).tolist() == [0, 1, 2, 2, 2, 3]  # three bytes of ☃


def test_an_expression_marks_its_first_group_or_all_of_its_match() -> None:
    marked = {
        ("b+", "abba"): "_bb_",
        ("a(b)", "abba"): "_b__",
        ("^a", "a\na"): "a_a",
        ("(x)|b", "ab"): "__",
        ("", "ab"): "__",
    }
    for (pattern, text), expected in marked.items():
        assert matching(pattern)(text).tolist() == [one != "_" for one in expected], pattern


def test_an_expression_that_is_too_large_or_would_take_for_ever_is_refused() -> None:
    for large in ("(" * 5000 + ")" * 5000, "a{99999999999999999999}"):
        with pytest.raises(OptionError, match="is too large"):
            matching(large)
    with pytest.raises(OptionError, match=r"takes more than 0\.1 s on this text"):
        matching("(a|aa)+$", seconds=0.1)("a" * 100 + "b")


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_drawn_by_seed(name: str) -> None:
    task = TASKS[name]
    text = task.text(3, 5000)
    assert text == task.text(3, 5000) != task.text(4, 5000)
    assert text != task.text(3, 5000, matters=False)
    assert matching(task.due)(text).any()
