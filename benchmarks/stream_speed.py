"""One stream of text from a 2x300 model of 66 rows, sampling included: characters a second, beside torch.nn.LSTM.

    python benchmarks/stream_speed.py

Targets: 7,000 characters a second, and 15 times a loop that calls nn.LSTM once a character, as torch comes (the faster
of one thread and all). What makes that loop slow is no arithmetic: its oneDNN kernel repacks the weights at every call,
into memory that glibc fetches from the system anew each time (some 600 page faults a step). Two things that few would
think of make it faster, and are measured too, so that nobody takes the ratio for more than it is: a block of memory
freed before, which leads glibc to keep what it has; and oneDNN switched off.

Every way runs in a process of its own, because of that memory. They take turns, a figure is the median of its turns,
and the weights are random: speed does not depend on what a network has learned.
"""

from __future__ import annotations

import os
import platform
import statistics
import string
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from afterword.generation.sampling import Sampler, Sampling
from afterword.generation.stream import Stream
from afterword.model.config import Config, weight_shapes
from afterword.model.network import Network
from afterword.text.tokenizer import Tokenizer

TURNS, CHARACTERS, TORCH_CHARACTERS = 9, 2000, 50
SPEED, RATIO = 7000, 15

TOKENIZER = Tokenizer.char(string.ascii_letters + string.digits + " \n")
CONFIG = Config(TOKENIZER.rows, TOKENIZER.shared_row_tokens, embedding_size=64, hidden_size=300, num_layers=2)
UNSEEN = [TOKENIZER.rows - 2, TOKENIZER.rows - 1]  # the boundary and the bytes, as in a model of running text

OURS = "NumPy stream"
AS_IT_COMES = ["nn.LSTM, 1 thread", "nn.LSTM, all threads"]
HELPED = ["nn.LSTM, 1 thread, 8 MiB freed before", "nn.LSTM, 1 thread, oneDNN off"]
WAYS = [OURS, *AS_IT_COMES, *HELPED]


def numpy_stream() -> Callable[[], int]:
    """Writes as `afterword generate` does; returns how many characters."""
    random = np.random.default_rng(0)
    weights = {n: random.uniform(-0.06, 0.06, s).astype(np.float32) for n, s in weight_shapes(CONFIG).items()}
    network, sampling = Network(CONFIG, weights), Sampling(max_tokens=CHARACTERS)
    return lambda: sum(len(piece.text) for piece in Stream(network, TOKENIZER, UNSEEN, "\n", sampling, seed=1))


def torch_loop(way: str) -> Callable[[], int]:
    """The same network and the same draw, one call of nn.LSTM a character."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1 if "all threads" in way else 1)
    torch.backends.mkldnn.enabled = "oneDNN off" not in way  # type: ignore[assignment]
    embedding = torch.nn.Embedding(CONFIG.vocabulary_size, CONFIG.embedding_size)
    lstm = torch.nn.LSTM(CONFIG.embedding_size, CONFIG.hidden_size, CONFIG.num_layers)
    output = torch.nn.Linear(CONFIG.hidden_size, CONFIG.vocabulary_size)
    if "freed before" in way:
        torch.ones(2 * 2**20)  # 8 MiB; above 32 MiB glibc learns nothing

    @torch.inference_mode()
    def write() -> int:
        sampler = Sampler(Sampling(), TOKENIZER.rows, UNSEEN, seed=1)
        token, state = 0, None
        for _ in range(TORCH_CHARACTERS):
            hidden, state = lstm(embedding(torch.tensor([[token]])), state)
            token, _ = sampler.draw(output(hidden)[0, 0].numpy())
        return TORCH_CHARACTERS

    return write


def take_turns(way: str) -> None:
    """The child process: a speed on standard output for every line on standard input."""
    write = numpy_stream() if way == OURS else torch_loop(way)
    write()  # warms up
    for _ in sys.stdin:
        start = time.perf_counter()
        characters = write()
        print(characters / (time.perf_counter() - start), flush=True)


def measure() -> dict[str, float]:
    """The median speed of each way, in characters a second."""
    children = {
        way: subprocess.Popen(
            [sys.executable, __file__, way], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        for way in WAYS
    }
    speeds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(TURNS):
        for way, child in children.items():
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write("\n")
            speeds[way].append(float(child.stdout.readline()))
    for child in children.values():
        child.communicate()
    return {way: statistics.median(values) for way, values in speeds.items()}


def main() -> None:
    if len(sys.argv) > 1:
        take_turns(sys.argv[1])
        return
    import torch

    speeds = measure()
    ours = speeds[OURS]
    print(f"one stream of a 2x300 model, {CONFIG.vocabulary_size} rows, sampling included; medians of {TURNS} turns")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; torch {torch.__version__}; ",
        end="",
    )
    print(f"numpy {np.__version__}, OPENBLAS_CORETYPE {os.environ.get('OPENBLAS_CORETYPE', 'not set')}")
    print(f"  {'':40} {'characters/s':>12} {'NumPy is':>10}")
    for way, speed in speeds.items():
        print(f"  {way:40} {speed:12,.0f} {ours / speed:8.1f} x")
    ratio = ours / max(speeds[way] for way in AS_IT_COMES)
    met = ours >= SPEED and ratio >= RATIO
    print(f"targets: {SPEED:,} a second: {ours:,.0f}; {RATIO} x nn.LSTM as it comes: {ratio:.1f}", end="; ")
    print("met" if met else "MISSED")


if __name__ == "__main__":
    main()
