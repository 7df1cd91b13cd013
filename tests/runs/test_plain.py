"""A plain recurrent network, `--cell rnn`: learned by torch, run by NumPy, the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from afterword.errors import OptionError
from afterword.language_model import LanguageModel, load
from afterword.model.network import cell
from afterword.model.network.config import Config, weight_shapes
from afterword.model.network.network import Network
from afterword.operations.train import train
from afterword.planning.training_plan import TrainingSettings


def trained(text: Path, out: Path, **settings: object) -> LanguageModel:
    options = {"steps": 24, "hidden_size": 12, "num_layers": 2, "threads": 1, "checkpoint_every": 5} | settings
    return train(text, out=out, cell="rnn", **options)  # type: ignore[arg-type]


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


def test_it_trains_writes_scores_and_is_saved(text_file: Path, tmp_path: Path) -> None:
    model = trained(text_file, tmp_path / "run")
    assert model.info()["cell"] == model.config.cell == "rnn"
    assert model.parameters == sum(np.prod(shape) for shape in weight_shapes(model.config).values())
    again = load(tmp_path / "run")
    assert again.generate("The", seed=1, max_tokens=20) == model.generate("The", seed=1, max_tokens=20)
    text = text_file.read_text()
    held_out = text[len(text) - model.about["corpus"]["validation"]["characters"] :]
    measured = model.about["validation"]["lstm"]
    assert model.score(held_out).apart["lstm"] == pytest.approx(measured, abs=0.02)
    assert measured < np.log(len(set(text)))
    assert "RNN" in (tmp_path / "run" / "model" / "README.md").read_text()


def test_it_resumes_with_the_same_bits(text_file: Path, tmp_path: Path) -> None:
    from afterword.runs import loop
    from afterword.runs.begin import begin
    from afterword.runs.resume import resume
    from afterword.text.corpus import TextSettings

    settings = TrainingSettings(steps=12, cell="rnn", hidden_size=8, threads=1, checkpoint_every=4)
    for name, stop in (("whole", 99), ("cut", 6)):
        run, taken = begin([text_file], tmp_path / name, TextSettings(), settings), iter(range(99))
        for _ in loop.train_run(run, lambda taken=taken, stop=stop: next(taken) >= stop):  # type: ignore[misc]
            pass
    for _ in loop.train_run(resume(tmp_path / "cut")):
        pass
    one, two = (load(tmp_path / name)._saved.weights for name in ("whole", "cut"))
    assert {name: weight.tobytes() for name, weight in one.items()} == {n: w.tobytes() for n, w in two.items()}


def test_the_classic_recipe_and_unknown_cells_are_refused(text_file: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cell rnn: the classic recipe is made of LSTM cells"):
        train(text_file, out=tmp_path / "run", recipe="classic", cell="rnn", steps=1)
    with pytest.raises(OptionError, match="cell= must be one of lstm, rnn, not gru"):
        train(text_file, out=tmp_path / "run", cell="gru", steps=1)  # type: ignore[arg-type]
