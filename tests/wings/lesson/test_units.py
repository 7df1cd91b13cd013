"""Which units tell where something holds, and tasks with known answers: a planted unit is found, and chance is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import afterword
from afterword.errors import OptionError
from afterword.inspection import gates
from afterword.language_model import LanguageModel
from afterword.model.folder.saved import SavedModel
from afterword.model.network.cell import GATES
from afterword.model.network.config import Config, weight_shapes
from afterword.text.characters import CharTokenizer
from afterword.wings.lesson.units import Question, areas, matching, midranks
from benchmarks.tasks import TASKS
from benchmarks.teach import findings
from tests.inspection.test_gates import made

LETTERS = "abcdefgh ()\n"
COUNTER = 17  # the unit that counts brackets
INSIDE = r"\(([^()]+)\)"


def random_text(length: int = 3000, seed: int = 0) -> str:
    return "".join(np.random.default_rng(seed).choice(list(LETTERS), length))


def counting() -> LanguageModel:
    """A network of random weights, but for one unit: it adds 1 at every "(", takes 1 away at every ")", and keeps."""
    tokenizer = CharTokenizer.of(LETTERS)
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, len(LETTERS) + 2, hidden_size=40, num_layers=1)
    random = np.random.default_rng(1)
    weights = {name: random.normal(0, 0.6, s).astype(np.float32) for name, s in weight_shapes(config).items()}
    weights["embedding.weight"] = np.eye(config.vocabulary_size, dtype=np.float32)
    shut, open = -30.0, 30.0
    opening, closing = tokenizer.encode("()").tolist()
    for gate, rest in (("input", shut), ("forget", open), ("candidate", 0.0), ("output", open)):
        row = GATES.index(gate) * config.hidden_size + COUNTER
        for name in ("weight_ih_l0", "weight_hh_l0"):
            weights[f"lstm.{name}"][row] = 0
        weights["lstm.bias_ih_l0"][row], weights["lstm.bias_hh_l0"][row] = rest, 0
        if gate == "input":
            weights["lstm.weight_ih_l0"][row, [opening, closing]] = open - shut
        if gate == "candidate":
            weights["lstm.weight_ih_l0"][row, [opening, closing]] = open, shut
    return LanguageModel(SavedModel(config, weights, tokenizer, [], {}))


def balanced(length: int = 4000, seed: int = 3) -> str:
    """Random letters with brackets that are nested up to three deep and always closed."""
    random = np.random.default_rng(seed)
    depth, text = 0, []
    for one in random.choice(list("abcdefgh   ()"), length):
        depth += (one == "(") - (one == ")")
        if 0 <= depth <= 3:
            text.append(one)
        else:
            depth = min(max(depth, 0), 3)
    return "".join(text)


def test_a_planted_unit_that_counts_brackets_is_found_first() -> None:
    model, text = counting(), balanced()
    trace = model.gates(text)
    depth = np.cumsum([(one == "(") - (one == ")") for one in text])
    np.testing.assert_allclose(trace.cell[:, 0, COUNTER], depth, atol=1e-3)  # it does count
    units = afterword.units(model, text)
    nested = units.ask(Question("inside brackets", lambda text: depth > 0))
    for answer in (nested, units.matching(INSIDE)):
        best = answer.units[0]
        assert (best.layer, best.unit, best.above) == (0, COUNTER, True)
        assert best.area > answer.units[1].area
    assert nested.units[0].area == pytest.approx(1, abs=1e-3)

    within = r"(?<=\()[^()]+"  # among what is inside, it tells deep from shallow
    answer = units.matching(INSIDE, 40, within)
    assert answer.part == "part"
    assert "of the part" in answer.caption
    assert f"within {within!r}" in answer.question
    mask, places = (matching(one).where(text) for one in (INSIDE, within))
    assert answer.fraction == pytest.approx(mask[places].mean())
    best = next(one for one in answer.units if one.unit == COUNTER)
    states = getattr(trace, best.state)[:, 0, COUNTER]
    half = np.arange(len(text)) >= len(text) // 2
    area = areas(midranks(states[half & places, None]), mask[half & places])[0]
    assert best.area == pytest.approx(area if best.above else 1 - area, abs=1e-6)


def test_a_model_of_lines_reads_each_line_from_a_fresh_state() -> None:
    model = made(lines=True, hidden_size=8)
    lines = ["Divya eats", "Reena is not fat", "", "eat to eat"] * 5
    units = afterword.units(model, "\n".join(lines) + "\n")
    read = [line for line in lines if line]
    assert units.text == "\n".join(read)
    answer = units.matching("eat")
    mask = np.concatenate([matching("eat").where(line) for line in read])
    middle = len(mask) // 2
    for one in answer.units:
        states = np.concatenate([getattr(model.gates(line), one.state)[:, one.layer, one.unit] for line in read])
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
    one, two = units.ask(Question("x", lambda _: mask)), units.ask(Question("x", lambda _: other))
    assert [(u.name, u.state, u.found) for u in one.units] == [(u.name, u.state, u.found) for u in two.units]


def test_tokens_that_are_no_characters_are_judged_by_their_last_character() -> None:
    text = "ab☃cé" * 40
    units = afterword.units(made(CharTokenizer.of("abc")), text)
    answer = units.ask(Question("snow", lambda text: np.array([one == "☃" for one in text])))
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
        assert matching(pattern).where(text).tolist() == [one != "_" for one in expected], pattern


def test_an_expression_that_is_too_large_or_would_take_for_ever_is_refused() -> None:
    for large in ("(" * 5000 + ")" * 5000, "a{99999999999999999999}"):
        with pytest.raises(OptionError, match="is too large"):
            matching(large)
    with pytest.raises(OptionError, match=r"takes more than 0\.1 s on this text"):
        matching("(a|aa)+$", seconds=0.1).where("a" * 100 + "b")


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_drawn_by_seed_and_its_question_is_answered_both_ways(name: str) -> None:
    task = TASKS[name]
    text = task.text(3, 5000)
    assert text == task.text(3, 5000) != task.text(4, 5000)
    assert text != task.text(3, 5000, matters=False)
    true, within, due = (matching(one).where(text) for one in (task.matching, task.within, task.due))
    assert not (true & ~within).any()
    assert 0.02 < true[within].mean() < 0.98
    assert due.any()


def test_what_is_printed_is_short_or_the_table() -> None:
    units = afterword.units(made(CharTokenizer.of(LETTERS)), random_text(300))
    assert repr(units).endswith(" units)")
    answer = units.matching("[abc]<?", 3)
    assert (len(answer.units), len(units.matching("^.{1,5}").units)) == (3, 5)
    assert answer.units[0].name in str(answer) == repr(answer)
    assert "[abc]&lt;?" in answer._repr_html_()
