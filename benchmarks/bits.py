"""Where the same numbers come out to the last bit, and where only nearly: by processor and number of threads.

    python -m benchmarks.bits

Networks of six sizes with random weights read random text. Each question is asked of every kernel that OpenBLAS has for
other processors, as far as this one can run them, in a process of its own. "=" is the same bits in all sizes, a number
the largest difference of a probability's logarithm, in nats.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afterword.model.config import Config, weight_shapes
from afterword.model.network import Network, log_probabilities
from tests.everywhere import PROCESSORS, lacks
from tests.processes import finished

SIZES = [(1, 16, 40), (2, 48, 67), (1, 96, 67), (2, 300, 40), (1, 384, 97), (2, 512, 1002)]  # layers, units, rows
LANES, TOKENS = 16, 40
Numbers = NDArray[np.float64]


@dataclass
class Reader:
    """A network, the text that it reads, and log P of what follows each token of it, [LANES, TOKENS, R]."""

    network: Network
    ids: NDArray[np.int64]

    def read(self, lanes: int = LANES, cut: int = TOKENS) -> Numbers:
        """The first `lanes` of the text side by side, all at once or `cut` tokens first and then the rest."""
        first, state = self.network.read(self.ids[:lanes, :cut], self.network.start(lanes))
        rest, _ = self.network.read(self.ids[:lanes, cut:], state)
        return log_probabilities(np.concatenate([first, rest], axis=1))

    def step(self) -> Numbers:
        """The first lane, token by token, as in writing."""
        state, found = self.network.start(1), []
        for token in self.ids[0]:
            logits, state = self.network.step(np.array([token]), state)
            found.append(logits)
        return log_probabilities(np.stack(found, axis=1))


QUESTIONS: dict[str, Callable[[Reader], float]] = {
    "written twice": lambda one: _difference(one.step(), one.step()),
    "read twice": lambda one: _difference(one.read(), one.read()),
    "a line alone or among 16": lambda one: _difference(one.read(1), one.read()[:1]),
    "a line among 5 or among 16": lambda one: _difference(one.read(5), one.read()[:5]),
    "a text at once or in two pieces": lambda one: _difference(one.read(1), one.read(1, 7)),
    "written or read": lambda one: _difference(one.step(), one.read(1)),
}


def _difference(one: Numbers, other: Numbers) -> float:
    return float(np.abs(one - other).max())


def ask() -> dict[str, Any]:
    """The largest difference of each question in this process, and a digest of what was written and what was read."""
    found, digests = dict.fromkeys(QUESTIONS, 0.0), {"written": hashlib.sha256(), "read": hashlib.sha256()}
    for layers, units, rows in SIZES:
        config = Config(rows, 1, min(64, units), units, layers)
        random = np.random.default_rng(units)
        weights = {name: random.normal(0, units**-0.5, shape) for name, shape in weight_shapes(config).items()}
        network = Network(config, {name: weight.astype(np.float32) for name, weight in weights.items()})
        reader = Reader(network, random.integers(0, rows, (LANES, TOKENS)))
        digests["written"].update(reader.step().tobytes())
        digests["read"].update(reader.read().tobytes())
        for question, answer in QUESTIONS.items():
            found[question] = max(found[question], answer(reader))
    return {**found, **{name: digest.hexdigest() for name, digest in digests.items()}}


def main() -> None:
    if sys.argv[1:] == ["--ask"]:
        print(json.dumps(ask()))
        return
    answers: dict[str, dict[str, Any]] = {}
    for kernels in PROCESSORS:
        for threads in "12":
            if not lacks(kernels):
                environment = {**os.environ, "OPENBLAS_CORETYPE": kernels, "OPENBLAS_NUM_THREADS": threads}
                done = [
                    finished([sys.executable, "-m", "benchmarks.bits", "--ask"], env=environment, timeout=600)
                    for _ in range(2)
                ]
                answers[f"{kernels}, {threads}"] = json.loads(done[0].stdout)
                same = done[0].stdout == done[1].stdout
                answers[f"{kernels}, {threads}"]["in another process"] = 0.0 if same else 1.0
    print(f"| kernels, threads | {' | '.join(answers)} |\n|{' --- |' * (1 + len(answers))}")
    for question in ["in another process", *QUESTIONS]:
        cells = [answer[question] for answer in answers.values()]
        print(f"| {question} | {' | '.join('=' if cell == 0 else f'{cell:.0e}' for cell in cells)} |")
    for name in ("written", "read"):
        groups = list(dict.fromkeys(answer[name] for answer in answers.values()))
        cells = ["ABCDEFGHIJ"[groups.index(answer[name])] for answer in answers.values()]
        print(f"| {name}: equal letters are equal bits | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
