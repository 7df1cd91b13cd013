"""Tasks with known answers: their texts are what they say, and the tool finds the cells that do them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from afterword.inspection.questions import matching
from benchmarks.tasks import MEASURED, TASKS, drawn
from benchmarks.teach import HELD_OUT, learned, proof, solution, true_memory

LAWS = {
    "brackets": r"(?:[ab ]+(?:<[ab ]+>|\[[ab ]+\]))+",
    "anbn": r"(?:(a+)b+\n)+",
    "copy": r"(?:([ab]{3})\.{2,50}\|\1\n)+",
    "recall": r"(?:([XY])[ab ]{2,300}\?\1\n)+",
}


@pytest.mark.parametrize("name", TASKS)
def test_what_has_to_be_remembered_matters(name: str) -> None:
    task = TASKS[name]
    text = task.text(3, 5000)
    assert text == task.text(3, 5000)
    assert text != task.text(4, 5000)
    assert re.fullmatch(LAWS[name], text)
    pairs = [(line.count("a"), line.count("b")) for line in text.split()]
    assert name != "anbn" or all(one == other for one, other in pairs)
    without = task.text(3, 5000, matters=False)
    if name == "anbn":
        assert any(line.count("a") != line.count("b") for line in without.split())
    else:
        assert not re.fullmatch(LAWS[name], without)


@pytest.mark.parametrize("name", TASKS)
def test_the_question_of_a_task_is_answered_both_ways_within_its_part(name: str) -> None:
    task, text = TASKS[name], TASKS[name].text(0, 5000)
    true, within, due = (matching(one).where(text) for one in (task.matching, task.within, task.due))
    assert not (true & ~within).any()
    assert 0.02 < true[within].mean() < 0.98
    assert due.any()


def test_the_highest_value_has_the_highest_block() -> None:
    assert drawn("ab\n", np.array([0.0, 1.0, 0.5, 9.0])) == "ab↵\n▁█▅"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_cells_that_know_the_kind_of_a_bracket_are_found_and_none_where_it_does_not_matter() -> None:
    """The acid test of units, memory and holding. `python -m benchmarks.teach tasks` does it for every task."""
    task = TASKS["brackets"]
    text, model = task.text(HELD_OUT, MEASURED), learned(task, 0)
    found = solution(model, task, text)
    assert found.best.area >= 0.99 > found.answer.chance
    assert 1 / 2 < found.memory / true_memory(model, task, text, found.best) < 2
    assert 25 < found.reach < 100  # brackets are up to 50 characters long
    assert found.held_bits > found.bits + 1  # without them it has to guess, which alone costs a bit
    for hold, closing in zip(found.held_at, ">]", strict=True):  # whatever was opened
        for opened in "<[":
            written = str(model.hold(*hold).generate(f"ab {opened}ba b", max_tokens=200, temperature=1, seed=1))
            assert re.findall(r"[>\]]", written)[0] == closing
    assert all(f"{title}: ab <ba b" in proof(model, task, found) for title in ("as it is", "where true", "where false"))
    without = learned(task, 0, matters=False)
    nothing = solution(without, task, task.text(HELD_OUT, MEASURED, matters=False))
    assert all(one.area <= nothing.answer.chance for one in nothing.answer.units)
