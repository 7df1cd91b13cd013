"""The classic recipe against Keras 3 itself, on Julius Caesar: python -m benchmarks.classic [--epoch]

Keras and TensorFlow live in an environment of their own, .venv-keras. Without --epoch: the same losses and weights from
the same start, parameters, seconds per training step and per written character, in turns (some three minutes). With
--epoch: one epoch of each, and `auto` in a quarter of Keras' time (some fifteen minutes). Alone on the machine.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # as `afterword train` does

import click
import numpy as np

import afterword
from afterword.learning.batches import window_batch
from afterword.learning.learner import Learner
from afterword.learning.recipe import Recipe
from afterword.model.network.config import Config
from afterword.planning.classic import recipe_without_steps
from afterword.planning.training_plan import TrainingSettings
from afterword.text.characters import ClassicTokenizer
from benchmarks.commands import DATA, as_written, measured_here, peer_python, run_peer, split, write_result
from tests.reading import read_text

TEXT = DATA / "julius_caesar.txt"
WINDOW, HIDDEN = 50, 300


def keras_python() -> Path:
    """The Python of Keras' own environment, which is made where it is missing."""
    return peer_python("keras", "keras>=3", "tensorflow-cpu")


def keras(task: str, **given: Any) -> Any:
    """Run a task of peers/keras_classic.py in Keras' own environment."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, **given)
        run_peer(keras_python(), "keras_classic.py", task, source, target)
        return dict(np.load(target))


def recipe_with(**numbers: Any) -> Recipe:
    """The classic recipe, some numbers replaced."""
    return dataclasses.replace(recipe_without_steps(TrainingSettings(recipe="classic")), **numbers)


def as_keras(learner: Learner) -> dict[str, np.ndarray]:
    """The weights in Keras' shapes and order: kernel, recurrent kernel, bias a layer, then the softmax's."""
    weights = learner.network.weights()
    found = []
    for k in range(2):
        found += [weights[f"lstm.weight_ih_l{k}"].T, weights[f"lstm.weight_hh_l{k}"].T, weights[f"lstm.bias_ih_l{k}"]]
    found += [weights["output.weight"].T, weights["output.bias"]]
    return {f"weight{k}": weight.copy() for k, weight in enumerate(found)}


def starts_of(batches: int, ids: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).integers(0, len(ids) - WINDOW, (batches, 30))


def compare_steps(ids: np.ndarray, config: Config) -> None:
    learner = Learner(config, recipe_with(dropout=0.0))
    batches = starts_of(20, ids)
    theirs = keras(
        "steps", ids=ids, sizes=[config.vocabulary_size, HIDDEN, WINDOW], batches=batches, **as_keras(learner)
    )
    losses = []
    for k, starts in enumerate(batches):
        losses.append(learner.learn(window_batch(ids, starts, WINDOW), 1e-3) / len(starts))
        if k == 0:
            ours = as_keras(learner)
            weights = max(float(np.abs(theirs[name] - ours[name]).max()) for name in ours)
    difference = np.abs(np.array(losses) - theirs["losses"]).max()
    print(f"Keras {theirs['keras']}, same weights, same batches, no dropout, float32:")
    print(f"  largest difference of a loss over 20 steps {difference:.1e} (asked: 1e-4)")
    print(f"  largest difference of a weight after one step {weights:.1e} (asked: 1e-5)")
    print(f"  parameters {config.parameters:,}, Keras counts {int(theirs['parameters']):,}")


def compare_times(ids: np.ndarray, config: Config, rounds: int = 3) -> None:
    sizes = [config.vocabulary_size, HIDDEN, WINDOW]
    learner, batches = Learner(config, recipe_with()), starts_of(35, ids)
    ours, theirs = [], []
    for _ in range(rounds):
        theirs.append(float(np.median(keras("time", ids=ids, sizes=sizes, batches=batches)["times"])))
        times = []
        for starts in batches:
            batch = window_batch(ids, starts, WINDOW)
            begin = time.perf_counter()
            learner.learn(batch, 1e-3)
            times.append(time.perf_counter() - begin)
        ours.append(statistics.median(times[5:]))
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    one, other = (1e3 * statistics.median(values) for values in (ours, theirs))
    print(f"a training step, in turn: {one:.0f} ms, Keras {other:.0f} ms, ratio {ratio:.2f} (asked: 0.8)")


def compare_writing(text: str, ids: np.ndarray, config: Config, rounds: int = 3) -> None:
    sizes = [config.vocabulary_size, HIDDEN, WINDOW]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "text.txt")
        source.write_text(text, encoding="utf-8")
        model = afterword.train(source, recipe="classic", steps=1)
        auto = afterword.train(source, steps=1, lowercase=True, num_layers=2, hidden_size=300)
    ours, theirs, carried = [], [], []
    for _ in range(rounds):
        theirs.append(float(np.median(keras("predict", ids=ids, sizes=sizes)["times"])))
        ours.append(seconds_per_character(model, 100))
        carried.append(seconds_per_character(auto, 2000))
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    one, other, third = (1e3 * statistics.median(values) for values in (ours, theirs, carried))
    print(f"writing a character, in turn: {one:.2f} ms, Keras' predict {other:.1f} ms: {ratio:.0f} times (asked: 20)")
    print(f"  auto of the same size, which carries its state: {third:.3f} ms")


def seconds_per_character(model: afterword.LanguageModel, tokens: int) -> float:
    begin = time.perf_counter()
    model.generate(max_tokens=tokens, seed=1)
    return (time.perf_counter() - begin) / tokens


def compare_epochs(text: str, held_out: str, ids: np.ndarray, config: Config) -> None:
    tokenizer = ClassicTokenizer.of(set(text), lowercase=True)
    rest, start = tokenizer.encode(held_out), 1000
    theirs = keras("epoch", ids=ids, sizes=[len(set(text)), HIDDEN, WINDOW], held_out=rest, start=start)
    rows = [("Keras", float(theirs["loss"]), float(theirs["seconds"]), tokenizer.decode(theirs["written"].tolist()))]
    minutes = float(theirs["seconds"]) / 60 / 4
    for recipe in ("classic", "auto"):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "text.txt")
            source.write_text(text, encoding="utf-8")
            out = Path(folder, "run")
            if recipe == "classic":
                model = afterword.train(source, recipe=recipe, base="none", out=out)
            else:
                model = afterword.train(source, base="none", minutes=minutes, lowercase=True, out=out)
            seconds = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])["seconds"]
        loss = float(model.score(held_out).token_nats[WINDOW:].mean())
        prompt = text[start : start + WINDOW]
        rows.append((recipe, loss, seconds, model.generate(prompt, max_tokens=50, temperature=0, seed=0).text))
    print("one epoch on the first 90 % of Julius Caesar, lower-cased; auto has a quarter of Keras' time:")
    for name, loss, took, written in rows:
        print(f"  {name:8} held out {loss / math.log(2):.3f} bits per character, {took:.0f} s, writes {written!r}")
    write_result("classic", rows=rows, **measured_here(), keras=str(theirs["keras"]))


@click.command(help=as_written(__doc__))
@click.option("--epoch", is_flag=True, help="train for one epoch instead")
def main(epoch: bool) -> None:
    whole = read_text([TEXT])[0].lower()
    text, held_out = split(whole)
    tokenizer = ClassicTokenizer.of(set(text if epoch else whole), lowercase=True)
    ids, config = tokenizer.encode(text), recipe_with().config(tokenizer)
    if epoch:
        compare_epochs(text, held_out, ids, config)
    else:
        compare_steps(ids, config)
        compare_times(ids, config)
        compare_writing(text, ids, config)


if __name__ == "__main__":
    main()
