"""How far a step goes: each weight's optimizer, and the rate from the warmup to the end."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from afterword.learning.optimizer import EARLY, OPTIMIZERS, RENEW, AdamW, Muon, inverse_root
from afterword.learning.recipe import Schedule
from afterword.learning.trainable import TrainableNetwork
from afterword.model.network.config import Config
from tests.learning.small import RECIPE


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def moved(gradients: list[torch.Tensor], gates: int) -> torch.Tensor:
    """Where Muon moves matrices of zeros with these gradients in a step, one below the other."""
    matrices = [torch.nn.Parameter(torch.zeros(gradient.shape)) for gradient in gradients]
    for matrix, gradient in zip(matrices, gradients, strict=True):
        matrix.grad = gradient.clone()
    Muon(matrices, 0.1, 0.0, torch.float32, gates=gates).step()
    return torch.cat([matrix.detach() for matrix in matrices])


@pytest.mark.parametrize("shape", [(4, 24, 24), (4, 24, 6), (1, 6, 24)])
def test_the_inverse_root_brings_every_direction_near_one(shape: tuple[int, int, int]) -> None:
    matrices = random(*shape)
    found = matrices @ inverse_root(matrices, torch.float32, steps=8)
    values = torch.linalg.svdvals(found)
    assert 0.4 < values.min() <= values.max() < 1.4
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    assert (left @ right - found).norm() < 0.5 * found.norm()


def test_a_larger_gradient_moves_a_matrix_no_further_and_each_gate_is_a_matrix_of_its_own() -> None:
    gradient = random(8, 4)
    expected = moved([gradient], gates=2)
    for scale in (1e-4, 1e4):
        torch.testing.assert_close(moved([scale * gradient], gates=2), expected, rtol=1e-2, atol=1e-3)
    halves = [100 * gradient[:4], gradient[4:]]
    torch.testing.assert_close(moved(halves, gates=1), expected, rtol=1e-2, atol=1e-3)


def test_the_inverse_root_is_renewed_now_and_then() -> None:
    matrix = torch.nn.Parameter(torch.zeros(8, 4))
    optimizer = Muon([matrix], 0.1, 0.0, torch.float32, gates=2)
    roots = []
    for gradient in random(EARLY + 3 * RENEW, 8, 4):
        matrix.grad = gradient
        optimizer.step()
        roots.append(optimizer.state[matrix]["root"].clone())
    changed = [k for k in range(1, len(roots)) if not torch.equal(roots[k], roots[k - 1])]
    assert changed == [k for k in range(1, len(roots)) if k < EARLY or k % RENEW == 0]


def test_our_adamw_moves_the_weights_to_the_bits_of_pytorchs() -> None:
    weights = [[torch.nn.Parameter(torch.ones(5, 3)), torch.nn.Parameter(torch.zeros(7))] for _ in range(2)]
    ours, theirs = (
        [{"params": these[:1], "weight_decay": 0.1}, {"params": these[1:], "weight_decay": 0.0}] for these in weights
    )
    optimizers: tuple[Any, Any] = AdamW(ours, 0.01), torch.optim.AdamW(theirs, lr=0.01, betas=(0.9, 0.99), fused=True)
    for gradient in random(10, 5, 3):
        for these, optimizer in zip(weights, optimizers, strict=True):
            these[0].grad, these[1].grad = gradient.clone(), gradient.flatten()[:7].clone()
            optimizer.step()
    for one, other in zip(*weights, strict=True):
        assert torch.equal(one, other)
        assert list(optimizers[0].state[one]) == list(optimizers[1].state[other])


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS])
def test_every_weight_is_moved_by_exactly_one_optimizer(optimizer: str) -> None:
    network = TrainableNetwork(Config(9, 1, embedding_size=6, hidden_size=12, num_layers=2))
    made = OPTIMIZERS[optimizer](network, dataclasses.replace(RECIPE, optimizer=optimizer))
    held = [id(weight) for each in made for group in each.param_groups for weight in group["params"]]
    assert sorted(held) == sorted(id(weight) for weight in network.parameters())


@given(st.integers(2, 500), st.data())
def test_a_correction_changes_where_the_way_ends_and_not_where_it_stands(steps: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, steps - 1))
    now = data.draw(st.integers(at + 1, 1000))
    recipe = dataclasses.replace(RECIPE, steps=steps)
    plain, schedule = Schedule(recipe), Schedule(recipe)
    schedule.correct(at, now)
    for way in (plain, schedule):
        shares = [way.share(step) for step in range(at if way is schedule else 0, way.steps + 1)]
        assert shares == sorted(shares)
        assert shares[-1] == pytest.approx(1)
        assert way.learning_rate(way.steps) == pytest.approx(0, abs=1e-9)
    assert plain.share(0) == 0
    assert schedule.share(at) == pytest.approx(plain.share(at))
    again = Schedule(recipe, schedule.corrections)
    assert [again.learning_rate(s) for s in range(at, now)] == [schedule.learning_rate(s) for s in range(at, now)]


def test_the_rate_rises_during_the_warmup_and_falls_after_it() -> None:
    schedule = Schedule(dataclasses.replace(RECIPE, steps=100, warmup=10))
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


def test_after_its_end_a_run_begins_another_way_at_its_highest_rate() -> None:
    schedule = Schedule(RECIPE)
    end = schedule.steps
    schedule.correct(end, 3 * end)
    rates = [schedule.learning_rate(step) for step in range(end, 3 * end)]
    assert max(rates) == pytest.approx(RECIPE.learning_rate, rel=0.05)
    assert rates[-1] < 0.02 * max(rates)
    assert (schedule.share(end), schedule.share(3 * end)) == (0, 1)
