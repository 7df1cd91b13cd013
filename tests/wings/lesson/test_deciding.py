"""Cells are found by what holding or setting them does, in networks with weights set by hand, and not by chance."""

from __future__ import annotations

import numpy as np
import pytest

import afterword
from afterword.errors import OptionError
from afterword.language_model import LanguageModel
from afterword.text.characters import CharTokenizer
from afterword.wings.lesson.deciding import _Half
from afterword.wings.lesson.matches import matching
from benchmarks.tasks import TASKS, planted
from benchmarks.teach import ask_at_random, holds, statement
from tests.inspection.test_gates import made

KINDS = (("anbn", 1), ("recall", 1), ("recall", 3))


def asked(name: str, seed: int, copies: int) -> tuple[LanguageModel, set[str], str, str]:
    """A planted network, its cells, a text of the task, and what is due in it."""
    model, cells = planted(name, np.random.default_rng(seed), copies)
    return model, cells, TASKS[name].text(seed, 4000), TASKS[name].due


@pytest.mark.parametrize(("name", "copies"), KINDS)
def test_the_cells_of_a_planted_network_are_found_and_the_verdict_holds_on_another_text(name: str, copies: int) -> None:
    """Short: `python -m benchmarks.teach planted` finds them in 300 networks."""
    model, cells, text, due = asked(name, 2, copies)
    found = afterword.decides(model, text, due)
    assert cells <= {*found.cells}
    assert "cannot" not in found.verdict
    *each, together, random = found.effects
    assert together.held_bits > 1 > 0.3 > random.held_bits
    assert found.verdict in found.caption == str(found).splitlines()[0]
    if copies == 3:
        assert found.verdict == "no single cell does it; these 3 cells together do"
        assert max(one.held_bits for one in each) < 0.3
        assert together.follows > 0.9 > 0.1 > random.follows
    assert holds(model, found, TASKS[name].text(52, 4000), due)


def test_what_holding_costs_is_what_a_held_model_pays() -> None:
    model, cells, text, due = asked("recall", 0, 1)
    found, half = afterword.decides(model, text, due), slice(len(text) // 2, None)
    means = model.gates(text[: len(text) // 2]).cell.mean(axis=0)[0]
    [name], places = cells, _Half(model, text[half], matching(due)(text)[half], np.random.default_rng(0))
    trace = model.hold(f"{name}.cell={means[int(name[4:])]:.7f}").gates(text[half])
    rows = trace.log_probabilities / np.log(2)
    keys = [places.ids[list(text[half]).index(key)] for key in "XY"]
    bits = [rows[t - 1, keys] - rows[t - 1, places.ids[t]] for t in places.due]
    costs = {
        int(key): [np.log2((2.0**one).sum()) for one, t in zip(bits, places.due, strict=True) if places.ids[t] == key]
        for key in keys
    }
    assert found.effects[0].held_bits == pytest.approx(np.mean([np.mean(each) for each in costs.values()]), abs=0.2)


def test_a_network_that_does_not_know_has_no_cells() -> None:
    found = afterword.decides(
        made(CharTokenizer.of("abXY?\n "), hidden_size=8), TASKS["recall"].text(0, 4000), r"\?([XY])"
    )
    assert found.cells == []
    assert found.verdict.startswith("not found: the network knows 0%")


def test_random_questions_find_cells_seldom() -> None:
    """Short: `python -m benchmarks.teach random` asks 200."""
    random, (model, _, text, _) = np.random.default_rng(0), asked("recall", 3, 1)
    assert sum(bool(ask_at_random(model, text[:1500], random).cells) for _ in range(12)) <= 2


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_set_to_its_own_values_a_network_does_what_it_does_and_all_set_it_does_what_the_other_did(cell: str) -> None:
    model, text = made(CharTokenizer.of("abXY?\n "), hidden_size=8, cell=cell), TASKS["recall"].text(1, 3000)
    half = _Half(model, text, matching(r"\?([XY])")(text), np.random.default_rng(0))
    logits = half.trace.log_probabilities

    def likelier(at: np.ndarray) -> float:
        own, other = (logits[at - 1, half.ids[each]] for each in (half.here, half.there))
        return float((other > own).mean())

    every = np.ones(half.trace.hidden.shape[1:], bool)
    assert half.follows(~every) == pytest.approx(likelier(half.here), abs=0.03)
    if cell == "rnn":  # all its state is set
        assert half.follows(every) == pytest.approx(likelier(half.there), abs=0.03)


def test_what_cannot_be_asked_is_refused() -> None:
    model = made(CharTokenizer.of("ab\n"), hidden_size=8)
    with pytest.raises(OptionError, match="in half of the text, 0 places match and can be compared; 5 are needed"):
        afterword.decides(model, "ab" * 400, "b")
    for other, why in ((model.hold("forget=1"), "with nothing held"), (made(lines=True), "of running text")):
        with pytest.raises(OptionError, match=f"cells can be found only in a model {why}"):
            afterword.decides(other, "ab" * 400, "b")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "seed"), [("recall", 0), ("brackets", 1)])
def test_the_verdict_on_a_trained_network_holds_on_another_text(name: str, seed: int) -> None:
    """Two of those that `python -m benchmarks.teach tasks` trains."""
    found = statement(name, seed)
    assert found["holds"]
    assert found["found"] <= 12
