"""How much of the machine a training step uses: python benchmarks/training_speed.py

For 1 × 512, 2 × 512 and 3 × 1024 units, in float32 and bfloat16, 16 lanes of 64 of random characters:

    share   the network's matrix products (6 operations a weight and token: forward, and both gradients) in the whole
            time of a step (data, embedding, dropout, loss, clipping, optimizer and averaging included), as a share of
            the rate of one large matrix product in the same precision, measured in turn with it; and the same with the
            products that Muon makes counted too
    plain   the time of a step as a share of that of a plain script (embedding, nn.LSTM, linear, AdamW; no dropout,
            clipping or averaging), in turn with it: 1 or less is no slower

Each for the loop as it is, and with AdamW in Muon's place, which says what the loop itself costs.

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

from afterword.learning.device import opened
from afterword.learning.lanes import Lanes
from afterword.learning.learner import Learner
from afterword.learning.muon import EARLY, RENEW
from afterword.learning.recipe import Device, Precision, Recipe
from afterword.planning.speed import available_threads
from afterword.text.vocabularies.classic import ClassicTokenizer

V, B, T = 66, 16, 64
SHAPES = ((1, 512), (2, 512), (3, 1024))
SQUARE = 2048
ROUNDS = 9
ITERATIONS = 3  # of Muon's


def recipe(
    num_layers: int, hidden_size: int, precision: Precision, device: Device = "cpu", batch_size: int = B
) -> Recipe:
    """The default recipe in these sizes."""
    from afterword.planning.auto import draft
    from afterword.planning.settings import TrainingSettings
    from afterword.text.encoded import EncodedCorpus

    class Corpus:
        training, validation, lines, documents = range(1_000_000), (), False, 1

    settings = TrainingSettings(
        device=device,
        num_layers=num_layers,
        hidden_size=hidden_size,
        batch_size=batch_size,
        seq_length=T,
        dropout=0.2,
        steps=1,
    )
    corpus: EncodedCorpus = Corpus()  # type: ignore[assignment]
    return dataclasses.replace(draft(corpus, settings), precision=precision)


def our_step(chosen: Recipe, adamw: bool = False) -> Callable[[], None]:
    learner = Learner(chosen.config(ClassicTokenizer.of(chr(0x4E00 + k) for k in range(V))), chosen)
    if adamw:
        learner._optimizers = [torch.optim.AdamW(learner.network.parameters(), lr=1e-3, fused=True)]
    ids = np.random.default_rng(0).integers(0, V - 1, 1_000_000).astype(np.uint8)
    lanes = Lanes(
        ids, chosen.batch_size, T, boundary=V - 1, newline=0, reset_probability=chosen.reset_probability, seed=0
    )

    def step() -> None:
        learner.learn(lanes.next(), 1e-3)

    return step


def plain_step(chosen: Recipe) -> Callable[[], None]:
    """A step of the plain script, on the recipe's device and in its precision."""
    device, B = opened(chosen.device, chosen.precision), chosen.batch_size
    embedding = nn.Embedding(V, chosen.embedding_size)
    lstm = nn.LSTM(chosen.embedding_size, chosen.hidden_size, chosen.num_layers)
    output = nn.Linear(chosen.hidden_size, V)
    network = nn.ModuleList([embedding, lstm, output]).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    ids = torch.randint(0, V - 1, (1_000_000,), device=device)
    state: list[tuple[torch.Tensor, torch.Tensor] | None] = [None]
    at = [0]
    half = torch.float16 if chosen.precision == "float16" else torch.bfloat16

    def step() -> None:
        window = ids[at[0] : at[0] + (T + 1) * B].view(B, T + 1).t()
        at[0] = (at[0] + T * B) % (len(ids) - (T + 1) * B)
        optimizer.zero_grad()
        with torch.autocast(device.type, half, enabled=chosen.precision != "float32"):
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


def in_turn(works: list[Callable[[], None]], rounds: int) -> list[list[float]]:
    """Seconds a call of each of `works`, `rounds` times in turn, each time the mean of `RENEW` calls."""
    for work in works:
        for _ in range(EARLY):
            work()
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for kind, work in enumerate(works):
            began = time.perf_counter()
            for _ in range(RENEW):
                work()
            times[kind].append((time.perf_counter() - began) / RENEW)
    return times


def muons_operations(num_layers: int, E: int, H: int) -> float:
    """What Muon multiplies in a step: each gate's matrix times its root, and now and then the root's iteration."""
    total = 0.0
    for N in (E, *[H] * (2 * num_layers - 1)):  # the columns of each matrix [4, H, N]
        use = 2 * 4 * H * N * N
        renewal = ITERATIONS * (2 * use + 2 * 4 * N**3) + (ITERATIONS - 1) * 2 * 4 * N**3
        total += use + renewal / RENEW
    return total


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    threads = available_threads()
    torch.set_num_threads(threads)
    print(f"{threads} threads, PyTorch {torch.__version__}, {B} × {T} tokens a step; medians of rounds in turn")
    print("| layers × units | precision | optimizer | step | GFLOP/s: product | step | share | with Muon's | ÷ plain |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for precision in ("float32", "bfloat16"):
        for num_layers, hidden_size in SHAPES:
            chosen = recipe(num_layers, hidden_size, precision)
            E, H = chosen.embedding_size, hidden_size
            multiplied = 4 * H * (E + H) + 4 * H * 2 * H * (num_layers - 1) + H * V  # weights in matrix products
            works = [our_step(chosen), our_step(chosen, adamw=True), plain_step(chosen), product(precision)]
            times = in_turn(works, ROUNDS if H <= 512 else 3)
            best = 2 * SQUARE**3 / statistics.median(times[3])
            for kind, optimizer in enumerate(("Muon", "AdamW")):
                seconds = statistics.median(times[kind])
                rate = 6 * multiplied * B * T / seconds
                extra = muons_operations(num_layers, E, H) / seconds if optimizer == "Muon" else 0.0
                ratio = statistics.median(a / b for a, b in zip(times[kind], times[2], strict=True))
                print(
                    f"| {num_layers} × {hidden_size} | {precision} | {optimizer} | {1e3 * seconds:.1f} ms | "
                    f"{best / 1e9:.0f} | {rate / 1e9:.0f} | {rate / best:.0%} | {(rate + extra) / best:.0%} | "
                    f"{ratio:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
