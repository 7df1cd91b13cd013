"""The exactness of a trace: of 1,000 characters by 2×512 units with random weights.

    python -m benchmarks.gates

It prints the largest difference from nn.LSTM (hidden and cell states) and from float64 (all gates and states), and that
of the cell as kept plus added, as a fraction of its size.
"""

from __future__ import annotations

import string
from types import SimpleNamespace
from typing import Any, cast

import click
import numpy as np

from afterword.inspection.gates import Inspected, look_at_gates
from afterword.inspection.trace import Trace
from afterword.model.network.config import Config
from afterword.model.network.holding import GATES_AND_STATES
from afterword.model.network.network import Network
from afterword.text.characters import CharTokenizer
from benchmarks.commands import as_written, machine
from benchmarks.random_models import EMBEDDING, random_weights

LAYERS, H, LENGTH = 2, 512, 1_000
TOKENIZER = CharTokenizer.of(string.ascii_letters + string.digits + " .,\n")


@click.command(help=as_written(__doc__))
def main() -> None:
    import torch

    config = Config(TOKENIZER.rows, TOKENIZER.shared_row_tokens, EMBEDDING, H, LAYERS, residual=True)
    weights, random = random_weights(config), np.random.default_rng(1)
    network = Network(config, weights)
    text = "".join(random.choice(list(TOKENIZER.characters), LENGTH))
    model = SimpleNamespace(network=lambda: network, tokenizer=TOKENIZER, lines=False)
    found = look_at_gates(cast(Inspected, model), text)
    ids = np.concatenate([[TOKENIZER.end], found.ids])
    x64 = weights["embedding.weight"].astype(np.float64)[ids]
    x32 = torch.from_numpy(weights["embedding.weight"][ids])[:, None]
    from_torch = from_doubles = 0.0
    for k in range(LAYERS):
        layer = torch.nn.LSTM(x32.shape[2], H)
        layer.load_state_dict({n: torch.from_numpy(weights[f"lstm.{n[:-1]}{k}"]) for n in layer.state_dict()})
        w = {n: weights[f"lstm.{n}_l{k}"].astype(np.float64) for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        hidden, cell, state, outs32, outs64 = np.zeros(H), np.zeros(H), None, [], []
        for t in range(len(ids)):
            with torch.no_grad():
                out, state = layer(x32[t : t + 1], state)
            sums = w["weight_ih"] @ x64[t] + w["bias_ih"] + w["weight_hh"] @ hidden + w["bias_hh"]
            i, f, g, o = np.split(sums, 4)
            i, f, g, o = 1 / (1 + np.exp(-i)), 1 / (1 + np.exp(-f)), np.tanh(g), 1 / (1 + np.exp(-o))
            cell = f * cell + i * g
            hidden = o * np.tanh(cell)
            outs32.append(out[0])
            outs64.append(hidden)
            if t:
                doubles = dict(zip(GATES_AND_STATES, (i, f, g, o, cell, hidden), strict=True))
                singles = {"hidden": state[0][0, 0].numpy(), "cell": state[1][0, 0].numpy()}
                from_doubles = max(from_doubles, apart(found, t - 1, k, doubles))
                from_torch = max(from_torch, apart(found, t - 1, k, singles))
        x32 = torch.stack(outs32) + (x32 if k else 0)
        x64 = np.stack(outs64) + (x64 if k else 0)
    size = np.maximum(np.abs(found.cell), np.abs(found.kept) + np.abs(found.added))
    sums = float((np.abs(found.kept + found.added - found.cell) / np.maximum(size, 1e-30)).max())
    click.echo(f"{machine('torch')}; a trace of {LENGTH:,} characters, {LAYERS}×{H}:")
    click.echo(f"from nn.LSTM {from_torch:.1e}, from float64 {from_doubles:.1e}, kept + added from the cell {sums:.1e}")


def apart(found: Trace, at: int, layer: int, expected: dict[str, Any]) -> float:
    """Return the largest difference of parts of a trace at a place."""
    return max(float(np.abs(getattr(found, part)[at, layer] - value).max()) for part, value in expected.items())


if __name__ == "__main__":
    main()
