"""How exactly the same numbers come out: against PyTorch, and by processor and number of threads.

    python -m benchmarks.exactness torch     the NumPy network against torch.nn.LSTM: the largest difference in any
                                             logit or state
    python -m benchmarks.exactness bits      which results are the same to the last bit, and which only nearly

`bits` has networks of six sizes with random weights read random text. It asks each question of every kernel that
OpenBLAS has for other processors, if this one can run it, in a process of its own. "=" means the same bits in all
sizes; a number is the largest difference of a log-probability, in nats.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from afterword.model.network.config import Config
from afterword.model.network.network import Network, log_probabilities
from benchmarks.commands import as_written, echo_row, echo_table
from benchmarks.random_models import random_weights
from tests.everywhere import PROCESSORS, lacks
from tests.processes import finished

SHAPES, STEPS = 200, 1000
SIZES = [(1, 16, 40), (2, 48, 67), (1, 96, 67), (2, 300, 40), (1, 384, 97), (2, 512, 1002)]  # layers, units, rows
LANES, TOKENS = 16, 40
Numbers = NDArray[np.float64]


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


@main.command("torch", help="The largest difference from torch.nn.LSTM.")
def against_torch() -> None:
    import torch

    torch.set_num_threads(1)  # networks this small only lose time to a second thread
    random = np.random.default_rng(0)
    shapes, steps = over_shapes(random), over_steps(random)
    click.echo("NumPy network against torch.nn.LSTM, largest difference in a logit or a state")
    click.echo(f"  {SHAPES} random shapes, 1-3 layers, 1-8 lanes, with and without residuals: {shapes:.1e}")
    click.echo(f"  {STEPS} carried steps of a 2x300 model: {steps:.1e}")


def both(config: Config, seed: int = 0) -> tuple[Network, Callable[[NDArray[Any], Any], Any]]:
    """Return the network, and the same weights in torch's modules as a function: ids [B, T], state → logits, state."""
    import torch

    weights = random_weights(config, seed, config.hidden_size**-0.5)  # as nn.LSTM starts
    shape = weights["embedding.weight"].shape
    weights["embedding.weight"] = np.random.default_rng(seed).standard_normal(shape, np.float32)
    tensors = {name: torch.from_numpy(weight) for name, weight in weights.items()}
    layers = []
    for k in range(config.num_layers):
        layer = torch.nn.LSTM(config.hidden_size if k else config.embedding_size, config.hidden_size, batch_first=True)
        layer.load_state_dict({name: tensors[f"lstm.{name[:-1]}{k}"] for name in layer.state_dict()})
        layers.append(layer)

    @torch.no_grad()
    def read(ids: NDArray[Any], state: Any) -> Any:
        x = tensors["embedding.weight"][torch.from_numpy(ids)]
        hiddens, cells = [], []
        for k, layer in enumerate(layers):
            outputs, (hidden, cell) = layer(x, None if state is None else (state[0][k, None], state[1][k, None]))
            hiddens.append(hidden[0])
            cells.append(cell[0])
            x = x + outputs if k and config.residual else outputs
        logits = x @ tensors["output.weight"].T + tensors["output.bias"]
        return logits.numpy(), (torch.stack(hiddens), torch.stack(cells))

    return Network(config, weights), read


def largest_difference(found: tuple[Any, Any], expected: tuple[Any, Any]) -> float:
    pairs = [(found[0], expected[0]), *zip(found[1], expected[1], strict=False)]  # a state may have more
    return max(float(np.abs(np.asarray(one) - np.asarray(other)).max()) for one, other in pairs)


def over_shapes(random: np.random.Generator) -> float:
    worst = 0.0
    for shape in range(SHAPES):
        rows, embedding, hidden, layers, lanes, steps = random.integers(1, [100, 65, 301, 4, 9, 65]).tolist()
        network, read = both(Config(rows, 1, embedding, hidden, layers, residual=bool(random.integers(2))), shape)
        ids = random.integers(0, rows, (lanes, steps))
        worst = max(worst, largest_difference(network.read(ids, network.start(lanes)), read(ids, None)))
    return worst


def over_steps(random: np.random.Generator) -> float:
    network, read = both(Config(66, 1, 64, 300, 2))
    state, other, worst = network.start(1), None, 0.0
    for id in random.integers(0, 66, STEPS):
        logits, state = network.step(np.array([id]), state)
        expected, other = read(np.array([[id]]), other)
        worst = max(worst, largest_difference((logits, state), (expected[:, 0], other)))
    return worst


def read(network: Network, ids: NDArray[np.int64], lanes: int = LANES, cut: int = TOKENS) -> Numbers:
    """Read the first lanes of a text side by side, all at once or `cut` tokens first: log P, [lanes, TOKENS, R]."""
    first, state = network.read(ids[:lanes, :cut], network.start(lanes))
    rest, _ = network.read(ids[:lanes, cut:], state)
    return log_probabilities(np.concatenate([first, rest], axis=1))


def step(network: Network, ids: NDArray[np.int64]) -> Numbers:
    """Read the first lane token by token, as in writing."""
    state, found = network.start(1), []
    for token in ids[0]:
        logits, state = network.step(np.array([token]), state)
        found.append(logits)
    return log_probabilities(np.stack(found, axis=1))


QUESTIONS: dict[str, Callable[[Network, NDArray[np.int64]], float]] = {
    "a line alone or among 16": lambda by, ids: _difference(read(by, ids, 1), read(by, ids)[:1]),
    "a text at once or in two pieces": lambda by, ids: _difference(read(by, ids, 1), read(by, ids, 1, 7)),
    "written or read": lambda by, ids: _difference(step(by, ids), read(by, ids, 1)),
}


def _difference(one: Numbers, other: Numbers) -> float:
    return float(np.abs(one - other).max())


@main.command(hidden=True, help="The child process of `bits`: its answers and digests, as JSON.")
def ask() -> None:
    found, digest = dict.fromkeys(QUESTIONS, 0.0), hashlib.sha256()
    for layers, units, rows in SIZES:
        config = Config(rows, 1, min(64, units), units, layers)
        ids = np.random.default_rng(units).integers(0, rows, (LANES, TOKENS))
        network = Network(config, random_weights(config, units, units**-0.5))
        digest.update(step(network, ids).tobytes() + read(network, ids).tobytes())
        for question, answer in QUESTIONS.items():
            found[question] = max(found[question], answer(network, ids))
    click.echo(json.dumps(found | {"digest": digest.hexdigest()}))


@main.command(help="Which bits are the same, by kernels and threads.")
def bits() -> None:
    answers: dict[str, dict[str, Any]] = {}
    command = [sys.executable, "-m", "benchmarks.exactness", "ask"]
    for kernels in PROCESSORS:
        for threads in "12":
            if not lacks(kernels):
                environment = {**os.environ, "OPENBLAS_CORETYPE": kernels, "OPENBLAS_NUM_THREADS": threads}
                one, other = (finished(command, env=environment, timeout=600).stdout for _ in range(2))
                answers[f"{kernels}, {threads}"] = {"again": float(one != other), **json.loads(one)}
    echo_table(["kernels, threads", *answers])
    for question in ["again", *QUESTIONS]:
        cells = [answer[question] for answer in answers.values()]
        echo_row([question, *("=" if cell == 0 else f"{cell:.0e}" for cell in cells)])


if __name__ == "__main__":
    main()
