"""How far back a network remembers."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import afterword
from afterword.model.arrays import Array, Ids
from afterword.model.network.network import Network, State, log_probabilities
from afterword.wings.lesson import horizon as horizon_module
from afterword.wings.lesson.horizon import (
    Horizon,
    HorizonOf,
    changes_by_replacing,
    choose_places,
    measured,
    replacements,
)
from tests.inspection.test_gates import TEXT, made, textbook

LONG = "".join(np.random.default_rng(0).choice(list(TEXT), 600))


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_the_curve_is_what_a_replacement_changes_read_one_by_one(cell: str) -> None:
    model = made(cell=cell, hidden_size=8)
    assert afterword.horizon(model, LONG[:100], gradient=False).changes.shape[1] == 75  # as far as a short text goes
    settings = HorizonOf(LONG, steps=12, places=5, seed=3)
    text = measured(model, LONG)
    found, net, ids = changes_by_replacing(text, settings), text.network, text.ids
    places, K = choose_places(text, settings)
    assert (found.shape, K) == ((5, 12), 12)
    others = replacements(ids, ids[places], np.random.default_rng(3))
    assert (others != ids[places]).all()
    for row, (place, other) in enumerate(zip(places, others, strict=True)):
        before = np.array([text.tokenizer.end, *ids[place - places[0] : place]])
        states = [net.advance(before[None], net.start())[1]] * 2
        for k in range(K):
            tokens = [int(ids[place + k]), int(other if k == 0 else ids[place + k])]
            read = [net.step(np.array([token]), one) for token, one in zip(tokens, states, strict=True)]
            states = [after for _, after in read]
            true, changed = (log_probabilities(logits[0]) for logits, _ in read)
            expected = (np.exp(true) * (true - changed)).sum() / math.log(2)
            assert found[row, k] == pytest.approx(expected, abs=1e-5)


def test_many_places_are_measured_a_few_at_once_and_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = made(hidden_size=8)
    settings = HorizonOf(LONG, steps=30, places=20)
    text = measured(model, LONG)
    whole = changes_by_replacing(text, settings)
    shapes, read = [], Network.read

    def noted(self: Network, ids: Ids, state: State) -> tuple[Array, State]:
        shapes.append(ids.shape)
        return read(self, ids, state)

    monkeypatch.setattr(Network, "read", noted)
    monkeypatch.setattr(horizon_module, "PLACES_AT_ONCE", 6)
    monkeypatch.setattr(horizon_module, "LOGITS_AT_ONCE", 5 * 12 * model.config.vocabulary_size)
    cut = changes_by_replacing(text, settings)
    np.testing.assert_allclose(cut, whole, atol=1e-6)
    assert max(lanes for lanes, _ in shapes) == 12
    assert max(lanes * steps for lanes, steps in shapes) <= 60
    told: list[float] = []
    afterword.horizon(model, LONG, steps=20, places=20, on_progress=told.append)
    assert told == sorted(told)
    assert (len(told) > 3, told[-1]) == (True, 1)


def test_a_replacement_is_drawn_from_all_other_tokens_of_the_text() -> None:
    ids = np.random.default_rng(2).choice(6, 300, p=[0.5, 0.2, 0.1, 0.1, 0.05, 0.05]).astype(np.int32)
    random = np.random.default_rng(4)
    obvious = [int(random.choice(ids[ids != id])) for id in ids[::3]]
    assert replacements(ids, ids[::3], np.random.default_rng(4)).tolist() == obvious


@pytest.mark.parametrize(("cell", "residual"), [("lstm", True), ("rnn", True), ("lstm", False)])
def test_the_gradient_is_what_a_small_change_of_the_input_does(cell: str, residual: bool) -> None:
    pytest.importorskip("torch")
    from afterword.learning.gradients import input_gradients

    model = made(cell=cell, residual=residual, hidden_size=8, scale=0.4)
    config, embedding = model.config, model.saved.weights["embedding.weight"].astype(np.float64)
    rows = np.random.default_rng(1).integers(0, config.vocabulary_size, (3, 9))
    [(_, found)] = input_gradients(config, model.saved.weights, rows, 8)
    assert found.shape == (3, 8)
    for lane, back in itertools.product(range(3), (1, 3, 8)):
        slopes = []
        for e in range(config.embedding_size):
            ends = []
            for step in (1e-5, -1e-5):
                changed = embedding[rows[lane, :-1]]
                changed[-back, e] += step
                ends.append(textbook(model, changed)["log_probabilities"][-1, rows[lane, -1]])
            slopes.append((ends[0] - ends[1]) / 2e-5)
        assert found[lane, back - 1] == pytest.approx(np.linalg.norm(slopes), rel=2e-3, abs=1e-7)


def test_the_gradient_is_of_the_reading_that_the_model_does(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from afterword.learning import gradients

    model = made(hidden_size=8)
    one, two = (afterword.horizon(model, LONG, steps=20, places=4, seed=7) for _ in range(2))
    assert np.array_equal(one.changes, two.changes)
    assert "gradient" in str(one)
    assert set(one.to_dict()["steps"][0]) == {"k", "bits", "error", "gradient", "gradient_error"}
    ids = model.tokenizer.encode(LONG)[: 20 + 200 + 1]  # the first place: as much before it as is read of a long text
    rows = model.saved.network().rows(np.concatenate([[model.tokenizer.end], ids]))[None]
    found = one.gradients
    assert found is not None
    [(_, [alone])] = gradients.input_gradients(model.config, model.saved.weights, rows, 20)
    np.testing.assert_allclose(found[0], alone, rtol=1e-4, atol=1e-8)

    rows = np.random.default_rng(1).integers(0, model.config.vocabulary_size, (7, 30))  # a long reading: few lanes
    [(_, whole)] = gradients.input_gradients(model.config, model.saved.weights, rows, 20)
    monkeypatch.setattr(gradients, "MOST_STATES", 3 * 30 * 2 * 8)
    cut = list(gradients.input_gradients(model.config, model.saved.weights, rows, 20))
    assert [lanes for lanes, _ in cut] == [slice(0, 3), slice(3, 6), slice(6, 7)]
    np.testing.assert_allclose(np.concatenate([part for _, part in cut]), whole, rtol=1e-4)


def test_means_and_errors_are_those_of_the_places() -> None:
    changes = np.tile(np.array([[4.0], [2.0]]), (1, 100))
    changes[:, 49:] = 0.01
    found = Horizon("x", changes)
    assert [*found.at(10), *found.at(100)] == pytest.approx([3.0, 1.0, 0.01, 0.0])
    assert found.steps == [1, 2, 3, 5, 10, 20, 30, 50, 100]
    assert 45 <= found.reach <= 54
    assert [row[0] for row in found.rows()] == [f"{k:,}" for k in found.steps]
    changes = np.concatenate([np.full((2, 10), 1e-6), np.ones((2, 30)), np.full((2, 60), 1e-4)], axis=1)
    assert Horizon("x", changes, where="a").reach == pytest.approx(43, abs=3)  # from the largest change on
    assert Horizon("x", changes).reach == 100
    alone = Horizon("x", np.full((3, 1), 0.5), gradients=np.full((1, 1), 0.25))
    assert str(alone).splitlines()[2].split()[:5] == ["1", "0.5", "0", "0.25", "–"]  # one place has no error


def test_at_chosen_characters_only_they_are_replaced_and_by_each_other() -> None:
    text = "eat to Divya. " * 60
    asked: dict[str, Any] = {"steps": 20, "places": 9}
    model = made(hidden_size=8)
    places, K = choose_places(measured(model, text, at="[Dt]"), HorizonOf(text, **asked, at="[Dt]"))
    assert (len(places), K) == (9, 20)
    assert {text[place] for place in places} <= {"D", "t"}
    found = afterword.horizon(model, text, **asked, at="[Dt]")
    assert found.changes.shape == (9, 20)
    assert found.gradients is None
    assert "a character that matches '[Dt]' changes 1 % of its largest effect up to" in found.caption
    assert not np.array_equal(found.changes, afterword.horizon(model, text, **asked, gradient=False).changes)
