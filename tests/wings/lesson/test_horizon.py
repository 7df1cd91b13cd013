"""How far back a network remembers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import afterword
from afterword.model.arrays import Array, Ids
from afterword.model.network.network import Network, State, log_probabilities
from afterword.wings.lesson import horizon as horizon_module
from afterword.wings.lesson.horizon import Horizon
from tests.inspection.test_gates import TEXT, made, textbook

LONG = "".join(np.random.default_rng(0).choice(list(TEXT), 600))


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_the_curve_is_what_a_replacement_changes_read_one_by_one(cell: str) -> None:
    model = made(cell=cell, hidden_size=8)
    found = afterword.horizon(model, LONG[:100])
    assert found.changes.shape == (14, 75)  # as far as a short text goes
    net, ids, random = model.network(), model.tokenizer.encode(LONG[:100]), np.random.default_rng(0)
    others = [int(random.choice(ids[ids != ids[place]])) for place in range(12, 26)]
    for row, place in enumerate(range(12, 26)):
        before = np.array([model.tokenizer.end, *ids[row:place]])
        states = [net.advance(before[None], net.start())[1]] * 2
        for k in range(12):
            tokens = [int(ids[place + k]), others[row] if k == 0 else int(ids[place + k])]
            read = [net.step(np.array([token]), one) for token, one in zip(tokens, states, strict=True)]
            states = [after for _, after in read]
            true, changed = (log_probabilities(logits[0]) for logits, _ in read)
            expected = (np.exp(true) * (true - changed)).sum() / math.log(2)
            assert found.changes[row, k] == pytest.approx(expected, abs=1e-5)


def test_a_large_vocabulary_is_read_a_few_steps_at_once_and_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = made(hidden_size=8)
    whole = afterword.horizon(model, LONG).changes
    assert whole.shape == (64, 450)
    shapes, read = [], Network.read

    def noted(self: Network, ids: Ids, state: State) -> tuple[Array, State]:
        shapes.append(ids.shape)
        return read(self, ids, state)

    monkeypatch.setattr(Network, "read", noted)
    monkeypatch.setattr(horizon_module, "LOGITS_AT_ONCE", 5 * 128 * model.config.vocabulary_size)
    told: list[float] = []
    cut = afterword.horizon(model, LONG, on_progress=told.append).changes
    np.testing.assert_allclose(cut, whole, atol=1e-6)
    assert max(shapes) == (128, 5)
    assert told == sorted(told)
    assert (len(told) > 3, told[-1]) == (True, 1)


@pytest.mark.parametrize(("cell", "residual"), [("lstm", True), ("rnn", True), ("lstm", False)])
def test_the_gradient_is_what_a_small_change_of_the_input_does(cell: str, residual: bool) -> None:
    pytest.importorskip("torch")
    from benchmarks.horizon import input_gradients

    model = made(cell=cell, residual=residual, hidden_size=8, scale=0.4)
    config, embedding = model.config, model.saved.weights["embedding.weight"].astype(np.float64)
    rows = np.random.default_rng(1).integers(0, config.vocabulary_size, (3, 9))
    found = input_gradients(model, rows, 8)
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


def test_means_and_errors_are_those_of_the_places() -> None:
    changes = np.tile(np.array([[4.0], [2.0]]), (1, 100))
    changes[:, 49:] = 0.01
    found = Horizon("x", changes)
    assert [*found.at(10), *found.at(100)] == pytest.approx([3.0, 1.0, 0.01, 0.0])
    assert found.steps == [1, 2, 3, 5, 10, 20, 30, 50, 100]
    assert 45 <= found.reach <= 54
    assert [row[0] for row in found.rows()] == [f"{k:,}" for k in found.steps]
    assert str(found).splitlines()[2].split()[:3] == ["1", "3", "1"]
    changes = np.concatenate([np.full((2, 10), 1e-6), np.ones((2, 30)), np.full((2, 60), 1e-4)], axis=1)
    assert Horizon("x", changes).reach == 100
    assert "up to 100 steps back and beyond" in Horizon("x", changes).caption
