"""Laws of the classic recipe: Keras' own numbers, as far as they can be told without it, and the rooms of `auto`."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from afterword.errors import OptionError, TextError
from afterword.language_model import LanguageModel
from afterword.learning.batches import Windows
from afterword.learning.learner import Learner
from afterword.learning.optimizer import KerasAdam
from afterword.model.network.windows import WindowNetwork
from afterword.planning.training_plan import TrainingSettings
from afterword.runs.begin import begin
from afterword.runs.loop import train_run
from afterword.runs.resume import resume
from afterword.runs.run import Run
from afterword.text.corpus import TextSettings
from tests.learning.small import RECIPE, tokenizer_of

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
IDS = np.random.default_rng(0).integers(0, 9, 300)


def run_classic(book: Path, out: Path, **numbers: float) -> Run:
    training = TrainingSettings(recipe="classic", hidden_size=8, threads=1, **numbers)  # type: ignore[arg-type]
    return begin([book], out, TextSettings(), training)


def finish(run: Run) -> LanguageModel:
    for _ in train_run(run):
        pass
    return LanguageModel.load(run.folder.path)


def test_julius_caesar_has_as_many_parameters_as_keras_counts() -> None:
    recipe = dataclasses.replace(SMALL, hidden_size=300, seq_length=50)
    config = recipe.config(tokenizer_of(40))
    assert config.parameters == 1_095_640
    trained = sum(p.numel() for p in Learner(config, recipe).network.parameters() if p.requires_grad)
    assert trained == 1_095_640


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


def test_the_second_biases_stay_zero() -> None:
    learner, source = Learner(SMALL.config(tokenizer_of(9)), SMALL), Windows(IDS, 4, 6, seed=0)
    for _ in range(3):
        learner.learn(source.next(), 0.01)
    weights = learner.network.weights()
    assert not any(weights[f"lstm.bias_hh_l{k}"].any() for k in range(SMALL.num_layers))


def test_dropout_draws_a_new_mask_for_every_element() -> None:
    recipe = dataclasses.replace(SMALL, dropout=0.5)
    network = Learner(recipe.config(tokenizer_of(9)), recipe).network.train()
    dropped = network._drop(torch.ones(20, 2, 50)) == 0
    assert not (dropped == dropped[:1]).all()
    assert 0.4 < dropped.float().mean() < 0.6


def test_the_numpy_network_predicts_from_each_window_what_torch_does() -> None:
    learner = Learner(SMALL.config(tokenizer_of(9)), SMALL)
    network = learner.network.eval()
    weights = {name: weight.copy() for name, weight in network.weights().items()}
    ours = WindowNetwork(SMALL.config(tokenizer_of(9)), weights)
    text = IDS[:20]
    logits, state = ours.read(text[None, :13], ours.start())
    more, _ = ours.read(text[None, 13:], state)
    found = np.concatenate([logits[0], more[0]])
    for t in range(20):
        window = torch.from_numpy(text[max(0, t - 5) : t + 1])[:, None]
        with torch.no_grad():
            expected = network(window, network.empty_state(1))[0][-1, 0].numpy()
        np.testing.assert_allclose(found[t], expected, atol=1e-5)


def test_it_trains_on_all_of_the_lower_cased_text_and_keeps_the_last_weights(text_file: Path, tmp_path: Path) -> None:
    model = finish(run_classic(text_file, tmp_path / "run", steps=5))
    text = text_file.read_text().lower()
    assert model.tokenizer.characters == "".join(sorted(set(text)))
    assert model.about["corpus"]["training"]["characters"] == len(text)
    assert (model.about["training"]["steps"], model.about["validation"]) == (5, None)


def test_one_epoch_is_the_default_and_steps_only_cut_it_short(text_file: Path, tmp_path: Path) -> None:
    text = text_file.read_text()
    in_epoch = math.ceil((len(text) - 50) / 30)
    for steps, numbers in ((in_epoch, {}), (2 * in_epoch, {"epochs": 2}), (in_epoch, {"steps": 10**6})):
        run = run_classic(text_file, tmp_path / f"run{len(list(tmp_path.iterdir()))}", **numbers)
        run.folder.unlock()
        assert run.recipe.steps == steps


def test_a_stopped_and_resumed_run_ends_with_the_same_bits(text_file: Path, tmp_path: Path) -> None:
    finish(run_classic(text_file, tmp_path / "whole", steps=9))
    run = run_classic(text_file, tmp_path / "parted", steps=9)
    asked = iter(range(100))
    for _ in train_run(run, lambda: next(asked) >= 4):
        pass
    finish(resume(run.folder.path))
    files = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("whole", "parted")]
    assert files[0] == files[1]


def test_it_writes_fifty_characters_by_argmax_from_a_window_that_the_seed_draws(
    text_file: Path, tmp_path: Path
) -> None:
    model = finish(run_classic(text_file, tmp_path / "run", steps=3))
    sample = model.generate(seed=1)
    assert (sample.tokens, len(sample.text)) == (50, 50)
    assert sample == model.generate(seed=1)
    text = text_file.read_text().lower()
    window = next(model._saved.text[None, k : k + 50] for k in [text.index("12th line")])  # type: ignore[index]
    # by hand: read each window anew, take the likeliest, let the window slide by one
    ids = window[0].tolist()
    network = model._saved.network()
    for _ in range(10):
        logits, _ = network.read(np.array([ids[-50:]]), network.start())
        ids.append(int(logits[0, -1].argmax()))
    prompt = model.tokenizer.decode(window[0].tolist())
    assert model.generate(prompt, max_tokens=10, seed=2).text == model.tokenizer.decode(ids[50:])


def test_a_character_costs_what_the_fifty_before_it_say(text_file: Path, tmp_path: Path) -> None:
    model = finish(run_classic(text_file, tmp_path / "run", steps=3))
    text = text_file.read_text().lower()[:90]
    score = model.score(text)
    ids = model.tokenizer.encode(text)
    network = model._saved.network()
    assert score.token_nats[0] == pytest.approx(math.log(len(model.tokenizer.characters)))
    for t in (1, 30, 50, 51, 89):
        logits, _ = network.read(ids[None, max(0, t - 50) : t], network.start())
        expected = -network.token_log_probabilities(logits[0, -1], ids[t : t + 1][0])
        assert score.token_nats[t] == pytest.approx(float(expected), abs=1e-4)


def test_what_it_cannot_do_is_refused_in_one_line(text_file: Path, tmp_path: Path) -> None:
    model = finish(run_classic(text_file, tmp_path / "run", steps=1))
    with pytest.raises(TextError, match="é"):
        model.generate("é")
    training = TrainingSettings(recipe="classic", steps=1)
    for text, says in ((TextSettings(lines=True), "lines"), (TextSettings(vocabulary="byte"), "vocabulary")):
        with pytest.raises(OptionError, match=says):
            begin([text_file], tmp_path / "no", text, training)
    with pytest.raises(OptionError, match="embedding"):
        run_classic(text_file, tmp_path / "no", embedding_size=3)
    assert not (tmp_path / "no").exists()


def test_a_large_texts_beginning_is_enough_to_begin_writing_from(
    text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afterword.runs.run.OPENINGS", 60)
    model = finish(run_classic(text_file, tmp_path / "run", steps=2, seq_length=12))
    assert model._saved.text is not None
    assert model.tokenizer.decode(model._saved.text.tolist()) == text_file.read_text()[:60].lower()
    assert model.generate(max_tokens=5, seed=1).tokens == 5
