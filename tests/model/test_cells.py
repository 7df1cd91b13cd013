"""Laws of every kind of cell in the table."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from afterword.errors import ModelError, OptionError
from afterword.inspection.trace import openness
from afterword.language_model import LanguageModel
from afterword.model.folder.saved import SavedModel
from afterword.model.network.cell import layer_weights, plain_step
from afterword.model.network.cells import CELLS, Cell, Claimant
from afterword.model.network.config import Config
from afterword.model.network.holding import GATES_AND_STATES, Hold, held_values
from afterword.model.network.network import Network, log_probabilities
from afterword.web.engine import Packed
from tests.bases.small import base_of
from tests.cases import cases
from tests.tiny import random_weights

torch = pytest.importorskip("torch")

from afterword.learning.trainable import TrainableNetwork  # noqa: E402
from afterword.planning import classic  # noqa: E402
from afterword.planning.training_plan import TrainingSettings  # noqa: E402
from afterword.runs.loop import train_run  # noqa: E402
from tests.runs.conftest import BOOK, begin_in  # noqa: E402

ROOT = Path(__file__).parents[2]
SHAPES = [tuple(int(n) for n in row) for row in np.random.default_rng(0).integers(1, [80, 70, 90, 4, 6, 30], (10, 6))]
every_cell = pytest.mark.parametrize("cell", CELLS)


def both(config: Config, seed: int) -> tuple[Network, Any]:
    """The network, and a function ids, state → logits, state made of torch's modules, with the same weights."""
    weights = random_weights(config, config.hidden_size**-0.5, seed)
    tensors = {name: torch.from_numpy(weight) for name, weight in weights.items()}
    sizes = config.embedding_size, config.hidden_size, config.num_layers
    cells = getattr(torch.nn, config.kind.name)(*sizes, batch_first=True)
    own = f"{config.cell}."
    cells.load_state_dict({name.removeprefix(own): tensor for name, tensor in tensors.items() if name.startswith(own)})

    def reference(ids: Any, state: Any) -> Any:
        with torch.no_grad():
            outputs, state = cells(tensors["embedding.weight"][torch.from_numpy(ids)], state)
        return (outputs @ tensors["output.weight"].T + tensors["output.bias"]).numpy(), state

    return Network(config, weights), reference


@every_cell
@pytest.mark.parametrize("shape", SHAPES)
def test_logits_state_and_number_of_parameters_are_those_of_torch(cell: Any, shape: tuple[int, ...]) -> None:
    rows, embedding, hidden, layers, lanes, steps = shape
    config = Config(rows, 1, embedding, hidden, layers, cell=cell)
    network, reference = both(config, sum(shape))
    ids = np.random.default_rng(1).integers(0, rows, (lanes, steps))
    logits, state = network.read(ids, network.start(lanes))
    expected, after = reference(ids, None)
    hidden_and_cell = after if "cell" in config.kind.parts else (after, np.zeros_like(after))
    for found, wanted in zip((logits, state.hidden, state.cell), (expected, *hidden_and_cell), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
    cells = getattr(torch.nn, config.kind.name)(embedding, hidden, layers)
    assert config.parameters == sum(one.numel() for one in cells.parameters()) + rows * (embedding + hidden + 1)


SIZES: list[dict[str, Any]] = [
    *({"cell": cell} for cell in CELLS),
    {"num_layers": 3, "residual": True},
    {"num_layers": 2, "residual": False},
    {"input": "number", "embedding_size": 1},
]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_the_module_of_a_model_computes_what_the_model_computes_and_is_its_own(sizes: dict[str, Any]) -> None:
    model = LanguageModel(base_of("\nabcdé", **sizes).model)
    rows = np.random.default_rng(1).integers(0, model.config.vocabulary_size, (3, 7))
    network, module = model.network(), model.module()
    expected = network.read(rows, network.start(3))[0]
    state = module.empty_state(3)
    for part in (slice(0, 2), slice(2, 7)):  # the second reading carries the state of the first
        found, state = module(torch.from_numpy(rows[:, part].T), state)
        np.testing.assert_allclose(found.detach().numpy().swapaxes(0, 1), expected[:, part], rtol=0, atol=1e-5)
    with torch.no_grad():
        module.output.bias.add_(1)
    assert np.array_equal(network.read(rows, network.start(3))[0], expected)


@every_cell
def test_the_gradient_is_what_a_small_change_of_the_weights_does_to_the_network(cell: Any) -> None:
    config = Config(9, 1, 4, 6, 2, cell=cell, residual=True)
    weights, ids = random_weights(config), np.random.default_rng(1).integers(0, 9, (3, 12))
    ways = random_weights(config, 0.002, seed=2)
    module = TrainableNetwork(config).load(weights)
    logits, _ = module(torch.from_numpy(ids[:, :-1].T), module.empty_state(3))
    costs = torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.from_numpy(ids[:, 1:].T.flatten()))
    costs.backward()
    gradients: list[Any] = [parameter.grad for parameter in module.parameters()]

    def cost(step: int) -> float:
        network = Network(config, {name: weight + step * ways[name] for name, weight in weights.items()})
        logits, _ = network.read(ids[:, :-1], network.start(3))
        return float(-np.take_along_axis(log_probabilities(logits), ids[:, 1:, None], axis=-1).mean())

    slope = sum(np.vdot(one.numpy(), ways[name]) for one, name in zip(gradients, module.weights(), strict=True))
    assert (cost(1) - cost(-1)) / 2 == pytest.approx(slope, rel=0.01, abs=1e-5)


def test_the_lessons_step_of_a_plain_network_is_the_networks() -> None:
    network, _ = both(config := Config(5, 1, 4, 6, 1, cell="rnn"), 0)
    weights, x, hidden = random_weights(config, 6**-0.5, 0), np.ones((2, 4), np.float32), np.ones((2, 6), np.float32)
    layer = layer_weights(weights, 0, "rnn")
    outputs = np.empty((1, 2, 6), np.float32)
    network._layers[0].run(outputs, [network._layers[0].project(x)], hidden, hidden, None, None)
    np.testing.assert_allclose(plain_step(layer, x, hidden), outputs[0], rtol=0, atol=1e-6)


@every_cell
@pytest.mark.parametrize("part", GATES_AND_STATES)
def test_each_part_of_a_cell_is_traced_and_can_be_held_and_no_other(cell: Any, part: str) -> None:
    config = Config(9, 1, 4, 6, 2, cell=cell)
    network, ids, hold = Network(config, random_weights(config)), np.zeros((3, 5), np.int64), Hold(part, 0.5, 1, 2)
    if part in CELLS[cell].parts:
        network = network.holding(held_values([hold], config))
        held = getattr(network.trace(ids, network.start(3))[0].steps[1], part)
        assert held.shape == (5, 3, 6)
        assert (held[..., 2] == 0.5).all()
        assert np.ptp(held[..., 3])
    else:
        with pytest.raises(OptionError, match=f"hold: cell= {cell} has no {part}; hold a unit"):
            held_values([hold], config)
        traced = getattr(network.trace(ids, network.start(3))[0].steps[1], part)
        assert not traced.any()
        assert traced.shape[2] == (6 if part == "cell" else 0)


MADE: dict[Claimant, Callable[[SavedModel, Path], Any]] = {
    "engine fast": lambda model, path: model.predictor(engine="fast"),
    "a page": lambda model, path: Packed(model, 1),
    "the classic recipe": lambda model, path: classic.recipe_without_steps(TrainingSettings(cell=model.config.cell)),
    **cases("MADE"),
}


@every_cell
@pytest.mark.parametrize("by", MADE)
def test_whatever_is_made_for_some_cells_takes_these_and_refuses_others_in_one_line(
    cell: Any, by: Claimant, tmp_path: Path
) -> None:
    model = base_of("\nab", cell=cell).model
    if by in CELLS[cell].claimed_by:
        MADE[by](model, tmp_path / "x")
    else:
        with pytest.raises(OptionError, match=f"^{by} is only for cell= lstm, not {cell}$"):
            MADE[by](model, tmp_path / "x")
        assert list(tmp_path.iterdir()) == []


@every_cell
def test_a_run_of_each_cell_learns_writes_and_scores_as_it_was_measured_and_says_what_it_is(
    cell: Any, tmp_path: Path
) -> None:
    run = begin_in(tmp_path, cell=cell)
    assert (run.record.expected is None) or "an expected cost" in CELLS[cell].claimed_by
    notes = [note for report in train_run(run) for note in report.notes]
    model = LanguageModel.load(run.folder.path)
    assert model.info()["cell"] == model.config.cell == cell
    assert model.generate("The", seed=1, max_tokens=20).tokens == 20
    measured = model.about["validation"]["lstm"]
    held_out = run.encoded.tokenizer.decode(run.encoded.validation)
    assert model.score(held_out).apart["lstm"] == pytest.approx(measured, abs=0.02)
    assert measured < np.log(len(set(BOOK)))
    assert f"A small {CELLS[cell].name}, trained" in (run.folder.model / "README.md").read_text()
    assert all("--base" not in note for note in notes) or "the bases" in CELLS[cell].claimed_by
    if "forget" not in CELLS[cell].parts:
        with pytest.raises(ModelError, match="none of an LSTM's gates"):
            openness(model.gates("one and one"))


def test_the_types_and_the_documentation_list_the_kinds_of_the_table() -> None:
    assert list(get_args(Cell)) == list(CELLS)
    assert {*MADE, "an expected cost", "the bases"} <= {*get_args(Claimant)}  # a wing that is off makes nothing
    rows = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    assert all(f"| `--cell {cell}` |" in rows for cell in CELLS if cell != TrainingSettings().cell)


def test_a_module_needs_pytorch_and_a_model_that_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    model = LanguageModel(base_of("\nab").model)
    with pytest.raises(OptionError, match="a held model cannot become a module: leave out hold"):
        model.hold("forget=1").module()
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(OptionError, match=r"a module needs PyTorch: pip install 'afterword\[train\]'"):
        model.module()
