"""Which units tell where something holds, and tasks with known answers: a planted unit is found, and chance is not."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import afterword
from afterword.errors import OptionError
from afterword.inspection import gates
from afterword.text.characters import CharTokenizer
from afterword.wings.lesson.units import areas, matching, midranks
from benchmarks.tasks import TASKS
from benchmarks.teach import findings
from tests.inspection.test_gates import made

LETTERS = "abcdefgh ()\n"


def random_text(length: int = 3000, seed: int = 0) -> str:
    return "".join(np.random.default_rng(seed).choice(list(LETTERS), length))


def test_the_units_are_those_that_tell_best_in_one_half_judged_by_the_other() -> None:
    model, text, pattern = made(CharTokenizer.of(LETTERS), hidden_size=8), random_text(600), r"\(([^()]+)\)"
    trace, answer = model.gates(text), afterword.units(model, text).matching(pattern, 16)
    mask = matching(pattern)(text)
    assert answer.fraction == pytest.approx(mask.mean())
    first = np.arange(len(text)) < len(text) // 2
    best: dict[tuple[int, int], float] = {}
    for state, layer, unit in itertools.product(("cell", "hidden"), range(2), range(8)):
        values = getattr(trace, state)[:, layer, unit, None]
        found, judged = (areas(midranks(values[part]), mask[part])[0] for part in (first, ~first))
        best[layer, unit] = max(best.get((layer, unit), 0), found, 1 - found)
        for one in answer.units:
            if (one.name, one.state) == (f"l{layer}.u{unit}", state):
                assert one.above == (found >= 0.5)
                assert (one.found, one.area) == pytest.approx((found, judged) if one.above else (1 - found, 1 - judged))
    assert [one.found for one in answer.units] == pytest.approx(sorted(best.values(), reverse=True))


def test_a_model_of_lines_reads_each_line_from_a_fresh_state() -> None:
    model = made(lines=True, hidden_size=8)
    lines = ["Divya eats", "Reena is not fat", "", "eat to eat"] * 5
    units = afterword.units(model, "\n".join(lines) + "\n")
    read = [line for line in lines if line]
    assert units.text == "\n".join(read)
    answer = units.matching("eat")
    mask = np.concatenate([matching("eat")(line) for line in read])
    middle = len(mask) // 2
    for one in answer.units:
        layer, unit = (int(part[1:]) for part in one.name.split("."))
        states = np.concatenate([getattr(model.gates(line), one.state)[:, layer, unit] for line in read])
        area = areas(midranks(states[:middle, None]), mask[:middle])[0]
        assert one.found == pytest.approx(area if one.above else 1 - area)
    assert units.matching("^.{1,5}").fraction > 0.3


def test_only_as_much_is_read_as_can_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "MOST_TRACED", 100)
    model = made(hidden_size=8)
    assert afterword.units(model, "eat to " * 100).text == ("eat to " * 100)[:100]
    rare = afterword.units(model, "eat to € " * 100).text  # whose characters are bytes: three tokens each
    assert 80 <= len(model.tokenizer.encode(rare)) <= 100


def test_the_units_are_chosen_without_the_half_that_judges_them() -> None:
    """Whatever the second half says, the same units are chosen in the same order, with the same first figures."""
    text = random_text()
    units = afterword.units(made(CharTokenizer.of(LETTERS)), text)
    mask = np.array([one in "abc" for one in text])
    other = mask.copy()
    other[len(text) // 2 :] = np.random.default_rng(0).random(len(text) - len(text) // 2) < 0.5
    one, two = units.ask("x", lambda _: mask), units.ask("x", lambda _: other)
    assert [(u.name, u.state, u.found) for u in one.units] == [(u.name, u.state, u.found) for u in two.units]


def test_tokens_that_are_no_characters_are_judged_by_their_last_character() -> None:
    text = "ab☃cé" * 40
    units = afterword.units(made(CharTokenizer.of("abc")), text)
    answer = units.ask("snow", lambda text: np.array([one == "☃" for one in text]))
    assert answer.fraction == pytest.approx(3 / 8, abs=0.01)  # three bytes of ☃, two of é, three letters


def test_a_random_question_has_seldom_a_unit_above_chance_and_a_planted_one_is_found() -> None:
    """Short: `python -m benchmarks.teach units` asks 200 questions about a trained network."""
    units = afterword.units(made(CharTokenizer.of(LETTERS), hidden_size=20), random_text(3000))
    false, found = findings(units, np.random.default_rng(1), 40)
    assert false <= 5  # of 40: one is expected, and 6 or more once in 3,000 times
    assert found >= 36


@settings(max_examples=40)
@given(values=st.lists(st.integers(-3, 3), min_size=2, max_size=40), seed=st.integers(0, 99))
def test_the_area_is_the_fraction_of_pairs_in_the_right_order(values: list[int], seed: int) -> None:
    mask = np.random.default_rng(seed).random(len(values)) < 0.5
    mask[:2] = True, False
    column = np.array(values, np.float32)[:, None]
    inside, outside = column[mask], column[~mask]
    pairs = [(a > b) + (a == b) / 2 for a in inside[:, 0] for b in outside[:, 0]]
    assert areas(midranks(column), mask)[0] == pytest.approx(np.mean(pairs))


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


def test_what_is_printed_is_short_or_the_table() -> None:
    units = afterword.units(made(CharTokenizer.of(LETTERS)), random_text(300))
    assert repr(units).endswith(" units)")
    answer = units.matching("[abc]<?", 3)
    assert (len(answer.units), len(units.matching("^.{1,5}").units)) == (3, 5)
    assert answer.units[0].name in str(answer) == repr(answer)
    assert "[abc]&lt;?" in answer._repr_html_()
