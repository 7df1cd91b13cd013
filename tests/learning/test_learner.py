"""Laws of learning: the same bits from the same seed, from a checkpoint too, and lines that do not touch each other."""

from __future__ import annotations

import contextlib
import dataclasses
import platform
import sys
from typing import Any

import numpy as np
import pytest
import torch

from afterword.learning.batches import Batch, Lanes, Lines
from afterword.learning.learner import Learner
from afterword.learning.optimizer import EARLY, OPTIMIZERS
from afterword.learning.ranks import Team
from tests.bases.small import random_weights
from tests.learning.small import RECIPE, tokenizer_of
from tests.processes import finished

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


HALF = pytest.mark.skipif(not bfloat16_runs(), reason="this processor's LSTM has no bfloat16")


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


@pytest.mark.parametrize("memory", [{"weight": torch.zeros(1)}, {"called": 3}])
def test_what_an_optimizer_remembers_that_no_checkpoint_can_hold_is_refused(memory: dict[str, Any]) -> None:
    learner = learner_of(optimizer="remembering")
    learner.learn(lanes().next(), 0.01)
    next(iter(learner._optimizers[0].state.values())).update(memory)
    with pytest.raises(TypeError, match="no checkpoint can hold"):
        learner.tensors()


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


@pytest.mark.parametrize("averaging", [RECIPE.averaging, None])
def test_of_two_trainings_the_mean_is_kept_and_the_second_has_no_teacher_or_dropout(averaging: float | None) -> None:
    learner, source, base = (
        learner_of(averaging=averaging, distillation=0.3, dropout=0.5),
        lanes(),
        random_weights(CONFIG),
    )
    for _ in range(4):
        learner.learn(source.next(), 0.01)
    first = {name: weight.copy() for name, weight in learner.kept.weights().items()}
    learner.begin_again(base, 4)
    np.testing.assert_equal(learner.kept.weights(), first)
    np.testing.assert_equal(learner.network.weights(), base)
    plain = learner_of(distillation=0.0, dropout=0.0)
    for _ in range(12):
        batch = source.next()
        batch.fresh[:] |= learner.step == 4  # as for one that begins
        assert learner.learn(batch, 0.01) == plain.learn(batch, 0.01)
    np.testing.assert_equal(learner.network.weights(), plain.network.weights())
    second = learner._average.weights()
    for name, weight in learner.kept.weights().items():
        np.testing.assert_allclose(weight, 0.25 * first[name] + 0.75 * second[name], atol=1e-6)


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
    with network.weights_dropped(0.5):
        pass  # without a gradient
    for _ in range(2):
        network.zero_grad()
        with contextlib.suppress(KeyboardInterrupt), network.weights_dropped(0.25):
            dropped.append([weight == 0 for weight in weights])
            for weight, whole, zero in zip(weights, before, dropped[-1], strict=True):
                torch.testing.assert_close(weight, whole * ~zero / 0.75)
                assert 0.15 < zero.float().mean() < 0.35
            network(torch.from_numpy(batch.inputs), network.empty_state(3))[0].square().sum().backward()
            raise KeyboardInterrupt  # whatever happens, they return
        for weight, whole, zero in zip(weights, before, dropped[-1], strict=True):
            assert torch.equal(weight, whole)
            assert weight.grad is not None
            assert torch.equal(weight.grad == 0, zero)
    assert not torch.equal(dropped[0][0], dropped[1][0])


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
    alone = [Lines(np.array([*line, BOUNDARY]), 1, 20, boundary=BOUNDARY, seed=0).next() for line in lines]
    each = [gradients(dataclasses.replace(one, weight=together.weight), distillation) for one in alone]
    assert cost == pytest.approx(sum(own for own, _ in each), rel=1e-5)
    for name, gradient in teaching.items():
        np.testing.assert_allclose(gradient, sum(own[name] for _, own in each), atol=1e-6)


STEPS_OF_LARGE_TENSORS = """
import dataclasses, resource
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
    assert int(finished([sys.executable, "-c", STEPS_OF_LARGE_TENSORS]).stdout) < 2_000
