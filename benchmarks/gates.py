"""Looking at a text: how long a trace takes, and how large, how fast and how lively its page is in a real browser.

    python -m benchmarks.gates

Targets: a trace within 1e-5 of nn.LSTM and of float64, its sums within 1e-6; one of 20,000 characters of 2×512 in 10 s;
its page at most 25 MB, and that of 2,000 characters at most 5 MB and open in under 1 s in headless Chromium. Hovering
is timed from one mouse move to the frame that shows its values. The weights are random: speed and size do not depend on
what a network has learned. Needs chromium; without it the page is only weighed.
"""

from __future__ import annotations

import statistics
import string
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import click
import numpy as np

from afterword.inspection.gates import MOST_TRACED, Inspected, look_at_gates
from afterword.inspection.gates_page import gates_html
from afterword.inspection.trace import Trace
from afterword.model.network.config import Config
from afterword.model.network.holding import GATES_AND_STATES
from afterword.model.network.network import Network
from afterword.text.characters import CharTokenizer
from benchmarks.commands import as_written, machine
from benchmarks.random_models import EMBEDDING, random_weights
from tests.browser.chromium import PROGRAM, Tab, browser

SECONDS = 10
SIZES = {2_000: 5e6, MOST_TRACED: 25e6}  # characters: bytes of the page, at most
OPENS_IN, OPENINGS, HOVERS = 1.0, 5, 60
TOKENIZER = CharTokenizer.of(string.ascii_letters + string.digits + " .,\n")

# Moves of the mouse over the heat map, each timed until the frame after it has been drawn.
HOVER = """new Promise(done => {
  const map = document.getElementById('map'), box = map.getBoundingClientRect(), times = [];
  const move = k => {
    if (k === %d) return done(times);
    const at = { clientX: box.x + (37 * k) %% box.width, clientY: box.y + 20 + (53 * k) %% (box.height - 20) };
    const begin = performance.now();
    map.dispatchEvent(new MouseEvent('mousemove', { ...at, bubbles: true }));
    const worked = performance.now() - begin;
    requestAnimationFrame(() => setTimeout(() => { times.push([worked, performance.now() - begin]); move(k + 1); }));
  };
  move(0);
})"""


def network_of(layers: int, units: int) -> Network:
    config = Config(TOKENIZER.rows, TOKENIZER.shared_row_tokens, EMBEDDING, units, layers, residual=True)
    return Network(config, random_weights(config))


def gates_of(network: Network, text: str) -> Trace:
    model = SimpleNamespace(network=lambda: network, tokenizer=TOKENIZER, lines=False)
    return look_at_gates(cast(Inspected, model), text)


def random_text(length: int) -> str:
    """Letters, digits and spaces drawn from a seed."""
    drawn = np.random.default_rng(1).integers(0, len(TOKENIZER.characters), length)
    return "".join(TOKENIZER.characters[k] for k in drawn)


def exactness() -> tuple[float, float, float]:
    """Of a trace of 1,000 characters, 2×512: the largest difference from nn.LSTM (hidden and cell states), from float64
    (all gates and states), and of kept + added from the cell, as a fraction of its size."""
    import torch

    network = network_of(2, 512)
    config, weights = network.config, random_weights(network.config)
    text = random_text(1_000)
    found = gates_of(network, text)
    H, ids = config.hidden_size, np.concatenate([[TOKENIZER.end], found.ids])
    x64 = weights["embedding.weight"].astype(np.float64)[ids]
    x32 = torch.from_numpy(weights["embedding.weight"][ids])[:, None]
    torchs = doubles = 0.0
    for k in range(config.num_layers):
        layer = torch.nn.LSTM(x32.shape[2], H)
        layer.load_state_dict({n: torch.from_numpy(weights[f"lstm.{n[:-1]}{k}"]) for n in layer.state_dict()})
        w = {n: weights[f"lstm.{n}_l{k}"].astype(np.float64) for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        hidden, cell, state, outs32, outs64 = np.zeros(H), np.zeros(H), None, [], []
        with torch.no_grad():
            for t in range(len(ids)):
                out, state = layer(x32[t : t + 1], state)
                sums = w["weight_ih"] @ x64[t] + w["bias_ih"] + w["weight_hh"] @ hidden + w["bias_hh"]
                i, f, g, o = np.split(sums, 4)
                i, f, g, o = 1 / (1 + np.exp(-i)), 1 / (1 + np.exp(-f)), np.tanh(g), 1 / (1 + np.exp(-o))
                cell = f * cell + i * g
                hidden = o * np.tanh(cell)
                outs32.append(out[0])
                outs64.append(hidden)
                if t:
                    for part, value in zip(GATES_AND_STATES, (i, f, g, o, cell, hidden), strict=True):
                        doubles = max(doubles, float(np.abs(getattr(found, part)[t - 1, k] - value).max()))
                    for part, tensor in (("hidden", state[0]), ("cell", state[1])):
                        difference = np.abs(getattr(found, part)[t - 1, k] - tensor[0, 0].numpy())
                        torchs = max(torchs, float(difference.max()))
        x32 = torch.stack(outs32) + (x32 if k else 0)
        x64 = np.stack(outs64) + (x64 if k else 0)
    size = np.maximum(np.abs(found.cell), np.abs(found.kept) + np.abs(found.added))
    return torchs, doubles, float((np.abs(found.kept + found.added - found.cell) / np.maximum(size, 1e-30)).max())


def open_and_hover(tab: Tab, path: Path) -> tuple[float, float, float]:
    """Median seconds until the page is ready; median milliseconds of a hover's script, and to the end of its frame."""
    opened = []
    for _ in range(OPENINGS):
        tab.open(f"file://{path}")
        opened.append(float(tab.run("document.documentElement.dataset.ready")) / 1000)
    times = tab.run(HOVER % HOVERS)
    return statistics.median(opened), *(statistics.median(column) for column in zip(*times, strict=True))


@click.command(help=as_written(__doc__))
def main() -> None:
    print(machine("torch"))
    torchs, doubles, sums = exactness()
    print(f"  a trace of 1,000 characters, 2×512: from nn.LSTM {torchs:.1e}, from float64 {doubles:.1e}, ", end="")
    print(f"kept + added from the cell {sums:.1e} of its size")
    met = max(torchs, doubles) <= 1e-5 and sums <= 1e-6
    with tempfile.TemporaryDirectory() as folder:
        pages = {}
        for layers, units, length in [(2, 512, 2_000), (2, 512, MOST_TRACED), (3, 1024, MOST_TRACED)]:
            loaded, text = network_of(layers, units), random_text(length)
            gates_of(loaded, text[:100])  # warms up
            begin = time.perf_counter()
            found = gates_of(loaded, text)
            seconds = time.perf_counter() - begin
            written = gates_html(found).encode()
            print(f"  {layers}×{units}, {length:,} characters: trace {seconds:.1f} s, page {len(written) / 1e6:.2f} MB")
            pages[layers, units, length] = Path(folder, f"{layers}-{units}-{length}.html")
            pages[layers, units, length].write_bytes(written)
            if units == 512:
                met &= len(written) <= SIZES[length] and seconds <= SECONDS
            del found
        if PROGRAM is None:
            print("  no chromium: the pages were not opened")
            sys.exit(1)
        with browser() as tab:
            for (layers, units, length), path in pages.items():
                opened, script, frame = open_and_hover(tab, path)
                print(
                    f"  {layers}×{units}, {length:,} characters: the page opens in {opened:.2f} s, "
                    f"a hover takes {script:.1f} ms of script, {frame:.0f} ms to the end of its frame"
                )
                met &= opened < OPENS_IN or length > 2_000
    print(f"  targets (1e-5 and 1e-6; {SECONDS} s; 5 and 25 MB; {OPENS_IN:g} s): {'met' if met else 'MISSED'}")
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
