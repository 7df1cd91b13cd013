"""How far back a prediction depends on what was read, by gradient: the vanishing gradient, measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afterword.model.config import Config

LANES = 8  # that are read side by side, or fewer
MOST_STATES = LANES * 1200 * 2 * 512  # lanes × steps × layers × units; torch holds some 400 MB for them


def input_gradients(
    config: Config, weights: Mapping[str, NDArray[np.float32]], rows: NDArray[np.integer[Any]], steps: int
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """The size of d log P(last row) / d input, k = 1 … `steps` steps back: rows [N, T] → some lanes of N, [≤ 8, steps].

    Each of the N sequences is read from an empty state, T > `steps`; its last row is only predicted. The input is what
    stands for a token: its embedding. The size is the Euclidean norm.
    """
    table = torch.from_numpy(weights["embedding.weight"]) if config.input == "embedding" else _numbers(config)
    layers = [saved_layer(config, weights, k).requires_grad_(False) for k in range(config.num_layers)]
    output, bias = torch.from_numpy(weights["output.weight"]), torch.from_numpy(weights["output.bias"])
    at_once = max(1, min(LANES, MOST_STATES // (rows.shape[1] * config.num_layers * config.hidden_size)))
    for first in range(0, len(rows), at_once):
        lanes = slice(first, min(first + at_once, len(rows)))
        part = torch.from_numpy(rows[lanes].astype(np.int64)).T  # [T, N]
        inputs = table[part[:-1]].requires_grad_()
        x = inputs
        for k, layer in enumerate(layers):
            y: Tensor = layer(x)[0]
            x = y + x if k > 0 and config.residual else y
        expected = (x[-1] @ output.T + bias).log_softmax(-1)
        total = expected.gather(1, part[-1][:, None]).sum()  # a sequence's part depends on its own inputs alone
        (gradient,) = torch.autograd.grad(total, inputs)
        yield lanes, gradient.norm(dim=-1).T.flip(1)[:, :steps].double().numpy()


def _numbers(config: Config) -> Tensor:
    return (torch.arange(config.vocabulary_size)[:, None] / config.vocabulary_size).float()


def saved_layer(config: Config, weights: Mapping[str, NDArray[np.float32]], k: int) -> nn.Module:
    """Layer `k` of a saved model."""
    size = config.embedding_size if k == 0 else config.hidden_size
    layer = (nn.LSTM if config.cell == "lstm" else nn.RNN)(size, config.hidden_size)
    layer.load_state_dict(
        {name: torch.from_numpy(weights[f"{config.cell}.{name[:-1]}{k}"]) for name in layer.state_dict()}
    )
    return layer
