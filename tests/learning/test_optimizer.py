"""How far a step goes: each weight's optimizer, and the rate from the warmup to the end."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from afterword.learning.optimizer import EARLY, OPTIMIZERS, RENEW, AdamW, Muon, inverse_root
from afterword.learning.recipe import Schedule
from afterword.learning.trainable import TrainableNetwork
from afterword.model.network.config import Config
from tests.learning.small import RECIPE


@pytest.mark.parametrize("shape", [(4, 24, 24), (4, 24, 6), (1, 6, 24)])
def test_the_inverse_root_brings_every_direction_near_one(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    moved = matrices @ inverse_root(matrices, torch.float32, steps=8)
    values = torch.linalg.svdvals(moved)
    assert values.max() < 1.4
    assert values.min() > 0.4
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    torch.testing.assert_close((left @ right - moved).norm() / moved.norm() < 0.5, torch.tensor(True))


def test_a_larger_gradient_moves_a_matrix_no_further() -> None:
    moves = []
    for scale in (1e-4, 1.0, 1e4):
        matrix = torch.nn.Parameter(torch.zeros(8, 4))
        matrix.grad = scale * torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
        Muon([matrix], 0.1, 0.0, torch.float32, gates=2).step()
        moves.append(matrix.detach().clone())
    torch.testing.assert_close(moves[0], moves[1], rtol=1e-2, atol=1e-3)
    torch.testing.assert_close(moves[2], moves[1], rtol=1e-2, atol=1e-3)


def test_each_gate_is_a_matrix_of_its_own() -> None:
    gradient = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    whole = torch.nn.Parameter(torch.zeros(8, 4))
    halves = [torch.nn.Parameter(torch.zeros(4, 4)) for _ in range(2)]
    whole.grad, halves[0].grad, halves[1].grad = gradient, 100 * gradient[:4], gradient[4:]
    Muon([whole], 0.1, 0.0, torch.float32, gates=2).step()
    Muon(halves, 0.1, 0.0, torch.float32, gates=1).step()
    torch.testing.assert_close(whole.detach(), torch.cat([half.detach() for half in halves]), rtol=1e-2, atol=1e-3)


def test_the_inverse_root_is_renewed_now_and_then() -> None:
    matrix = torch.nn.Parameter(torch.zeros(8, 4))
    optimizer = Muon([matrix], 0.1, 0.0, torch.float32, gates=2)
    generator = torch.Generator().manual_seed(0)
    roots = []
    for _ in range(EARLY + 3 * RENEW):
        matrix.grad = torch.randn(8, 4, generator=generator)
        optimizer.step()
        roots.append(optimizer.state[matrix]["root"].clone())
    changed = [k for k in range(1, len(roots)) if not torch.equal(roots[k], roots[k - 1])]
    assert changed == [k for k in range(1, len(roots)) if k < EARLY or k % RENEW == 0]


def test_our_adamw_moves_the_weights_to_the_bits_of_pytorchs() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = [[torch.nn.Parameter(torch.ones(5, 3)), torch.nn.Parameter(torch.zeros(7))] for _ in range(2)]
    ours, theirs = (
        [{"params": these[:1], "weight_decay": 0.1}, {"params": these[1:], "weight_decay": 0.0}] for these in weights
    )
    optimizers = AdamW(ours, 0.01), torch.optim.AdamW(theirs, lr=0.01, betas=(0.9, 0.99), fused=True)
    for _ in range(10):
        for one, other in zip(*weights, strict=True):
            one.grad = other.grad = torch.randn(one.shape, generator=generator)
        for optimizer in optimizers:
            optimizer.step()
    for one, other in zip(*weights, strict=True):
        assert torch.equal(one, other)
        assert list(optimizers[0].state[one]) == list(optimizers[1].state[other])


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS])
def test_every_weight_is_moved_by_exactly_one_optimizer(optimizer: str) -> None:
    recipe = dataclasses.replace(RECIPE, optimizer=optimizer)
    config = Config(vocabulary_size=9, byte_tokens=1, embedding_size=6, hidden_size=12, num_layers=2)
    network = TrainableNetwork(config)
    moved = [
        id(p) for each in OPTIMIZERS[optimizer](network, recipe) for group in each.param_groups for p in group["params"]
    ]
    assert sorted(moved) == sorted(id(p) for p in network.parameters())
    assert len(set(moved)) == len(moved) == len(list(network.parameters()))
    assert np.isfinite(
        [group["lr"] for each in OPTIMIZERS[optimizer](network, recipe) for group in each.param_groups]
    ).all()


@given(st.integers(1, 1000))
def test_the_way_goes_from_nothing_to_all(steps: int) -> None:
    schedule = Schedule(dataclasses.replace(RECIPE, steps=steps), [])
    shares = [schedule.share(step) for step in range(steps + 1)]
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(1)
    assert shares == sorted(shares)


@given(st.integers(2, 500), st.data())
def test_a_correction_changes_where_the_way_ends_and_not_where_it_stands(steps: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, steps - 1))
    now = data.draw(st.integers(at + 1, 1000))
    plain, schedule = (Schedule(dataclasses.replace(RECIPE, steps=steps), []) for _ in range(2))
    schedule.correct(at, now)
    assert schedule.share(at) == pytest.approx(plain.share(at))
    assert schedule.share(now) == pytest.approx(1)
    assert schedule.learning_rate(now) == pytest.approx(0, abs=1e-9)


def test_the_rate_rises_during_the_warmup_and_falls_after_it() -> None:
    schedule = Schedule(dataclasses.replace(RECIPE, steps=100, warmup=10), [])
    rates = [schedule.learning_rate(step) for step in range(100)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert max(rates) <= RECIPE.learning_rate


def test_a_constant_rate_has_a_warmup_and_no_end() -> None:
    schedule = Schedule(dataclasses.replace(RECIPE, steps=100, warmup=10, schedule="constant"))
    rates = [schedule.learning_rate(step) for step in range(100)]
    schedule.correct(100, 200)  # a run that continues
    rates += [schedule.learning_rate(step) for step in range(100, 200)]
    for begun in (rates[:100], rates[100:]):
        assert begun[:10] == sorted(set(begun[:10]))
        assert set(begun[10:]) == {RECIPE.learning_rate}


def test_corrections_made_again_give_the_same_rates() -> None:
    recipe = dataclasses.replace(RECIPE, steps=100)
    schedule = Schedule(recipe, [])
    schedule.correct(30, 140)
    schedule.correct(90, 120)
    again = Schedule(recipe, schedule.corrections)
    assert [again.learning_rate(s) for s in range(90, 120)] == [schedule.learning_rate(s) for s in range(90, 120)]


def test_after_its_end_a_run_begins_another_way_at_its_highest_rate() -> None:
    schedule = Schedule(RECIPE)
    end = schedule.steps
    schedule.correct(end, 3 * end)
    rates = [schedule.learning_rate(step) for step in range(end, 3 * end)]
    assert max(rates) == pytest.approx(RECIPE.learning_rate, rel=0.05)
    assert rates[-1] < 0.02 * max(rates)
    assert schedule.share(end) == 0
    assert schedule.share(3 * end) == 1
