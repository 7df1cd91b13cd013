"""The classic recipe against Keras 3 itself, on Julius Caesar: python -m benchmarks.classic

Keras and TensorFlow live in an environment of their own, .venv-keras. It prints the differences of losses and weights
from the same start, and the seconds per training step and per written character, in turns (some three minutes). Alone
on the machine.
"""

from __future__ import annotations

import dataclasses
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
from benchmarks.commands import DATA, as_written, peer_python, run_peer, split
from tests.reading import read_text

TEXT = DATA / "julius_caesar.txt"
WINDOW, HIDDEN, ROUNDS = 50, 300, 3


def keras(task: str, **given: Any) -> Any:
    """Run a task of peers/keras_classic.py in Keras' own environment."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, **given)
        run_peer(peer_python("keras", "keras>=3", "tensorflow-cpu"), "keras_classic.py", task, source, target)
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
    click.echo(f"Keras {theirs['keras']}, same weights, same batches, no dropout, float32: largest difference of a")
    click.echo(f"  loss over 20 steps {difference:.1e}, of a weight after one step {weights:.1e}")


def compare_times(ids: np.ndarray, config: Config) -> None:
    sizes = [config.vocabulary_size, HIDDEN, WINDOW]
    learner, batches = Learner(config, recipe_with()), starts_of(35, ids)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(float(np.median(keras("time", ids=ids, sizes=sizes, batches=batches)["times"])))
        times = []
        for starts in batches:
            batch = window_batch(ids, starts, WINDOW)
            begin = time.perf_counter()
            learner.learn(batch, 1e-3)
            times.append(time.perf_counter() - begin)
        ours.append(statistics.median(times[5:]))
    one, other = (1e3 * statistics.median(values) for values in (ours, theirs))
    click.echo(f"a training step, in turn: {one:.0f} ms, Keras {other:.0f} ms")


def compare_writing(text: str, ids: np.ndarray, config: Config) -> None:
    sizes = [config.vocabulary_size, HIDDEN, WINDOW]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "text.txt")
        source.write_text(text, encoding="utf-8")
        model = afterword.train(source, recipe="classic", steps=1)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(float(np.median(keras("predict", ids=ids, sizes=sizes)["times"])))
        begin = time.perf_counter()
        model.generate(max_tokens=100, seed=1)
        ours.append((time.perf_counter() - begin) / 100)
    one, other = (1e3 * statistics.median(values) for values in (ours, theirs))
    click.echo(f"writing a character, in turn: {one:.2f} ms, Keras' predict {other:.1f} ms")


@click.command(help=as_written(__doc__))
def main() -> None:
    text, _ = read_text([TEXT])
    training, _ = split(text.lower())
    tokenizer = ClassicTokenizer.of(set(text.lower()), lowercase=True)
    ids, config = tokenizer.encode(training), recipe_with().config(tokenizer)
    compare_steps(ids, config)
    compare_times(ids, config)
    compare_writing(training, ids, config)


if __name__ == "__main__":
    main()
