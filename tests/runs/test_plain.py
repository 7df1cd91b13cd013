"""A plain recurrent network, `--cell rnn`: learned by torch, run by NumPy, the same numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from afterword.language_model import LanguageModel
from afterword.model.network import cell
from afterword.model.network.config import Config, weight_shapes
from afterword.model.network.network import Network
from afterword.runs.run import Run
from tests.runs.conftest import BOOK
from tests.runs.test_run import finish


@pytest.mark.parametrize("seed", range(5))
def test_the_numpy_network_is_nn_rnn(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows, embedding, hidden, layers, lanes, steps = random.integers(1, [40, 20, 50, 4, 5, 30]).tolist()
    config = Config(rows, 1, embedding, hidden, layers, cell="rnn")
    bound = hidden**-0.5
    weights = {n: random.uniform(-bound, bound, s).astype(np.float32) for n, s in weight_shapes(config).items()}
    tensors = {name: torch.from_numpy(weight) for name, weight in weights.items()}
    rnn = torch.nn.RNN(embedding, hidden, layers, batch_first=True)
    rnn.load_state_dict({n.removeprefix("rnn."): t for n, t in tensors.items() if n.startswith("rnn.")})
    ids = random.integers(0, rows, (lanes, steps))
    with torch.no_grad():
        outputs, last = rnn(tensors["embedding.weight"][torch.from_numpy(ids)])
    expected = outputs @ tensors["output.weight"].T + tensors["output.bias"]
    network = Network(config, weights)
    logits, state = network.read(ids, network.start(lanes))
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(state.hidden, last, rtol=0, atol=1e-5)
    assert not state.cell.any()


def test_the_numpy_network_computes_what_the_cell_defines() -> None:
    config = Config(7, 1, 3, 5, 2, cell="rnn", residual=True)
    random = np.random.default_rng(0)
    weights = {n: random.normal(0, 0.5, s).astype(np.float32) for n, s in weight_shapes(config).items()}
    network = Network(config, weights)
    ids = random.integers(0, 7, (3, 6))
    hidden = np.zeros((2, 3, 5), np.float32)
    for column in ids.T:
        x = weights["embedding.weight"][column]
        for k in range(2):
            hidden[k] = cell.plain_step(cell.layer_weights(weights, k, "rnn"), x, hidden[k])
            x = hidden[k] + x if k else hidden[k].copy()
    _, state = network.read(ids, network.start(3))
    np.testing.assert_allclose(state.hidden, hidden, rtol=0, atol=1e-5)


def test_it_writes_and_scores_as_it_was_measured(begin_run: Callable[..., Run]) -> None:
    run = finish(begin_run(cell="rnn"))
    model = LanguageModel.load(run.folder.path)
    assert model.info()["cell"] == model.config.cell == "rnn"
    assert model.parameters == sum(np.prod(shape) for shape in weight_shapes(model.config).values())
    assert model.generate("The", seed=1, max_tokens=20).tokens == 20
    held_out = run.encoded.tokenizer.decode(run.encoded.validation)
    measured = model.about["validation"]["lstm"]
    assert model.score(held_out).apart["lstm"] == pytest.approx(measured, abs=0.02)
    assert measured < np.log(len(set(BOOK)))
    assert "RNN" in (run.folder.model / "README.md").read_text()
