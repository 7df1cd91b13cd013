"""Laws of the classic recipe: Keras' own numbers, as far as they can be told without it, and the rooms of `auto`."""

from __future__ import annotations

import dataclasses
import math
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from afterword.errors import TextError
from afterword.language_model import LanguageModel
from afterword.learning.batches import Windows
from afterword.learning.learner import Learner
from afterword.learning.optimizer import KerasAdam
from afterword.model.network.network import log_probabilities
from afterword.runs.run import Run
from tests.learning.small import RECIPE, tokenizer_of
from tests.runs.conftest import BOOK, begin_in
from tests.runs.test_run import finish

SMALL = dataclasses.replace(
    RECIPE,
    recipe="classic",
    embedding_size=1,
    residual=False,
    input="number",
    windows=True,
    seq_length=6,
    locked_dropout=False,
    optimizer="keras-adam",
    schedule="constant",
    weight_decay=0.0,
    clip=None,
    averaging=None,
    keep="last",
)
CLASSIC: dict[str, Any] = {"recipe": "classic", "hidden_size": 8, "dropout": None, "num_layers": None}
IDS = np.random.default_rng(0).integers(0, 9, 300)


def trained(place: Path, **asked: Any) -> LanguageModel:
    return LanguageModel.load(finish(begin_in(place, **CLASSIC | asked)).folder.path)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return trained(tmp_path_factory.mktemp("classic"), steps=5)


def test_julius_caesar_has_as_many_parameters_as_keras_counts() -> None:
    recipe = dataclasses.replace(SMALL, hidden_size=300, seq_length=50)
    config = recipe.config(tokenizer_of(40))
    trained = sum(p.numel() for p in Learner(config, recipe).network.parameters() if p.requires_grad)
    assert config.parameters == trained == 1_095_640


def test_one_step_of_adam_is_keras_formula() -> None:
    weight, gradients = torch.tensor([1.0, -2.0], dtype=torch.float64), [[0.5, 1e-7], [-0.25, 3e-7], [0.1, 0.0]]
    w, m, v = weight.numpy().copy(), np.zeros(2), np.zeros(2)
    optimizer = KerasAdam([weight], 1e-3)
    for t, gradient in enumerate(gradients, start=1):
        g = np.array(gradient)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w -= 1e-3 * math.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-7)
        weight.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        np.testing.assert_allclose(weight.numpy(), w, rtol=1e-12)


def test_the_weights_begin_as_keras_has_them() -> None:
    recipe = dataclasses.replace(SMALL, hidden_size=64)
    weights = Learner(recipe.config(tokenizer_of(10)), recipe).network.weights()
    for k, width in enumerate((1, 64)):
        limit = math.sqrt(6 / (width + 4 * 64))
        kernel = weights[f"lstm.weight_ih_l{k}"]
        assert 0.9 * limit < np.abs(kernel).max() <= limit
        recurrent = weights[f"lstm.weight_hh_l{k}"]
        np.testing.assert_allclose(recurrent.T @ recurrent, np.eye(64), atol=1e-5)
        bias = weights[f"lstm.bias_ih_l{k}"].reshape(4, 64)
        assert bias.tolist() == [[0.0] * 64, [1.0] * 64, [0.0] * 64, [0.0] * 64]
    assert "embedding.weight" not in weights
    learner, source = Learner(SMALL.config(tokenizer_of(9)), SMALL), Windows(IDS, 4, 6, seed=0)
    for _ in range(3):
        learner.learn(source.next(), 0.01)
    weights = learner.network.weights()
    assert not any(weights[f"lstm.bias_hh_l{k}"].any() for k in range(SMALL.num_layers))  # the second ones stay zero


def test_dropout_draws_a_new_mask_for_every_element() -> None:
    recipe = dataclasses.replace(SMALL, dropout=0.5)
    network = Learner(recipe.config(tokenizer_of(9)), recipe).network.train()
    dropped = network._drop(torch.ones(20, 2, 50)) == 0
    assert not (dropped == dropped[:1]).all()
    assert 0.4 < dropped.float().mean() < 0.6


def test_it_trains_on_all_of_the_lower_cased_text_and_keeps_the_last_weights(model: LanguageModel) -> None:
    text = BOOK.lower()
    assert model.tokenizer.characters == "".join(sorted(set(text)))
    assert model.about["corpus"]["training"]["characters"] == len(text)
    assert (model.about["training"]["steps"], model.about["validation"]) == (5, None)


def test_one_epoch_is_the_default_and_steps_only_cut_it_short(begin_run: Callable[..., Run]) -> None:
    in_epoch = math.ceil((len(BOOK) - 50) / 30)
    for epochs, asked in enumerate(({"steps": 10**6}, {}, {"epochs": 2})):
        run = begin_run(f"run{epochs}", **CLASSIC | {"steps": None} | asked)
        assert run.recipe.steps == max(1, epochs) * in_epoch


def test_it_writes_fifty_characters_by_argmax_from_a_window_that_the_seed_draws(model: LanguageModel) -> None:
    sample = model.generate(seed=1)
    assert (sample.tokens, len(sample.text)) == (50, 50)
    assert sample == model.generate(seed=1)
    prompt = BOOK.lower()[BOOK.index("12th line") :][:50]
    ids, network = model.tokenizer.encode(prompt).tolist(), model.saved.network()
    for _ in range(10):  # by hand: read each window anew, take the likeliest, let the window slide by one
        logits, _ = network.read(np.array([ids[-50:]]), network.start())
        ids.append(int(logits[0, -1].argmax()))
    assert model.generate(prompt, max_tokens=10, seed=2).text == model.tokenizer.decode(ids[50:])
    with pytest.raises(TextError, match="é"):
        model.generate("é")


def test_a_large_texts_beginning_is_enough_to_write_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afterword.runs.run.OPENINGS", 60)
    model = trained(tmp_path, steps=2, seq_length=12)
    assert model.saved.text is not None
    assert model.tokenizer.decode(model.saved.text.tolist()) == BOOK[:60].lower()
    assert model.generate(max_tokens=5, seed=1).tokens == 5


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Keras' own
def test_the_founding_program_of_the_page_writes_with_keras_what_we_write_with_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip("keras", reason="Keras is not installed: make test-keras")
    monkeypatch.chdir(tmp_path)
    text = BOOK[:500]
    Path("julius_caesar.txt").write_text(text)
    page = (Path(__file__).parents[2] / "docs" / "classic.md").read_text(encoding="utf-8")
    *learning, writing = map(textwrap.dedent, re.findall(r"^ *```python\n(.*?)^ *```", page, re.DOTALL | re.MULTILINE))
    made: dict[str, Any] = {}
    exec("".join(learning), made)
    monkeypatch.setattr(np.random, "randint", lambda low, high: 7)  # the window that it begins with
    capsys.readouterr()
    exec(writing, made)
    theirs, given = capsys.readouterr().out, made["model"].get_weights()
    saved = trained(tmp_path, steps=1, hidden_size=300).saved
    names = ("weight_ih", "weight_hh", "bias_ih")
    weights = {f"lstm.{name}_l{k}": given[3 * k + n].T for k in range(2) for n, name in enumerate(names)}
    weights |= {f"lstm.bias_hh_l{k}": 0 * weights[f"lstm.bias_ih_l{k}"] for k in range(2)}
    weights |= {"output.weight": given[6].T, "output.bias": given[7]}
    assert weights.keys() == saved.weights.keys()
    weights = {name: np.ascontiguousarray(weight) for name, weight in weights.items()}
    ours = LanguageModel(dataclasses.replace(saved, weights=weights))
    assert ours.tokenizer.characters == "".join(made["characters"])
    window = np.array([made["ids"][7:57]])
    logits, _ = ours.network().read(window, ours.network().start())
    scaled = np.reshape(window, (1, 50, 1)) / len(made["characters"])
    np.testing.assert_allclose(np.exp(log_probabilities(logits[0, -1])), made["model"].predict(scaled)[0], atol=1e-5)
    assert ours.generate(text.lower()[7:57]).text == theirs
