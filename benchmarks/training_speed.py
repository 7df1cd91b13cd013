"""How much of the machine a training step uses: python benchmarks/training_speed.py

For 1 × 512, 2 × 512 and 3 × 1024 units, in float32 and bfloat16, 16 lanes of 64 of random characters:

    share   the step's matrix products (6 operations a weight and token: forward, and both gradients) in its whole time
            (data, embedding, dropout, loss, clipping, optimizer and averaging included), as a share of the rate of one
            large matrix product in the same precision, measured in turn with it
    plain   the time of the same step in a plain script (embedding, nn.LSTM, linear, AdamW, no dropout, clipping or
            averaging), in turn with ours: a ratio of 1 or less says that the loop is never slower

Nothing else may run on the machine.
"""

from __future__ import annotations

import os

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as training itself does: see docs/decisions.md

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from afterword.training.batches import Lanes
from afterword.training.learner import Learner
from afterword.training.planning import available_threads
from afterword.training.recipe import Precision, Recipe

V, B, T = 66, 16, 64
SHAPES = ((1, 512), (2, 512), (3, 1024))
SQUARE = 2048
ROUNDS = 15


def recipe(num_layers: int, hidden_size: int, precision: Precision) -> Recipe:
    """The default recipe in these sizes."""
    from afterword.text.encoded import EncodedCorpus
    from afterword.training.planning import auto
    from afterword.training.recipe import TrainingSettings

    class Corpus:
        training, lines, documents = range(1_000_000), False, 1

    settings = TrainingSettings(num_layers=num_layers, hidden_size=hidden_size, batch_size=B, seq_length=T, steps=1)
    corpus: EncodedCorpus = Corpus()  # type: ignore[assignment]
    return dataclasses.replace(auto(corpus, settings), precision=precision)


def our_step(chosen: Recipe) -> Callable[[], None]:
    learner = Learner(chosen.config(V, 0), chosen)
    ids = np.random.default_rng(0).integers(0, V - 1, 1_000_000).astype(np.uint8)
    lanes = Lanes(ids, B, T, boundary=V - 1, newline=0, reset_probability=chosen.reset_probability, seed=0)

    def step() -> None:
        learner.learn(lanes.next(), 1e-3)

    return step


def plain_step(chosen: Recipe) -> Callable[[], None]:
    embedding = nn.Embedding(V, chosen.embedding_size)
    lstm = nn.LSTM(chosen.embedding_size, chosen.hidden_size, chosen.num_layers)
    output = nn.Linear(chosen.hidden_size, V)
    network = nn.ModuleList([embedding, lstm, output])
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    ids = torch.randint(0, V - 1, (1_000_000,))
    state: list[tuple[torch.Tensor, torch.Tensor] | None] = [None]
    at = [0]

    def step() -> None:
        window = ids[at[0] : at[0] + (T + 1) * B].view(B, T + 1).t()
        at[0] = (at[0] + T * B) % (len(ids) - (T + 1) * B)
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=chosen.precision == "bfloat16"):
            hidden, after = lstm(embedding(window[:-1]), state[0])
            logits = output(hidden)
        state[0] = (after[0].detach().float(), after[1].detach().float())
        loss = nn.functional.cross_entropy(logits.float().reshape(-1, V), window[1:].reshape(-1))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss.item()

    return step


def product(precision: Precision) -> Callable[[], None]:
    a, b = (torch.randn(SQUARE, SQUARE).to(getattr(torch, precision)) for _ in range(2))

    def multiply() -> None:
        a @ b

    return multiply


def in_turn(works: list[Callable[[], None]], repeats: list[int]) -> list[list[float]]:
    """Seconds a call of each of `works`, `ROUNDS` times in turn, each time the mean of so many calls."""
    for work in works:
        for _ in range(3):
            work()
    times: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for kind, work in enumerate(works):
            began = time.perf_counter()
            for _ in range(repeats[kind]):
                work()
            times[kind].append((time.perf_counter() - began) / repeats[kind])
    return times


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    threads = available_threads()
    torch.set_num_threads(threads)
    print(
        f"{threads} threads, PyTorch {torch.__version__}, {B} × {T} tokens a step; medians of {ROUNDS} rounds in turn"
    )
    print("| layers × units | precision | step | product, GFLOP/s | step, GFLOP/s | share | ours ÷ plain |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for precision in ("float32", "bfloat16"):
        for num_layers, hidden_size in SHAPES:
            chosen = recipe(num_layers, hidden_size, precision)
            E, H = chosen.embedding_size, hidden_size
            multiplied = 4 * H * (E + H) + 4 * H * 2 * H * (num_layers - 1) + H * V  # weights in matrix products
            repeats = 1 if H > 512 else 4
            times = in_turn([our_step(chosen), plain_step(chosen), product(precision)], [repeats, repeats, 2 * repeats])
            ours, square = statistics.median(times[0]), statistics.median(times[2])
            rate, best = 6 * multiplied * B * T / ours, 2 * SQUARE**3 / square
            ratio = statistics.median(a / b for a, b in zip(times[0], times[1], strict=True))
            print(
                f"| {num_layers} × {hidden_size} | {precision} | {1e3 * ours:.1f} ms | {best / 1e9:.0f} | "
                f"{rate / 1e9:.0f} | {rate / best:.0%} | {ratio:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
