"""One stream of text from a 2x300 model of 66 rows, sampling included: characters a second, beside torch.nn.LSTM.

    python benchmarks/stream_speed.py
    python benchmarks/stream_speed.py novel.txt     # instead: a 1x384 model with the n-gram of a text, beside without

Targets: 7,000 characters a second, and 15 times a loop that calls nn.LSTM once a character, as torch comes (the faster
of one thread and all). What makes that loop slow is no arithmetic: its oneDNN kernel repacks the weights at every call,
into memory that glibc fetches from the system anew each time (some 600 page faults a step). Two things that few would
think of make it faster, and are measured too, so that nobody takes the ratio for more than it is: a block of memory
freed before, which leads glibc to keep what it has; and oneDNN switched off.

With a text, the n-gram model is that of the text, and its weight in the mixture is high, so that what a network of
random weights writes with it is like the text: how much there is to look up depends on that. Each turn has a new seed.

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
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afterword.generation.sampling import Sampling
from afterword.generation.stream import Stream
from afterword.generation.writer import Writing
from afterword.model.config import Config, weight_shapes
from afterword.model.ngram import Ngram
from afterword.model.saved import SavedModel
from afterword.text.vocabularies.char import CharTokenizer

TURNS, CHARACTERS, TORCH_CHARACTERS = 9, 2000, 50
SPEED, RATIO = 7000, 15

TOKENIZER = CharTokenizer.of(string.ascii_letters + string.digits + " \n")
CONFIG = Config(TOKENIZER.rows, TOKENIZER.shared_row_tokens, embedding_size=64, hidden_size=300, num_layers=2)
UNSEEN = [TOKENIZER.rows - 2, TOKENIZER.rows - 1]  # the boundary and the bytes, as in a model of running text

OURS = "NumPy stream"
AS_IT_COMES = ["nn.LSTM, 1 thread", "nn.LSTM, all threads"]
HELPED = ["nn.LSTM, 1 thread, 8 MiB freed before", "nn.LSTM, 1 thread, oneDNN off"]
WAYS = [OURS, *AS_IT_COMES, *HELPED]
ALONE, TOGETHER = "the LSTM alone", "LSTM and n-gram together"
WEIGHT = 0.9


def written_stream(model: SavedModel, using: str = "both", engine: str = "numpy") -> Callable[[int], int]:
    """Writes as `afterword generate` does, by a seed; returns how many characters."""
    network, sampling = model.predictor(using, engine=engine), Sampling(max_tokens=CHARACTERS)
    writing = Writing(model, sampling)
    return lambda seed: sum(len(piece.text) for piece in Stream(writing, network, "\n", seed))


def random_weights(config: Config) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(0)
    return {name: random.uniform(-0.06, 0.06, s).astype(np.float32) for name, s in weight_shapes(config).items()}


def with_ngram(text: str, using: str) -> Callable[[int], int]:
    """A 1x384 model with the n-gram of `text`."""
    tokenizer = CharTokenizer.of(sorted(set(text)))
    assert tokenizer.end is not None
    rows, start = tokenizer.rows, int(tokenizer.encode("\n")[0])
    ngram = Ngram.learn(tokenizer.encode(text), rows, tokenizer.end, start)
    config = Config(rows, tokenizer.shared_row_tokens, embedding_size=128, hidden_size=384, num_layers=1)
    unseen = [rows - 2, rows - 1]
    model = SavedModel(config, random_weights(config), tokenizer, unseen, {}, ngram=ngram, mixture_weight=WEIGHT)
    return written_stream(model, using)


def torch_loop(way: str) -> Callable[[int], int]:
    """The same network and the same draw, one call of nn.LSTM a character."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1 if "all threads" in way else 1)
    torch.backends.mkldnn.enabled = "oneDNN off" not in way  # type: ignore[assignment]
    embedding = torch.nn.Embedding(CONFIG.vocabulary_size, CONFIG.embedding_size)
    lstm = torch.nn.LSTM(CONFIG.embedding_size, CONFIG.hidden_size, CONFIG.num_layers)
    output = torch.nn.Linear(CONFIG.hidden_size, CONFIG.vocabulary_size)
    if "freed before" in way:
        torch.ones(2 * 2**20)  # 8 MiB; above 32 MiB glibc learns nothing

    writing = Writing(SavedModel(CONFIG, random_weights(CONFIG), TOKENIZER, UNSEEN, {}), Sampling())

    @torch.inference_mode()
    def write(seed: int) -> int:
        text = writing.begin("", seed)
        token, state = 0, None
        for _ in range(TORCH_CHARACTERS):
            hidden, state = lstm(embedding(torch.tensor([[token]])), state)
            token, _, _ = writing.sampler.draw(output(hidden)[0, 0].numpy(), text)
        return TORCH_CHARACTERS

    return write


def take_turns(way: str, texts: list[str]) -> None:
    """The child process: a speed on standard output for every line on standard input."""
    if texts:
        text = Path(texts[0]).read_text(encoding="utf-8")
        write = with_ngram(text, "lstm" if way == ALONE else "both")
    elif way == OURS:
        write = written_stream(SavedModel(CONFIG, random_weights(CONFIG), TOKENIZER, UNSEEN, {}))
    else:
        write = torch_loop(way)
    if not texts:
        write(0)  # warms up
    for turn, _ in enumerate(sys.stdin, 1):
        start = time.perf_counter()
        characters = write(turn)
        print(characters / (time.perf_counter() - start), flush=True)


def measure(ways: list[str], texts: list[str]) -> dict[str, list[float]]:
    """The speed of each way in each of its turns, in characters a second."""
    children = {
        way: subprocess.Popen(
            [sys.executable, __file__, *texts, way],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        for way in ways
    }
    speeds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(TURNS):
        for way, child in children.items():
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write("\n")
            speeds[way].append(float(child.stdout.readline()))
    for child in children.values():
        child.communicate()
    return speeds


def machine() -> str:
    cores, kernels = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", os.environ.get("OPENBLAS_CORETYPE")
    return f"{platform.machine()}, {cores}; numpy {np.__version__}, OPENBLAS_CORETYPE {kernels or 'not set'}"


def beside_torch() -> None:
    import torch

    speeds = {way: statistics.median(turns) for way, turns in measure(WAYS, []).items()}
    ours = speeds[OURS]
    print(f"one stream of a 2x300 model, {CONFIG.vocabulary_size} rows, sampling included; medians of {TURNS} turns")
    print(f"{machine()}; torch {torch.__version__}")
    print(f"  {'':40} {'characters/s':>12} {'NumPy is':>10}")
    for way, speed in speeds.items():
        print(f"  {way:40} {speed:12,.0f} {ours / speed:8.1f} x")
    ratio = ours / max(speeds[way] for way in AS_IT_COMES)
    met = ours >= SPEED and ratio >= RATIO
    print(f"targets: {SPEED:,} a second: {ours:,.0f}; {RATIO} x nn.LSTM as it comes: {ratio:.1f}", end="; ")
    print("met" if met else "MISSED")


def beside_the_lstm_alone(text: str) -> None:
    speeds = measure([ALONE, TOGETHER], [text])
    print(f"one stream of a 1x384 model, sampling included; {TURNS} turns of {CHARACTERS:,} characters; {machine()}")
    print(f"  {'characters/s':28} {'first turn':>12} {'median':>12} {'last turn':>12}")
    ratios = [together / alone for alone, together in zip(speeds[ALONE], speeds[TOGETHER], strict=True)]
    for way, turns in speeds.items():
        print(f"  {way:28} {turns[0]:12,.0f} {statistics.median(turns):12,.0f} {turns[-1]:12,.0f}")
    print(f"  {'ratio':28} {ratios[0]:12.2f} {statistics.median(ratios):12.2f} {ratios[-1]:12.2f}")


def main() -> None:
    *texts, last = sys.argv[1:] or [""]
    if last in (*WAYS, ALONE, TOGETHER):
        take_turns(last, texts)
    elif last:
        beside_the_lstm_alone(last)
    else:
        beside_torch()


if __name__ == "__main__":
    main()
