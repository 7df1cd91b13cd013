"""How long it takes to look at a text: a trace of 20,000 characters through a network of 2×512, and how large it is.

    python benchmarks/gates.py

Targets: the trace in 10 s. The weights are random: speed does not depend on what a network has learned.
"""

from __future__ import annotations

import os
import platform
import string
import sys
import time

import numpy as np

from afterword.inspection.trace import MOST_TOKENS, trace
from afterword.model.config import Config, weight_shapes
from afterword.model.network import Network
from afterword.text.tokenizer import Tokenizer

SECONDS = 10
TOKENIZER = Tokenizer.char(string.ascii_letters + string.digits + " .,\n")
CONFIG = Config(TOKENIZER.rows, TOKENIZER.shared_row_tokens, embedding_size=64, hidden_size=512, num_layers=2)


def random_text(length: int) -> str:
    """Letters, digits and spaces drawn from a seed."""
    drawn = np.random.default_rng(1).integers(0, len(TOKENIZER.characters), length)
    return "".join(TOKENIZER.characters[k] for k in drawn)


def random_network() -> Network:
    random = np.random.default_rng(0)
    return Network(
        CONFIG, {n: random.uniform(-0.06, 0.06, s).astype(np.float32) for n, s in weight_shapes(CONFIG).items()}
    )


def main() -> int:
    network, text = random_network(), random_text(MOST_TOKENS)
    trace(network, TOKENIZER, text[:100])  # warms up
    begin = time.perf_counter()
    found = trace(network, TOKENIZER, text)
    seconds = time.perf_counter() - begin
    size = sum(getattr(found, part).nbytes for part in ("input", "forget", "candidate", "output", "cell", "hidden"))
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; numpy {np.__version__}")
    print(f"  trace of {len(text):,} characters, 2×512: {seconds:.1f} s, {size / 2**20:.0f} MiB of gates and states")
    print(f"  target: {SECONDS} s: {'met' if seconds <= SECONDS else 'MISSED'}")
    return 0 if seconds <= SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
