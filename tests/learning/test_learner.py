"""Laws of learning: the same bits from the same seed, from a checkpoint too, and lines that do not touch each other."""

from __future__ import annotations

import dataclasses
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from afterword.learning.batches import Batch, Lanes, Lines
from afterword.learning.learner import Learner
from afterword.learning.optimizer import EARLY, OPTIMIZERS
from afterword.learning.ranks import Team
from afterword.model.network.network import Network
from tests.bases.small import random_weights
from tests.learning.small import RECIPE, tokenizer_of

ROOT = Path(__file__).parents[2]
BOUNDARY, ROWS = 9, 10
CONFIG = RECIPE.config(tokenizer_of(ROWS))
IDS = np.random.default_rng(0).integers(0, 9, 500)


def bfloat16_runs() -> bool:
    """Whether oneDNN's LSTM takes bfloat16 here, which needs AVX-512."""
    try:
        with torch.autocast("cpu", torch.bfloat16):
            torch.nn.LSTM(8, 8)(torch.zeros(3, 2, 8))
    except RuntimeError:
        return False
    return True


def lanes() -> Lanes:
    return Lanes(IDS, dataclasses.replace(RECIPE, reset_probability=0.3), boundary=BOUNDARY, newline=0)


def bits_of(learner: Learner) -> dict[str, bytes]:
    return {name: tensor.tobytes() for name, tensor in learner.tensors().items()}


def learner_of(**changes: Any) -> Learner:
    """A learner of random weights; with a distillation, it begins with others, which teach it."""
    learner = Learner(CONFIG, dataclasses.replace(RECIPE, **changes))
    if "distillation" in changes:
        learner.start_from(random_weights(CONFIG))
    return learner


class Remembering(torch.optim.RMSprop):
    """An optimizer that nobody told the learner of."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, momentum=0.9, centered=True)


@pytest.fixture(autouse=True)
def _remembering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPTIMIZERS, "remembering", lambda network, recipe: [Remembering(network.parameters())])


def test_what_an_optimizer_remembers_that_no_checkpoint_can_hold_is_refused() -> None:
    learner = learner_of(optimizer="remembering")
    learner.learn(lanes().next(), 0.01)
    state = next(iter(learner._optimizers[0].state.values()))
    for memory in ({"weight": torch.zeros(1)}, {"called": 3}):
        state |= memory
        with pytest.raises(TypeError, match="a checkpoint cannot hold"):
            learner.tensors()
        state.pop(next(iter(memory)))


HALF = pytest.mark.skipif(not bfloat16_runs(), reason="this processor's LSTM has no bfloat16")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        pytest.param({"precision": "bfloat16"}, marks=HALF),
        {"distillation": 0.3},
        {"weight_dropout": 0.3},
        {"optimizer": "remembering"},
    ],
)
def test_a_learner_loaded_from_its_tensors_goes_on_bit_for_bit(changes: dict[str, Any]) -> None:
    learner, source = learner_of(**changes), lanes()
    for _ in range(EARLY + 1):  # so that the next steps use the root that was kept
        learner.learn(source.next(), 0.01)
    kept = {name: tensor.copy() for name, tensor in learner.tensors().items()}
    assert {str(tensor.dtype) for name, tensor in kept.items() if name != "generator"} == {"float32"}
    other = learner_of(seed=99, **changes)
    other.load(kept, learner.step)
    for _ in range(5):
        batch = source.next()
        assert learner.learn(batch, 0.01) == other.learn(batch, 0.01)
    assert bits_of(learner) == bits_of(other)


def second_training(**changes: Any) -> Learner:
    """A learner that has taken four steps, and then began a second training from the same base."""
    learner, source, base = learner_of(**changes), lanes(), random_weights(CONFIG)
    learner.start_from(base)
    for _ in range(4):
        learner.learn(source.next(), 0.01)
    learner.begin_again(base, 4)
    return learner


@pytest.mark.parametrize("changes", [{}, {"averaging": None}])
def test_of_two_trainings_the_mean_is_kept_and_each_counts_by_its_steps(changes: dict[str, Any]) -> None:
    learner, source, base = learner_of(**changes), lanes(), random_weights(CONFIG)
    learner.start_from(base)
    for _ in range(4):
        learner.learn(source.next(), 0.01)
    first = {name: weight.copy() for name, weight in learner.kept.weights().items()}
    learner.begin_again(base, 4)
    assert all(np.array_equal(weight, first[name]) for name, weight in learner.kept.weights().items())
    assert all(np.array_equal(weight, base[name]) for name, weight in learner.network.weights().items())
    for _ in range(12):
        learner.learn(source.next(), 0.01)
    second = learner._average.weights()
    for name, weight in learner.kept.weights().items():
        np.testing.assert_allclose(weight, 0.25 * first[name] + 0.75 * second[name], atol=1e-6)


def test_a_second_training_learns_as_a_first_one_without_distillation_and_dropout() -> None:
    again = second_training(distillation=0.3, dropout=0.5)
    plain = learner_of(distillation=0.0, dropout=0.0)
    plain.start_from(random_weights(CONFIG))
    source = lanes()
    for _ in range(6):
        batch = source.next()
        assert again.learn(batch, 0.01) == plain.learn(batch, 0.01)
    assert again.network.weights().keys() == plain.network.weights().keys()
    for name, weight in again.network.weights().items():
        np.testing.assert_array_equal(weight, plain.network.weights()[name])


def test_learning_lowers_the_cost_of_a_text_that_repeats() -> None:
    ids = np.tile(np.arange(9), 60)
    source = Lanes(ids, dataclasses.replace(RECIPE, seq_length=9, reset_probability=0.0), boundary=BOUNDARY, newline=0)
    learner = learner_of(dropout=0.0)
    costs = [float(learner.learn(source.next(), 0.05)) for _ in range(60)]
    assert costs[-1] < 0.3 * costs[0]


def test_what_was_learned_is_what_the_numpy_network_computes() -> None:
    learner, source = learner_of(), lanes()
    for _ in range(10):
        learner.learn(source.next(), 0.01)
    inputs = np.random.default_rng(1).integers(0, ROWS, (20, 2))
    network = learner.kept.eval()
    with torch.no_grad():
        expected = network(torch.from_numpy(inputs), network.empty_state(2))[0].numpy()
        ours = Network(CONFIG, {name: weight.copy() for name, weight in network.weights().items()})
    logits, _ = ours.read(inputs.T, ours.start(2))
    np.testing.assert_allclose(logits, expected.transpose(1, 0, 2), atol=1e-5)


def test_evaluation_reads_the_averaged_weights_and_changes_nothing() -> None:
    random = torch.get_rng_state()
    learner, source = learner_of(), lanes()
    learner.learn(source.next(), 0.01)
    assert torch.equal(random, torch.get_rng_state())  # torch is left with its own
    before, batch = bits_of(learner), lanes().next()
    np.testing.assert_array_equal(learner.evaluate([batch]), learner.evaluate([batch]))
    assert bits_of(learner) == before


def gradients(batch: Batch, distillation: float = 0.0) -> tuple[float, dict[str, np.ndarray]]:
    """The cost of a batch and its gradients, divided as in learning, without dropout."""
    learner = learner_of(distillation=distillation, dropout=0.0)
    learner.network.initialise(torch.Generator().manual_seed(1))
    learner._carry(batch.fresh)
    cost, loss = learner._cost_and_loss(batch)
    (loss / batch.weight).backward()  # type: ignore[no-untyped-call]
    found = {name: p.grad.numpy() for name, p in learner.network.named_parameters() if p.grad is not None}
    return cost.item(), found


def test_dropped_weights_are_zero_for_one_step_and_learn_nothing_in_it() -> None:
    network = learner_of(dropout=0.0).network
    batch, weights = lanes().next(), [layer.get_parameter("weight_hh_l0") for layer in network.layers]
    before, dropped = [weight.detach().clone() for weight in weights], []
    for _ in range(2):
        network.zero_grad()
        with network.weights_dropped(0.25):
            dropped.append([weight == 0 for weight in weights])
            for weight, whole, zero in zip(weights, before, dropped[-1], strict=True):
                torch.testing.assert_close(weight, whole * ~zero / 0.75)
                assert 0.15 < zero.float().mean() < 0.35
            network(torch.from_numpy(batch.inputs), network.empty_state(3))[0].square().sum().backward()
        for weight, whole, zero in zip(weights, before, dropped[-1], strict=True):
            assert torch.equal(weight, whole)
            assert weight.grad is not None
            assert torch.equal(weight.grad == 0, zero)
    assert not torch.equal(dropped[0][0], dropped[1][0])


def test_weights_return_after_an_error() -> None:
    network = learner_of().network
    before = {name: weight.copy() for name, weight in network.weights().items()}
    with pytest.raises(KeyboardInterrupt), network.weights_dropped(0.5):
        raise KeyboardInterrupt
    for name, weight in network.weights().items():
        np.testing.assert_array_equal(weight, before[name])


def test_the_more_the_base_teaches_the_more_its_predictions_are_kept() -> None:
    batch, distances = lanes().next(), []
    for distillation in (0.0, 0.4, 0.8):  # with 1.0 there is no gradient, and Muon would enlarge its rounding errors
        learner, source = learner_of(distillation=distillation, dropout=0.0), lanes()
        base = learner_of(distillation=0.0)
        for _ in range(20):
            learner.learn(source.next(), 0.003)
        with torch.no_grad():
            ours, before = (
                network.eval()(torch.from_numpy(batch.inputs), network.empty_state(3))[0].log_softmax(-1)
                for network in (learner.network, base.network)
            )
        distances.append(float((before.exp() * (before - ours)).sum(-1).mean()))
    assert distances[0] > distances[1] > distances[2]


def test_the_text_and_the_base_teach_in_proportion() -> None:
    batch = lanes().next()
    (cost, text), (same, both), (_, base) = (gradients(batch, distillation) for distillation in (0.0, 0.25, 1.0))
    assert cost == pytest.approx(same)
    for name, gradient in both.items():
        np.testing.assert_allclose(gradient, 0.75 * text[name] + 0.25 * base[name], atol=1e-6)


def test_two_ranks_add_up_to_one_also_with_a_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    def added(team: Team) -> list[np.ndarray]:
        """What a rank adds in a step: its cost and its gradients."""
        found: list[np.ndarray] = []
        monkeypatch.setattr(Team, "add_up", lambda team, tensors: found.extend(each.numpy().copy() for each in tensors))
        learner = Learner(CONFIG, dataclasses.replace(RECIPE, distillation=0.3, weight_dropout=0.3), team)
        learner.start_from(random_weights(CONFIG))
        learner.learn(lanes().next(), 0.01)
        return found

    for one, *both in zip(added(Team()), *(added(Team(rank, 2)) for rank in range(2)), strict=True):
        np.testing.assert_allclose(one, sum(both), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("distillation", [0.0, 0.3])
def test_a_line_costs_and_teaches_the_same_whatever_stands_beside_it(distillation: float) -> None:
    lines = [[1, 2, 3], [4, 5, 6, 7, 8, 1, 2], [3]]
    ids = np.array([token for line in lines for token in [*line, BOUNDARY]])
    together = Lines(ids, 3, 20, boundary=BOUNDARY, seed=0).next()
    cost, teaching = gradients(together, distillation)
    costs, sums = 0.0, {name: np.zeros_like(gradient) for name, gradient in teaching.items()}
    for line in lines:
        alone = Lines(np.array([*line, BOUNDARY]), 1, 20, boundary=BOUNDARY, seed=0).next()
        one, own = gradients(dataclasses.replace(alone, weight=together.weight), distillation)
        costs += one
        for name, gradient in own.items():
            sums[name] += gradient
    assert cost == pytest.approx(costs, rel=1e-5)
    for name, gradient in teaching.items():
        np.testing.assert_allclose(gradient, sums[name], atol=1e-6)


STEPS_OF_LARGE_TENSORS = """
import dataclasses, resource
from afterword.runs.environment import check_torch
check_torch()
import numpy as np, torch
torch.set_num_threads(2)
from afterword.learning.batches import Batch
from afterword.learning.learner import Learner
from tests.learning.small import RECIPE, tokenizer_of
T, B, H = 64, 256, 160
recipe = dataclasses.replace(RECIPE, hidden_size=H, num_layers=1, batch_size=B, seq_length=T, optimizer="keras-adam")
learner = Learner(recipe.config(tokenizer_of(10)), recipe)
rows, faults = np.zeros((T, B), np.int64), [0]
for step in range(4):
    learner.learn(Batch(rows, rows, np.zeros(B, np.bool_), weight=1.0, tokens=rows.size), 0.0)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(min(after - before for before, after in zip(faults, faults[1:])))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be set to keep all freed memory")
def test_a_step_reuses_the_memory_of_the_step_before() -> None:
    """A layer's gates take 40 MiB here. By default, glibc returns such blocks, and a step has 40,000 page faults."""
    done = subprocess.run(
        [sys.executable, "-c", STEPS_OF_LARGE_TENSORS], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert int(done.stdout) < 2_000
