"""The NumPy network against torch.nn.LSTM: the largest difference in any logit or state. Target: at most 1e-5.

python benchmarks/parity.py
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from afterword.model.config import Config, weight_shapes
from afterword.model.network import Network

SHAPES, STEPS, TARGET = 200, 1000, 1e-5

Reader = Callable[[NDArray[Any], Any], tuple[NDArray[Any], tuple[torch.Tensor, torch.Tensor]]]


def both(config: Config, random: np.random.Generator) -> tuple[Network, Reader]:
    """The network, and the same weights in torch's modules: ids [B, T], state → logits [B, T, R], state."""
    bound = config.hidden_size**-0.5  # as nn.LSTM starts, and nn.Embedding below
    weights = {n: random.uniform(-bound, bound, s).astype(np.float32) for n, s in weight_shapes(config).items()}
    weights["embedding.weight"] = random.standard_normal(weights["embedding.weight"].shape, np.float32)
    tensors = {name: torch.from_numpy(weight) for name, weight in weights.items()}
    layers = []
    for k in range(config.num_layers):
        layer = torch.nn.LSTM(config.hidden_size if k else config.embedding_size, config.hidden_size, batch_first=True)
        layer.load_state_dict({name: tensors[f"lstm.{name[:-1]}{k}"] for name in layer.state_dict()})
        layers.append(layer)

    @torch.no_grad()
    def read(ids: NDArray[Any], state: Any) -> tuple[NDArray[Any], tuple[torch.Tensor, torch.Tensor]]:
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
    pairs = [(found[0], expected[0]), *zip(found[1], expected[1], strict=True)]
    return max(float(np.abs(np.asarray(one) - np.asarray(other)).max()) for one, other in pairs)


def over_shapes(random: np.random.Generator) -> float:
    worst = 0.0
    for _ in range(SHAPES):
        rows, embedding, hidden, layers, lanes, steps = random.integers(1, [100, 65, 301, 4, 9, 65]).tolist()
        config = Config(rows, 1, embedding, hidden, layers, residual=bool(random.integers(2)))
        network, read = both(config, random)
        ids = random.integers(0, rows, (lanes, steps))
        worst = max(worst, largest_difference(network.read(ids, network.start(lanes)), read(ids, None)))
    return worst


def over_steps(random: np.random.Generator) -> float:
    network, read = both(Config(66, 1, 64, 300, 2), random)
    state, other, worst = network.start(1), None, 0.0
    for id in random.integers(0, 66, STEPS):
        logits, state = network.step(np.array([id]), state)
        expected, other = read(np.array([[id]]), other)
        worst = max(worst, largest_difference((logits, state), (expected[:, 0], other)))
    return worst


def main() -> int:
    torch.set_num_threads(1)  # networks this small only lose time to a second thread
    random = np.random.default_rng(0)
    shapes, steps = over_shapes(random), over_steps(random)
    print("NumPy network against torch.nn.LSTM, largest difference in a logit or a state")
    print(f"  {SHAPES} random shapes, 1-3 layers, 1-8 lanes, with and without residuals: {shapes:.1e}")
    print(f"  {STEPS} carried steps of a 2x300 model: {steps:.1e}")
    print(f"  target: {TARGET:.0e}: {'met' if max(shapes, steps) <= TARGET else 'MISSED'}")
    return 0 if max(shapes, steps) <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
