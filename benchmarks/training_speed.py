"""How much of the machine a training step uses.

    python -m benchmarks.training_speed cpu
    python -m benchmarks.training_speed gpu

`cpu`, for 1 × 512, 2 × 512 and 3 × 1024 units, in float32 and bfloat16, 16 lanes of 64 of random characters:

    share   the network's matrix products (6 operations a weight and token: forward, and both gradients) in the whole
            time of a step (data, embedding, dropout, loss, clipping, optimizer and averaging included), as a share of
            the rate of one large matrix product in the same precision, measured in turn with it; and the same with the
            products that Muon makes counted too
    plain   the time of a step as a share of that of a plain script (embedding, nn.LSTM, linear, AdamW; no dropout,
            clipping or averaging), in turn with it: 1 or less is no slower

Each for the loop as it is, and with AdamW in Muon's place, which shows what the loop itself costs.

`gpu` prints the characters per second of a training step for 2 × 512 and 3 × 1024 units, in the precision that a plan
tries first, in turn with a plain script in the same precision and with the same batches (no scaled loss, dropout,
clipping or averaging); then what is learned from tinyshakespeare in 3 minutes, as benchmarks/quality.py measures it.

Alone on the machine.
"""

from __future__ import annotations

import os

os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # as training itself does: see docs/decisions.md
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import dataclasses
import statistics
import time
from collections.abc import Callable

import click
import numpy as np
import torch
from torch import nn

from afterword.learning.batches import Lanes
from afterword.learning.device import described, precisions_to_try, prepare_device, why_unusable
from afterword.learning.learner import Learner
from afterword.learning.optimizer import EARLY, RENEW, AdamW
from afterword.learning.ranks import ALONE, Team
from afterword.learning.recipe import Device, Precision, Recipe
from afterword.planning.machine import available_threads
from afterword.text.characters import ClassicTokenizer
from benchmarks.commands import DATA, as_written
from benchmarks.quality import Row, run

V, B, T = 66, 16, 64
SHAPES = ((1, 512), (2, 512), (3, 1024))
SQUARE = 2048
ROUNDS = 9
ITERATIONS = 3  # of Muon's
GPU_SHAPES = ((2, 512), (3, 1024))
GPU_LANES = (16, 64, 128)
GPU_MINUTES = 3


def recipe(
    num_layers: int, hidden_size: int, precision: Precision, device: Device = "cpu", batch_size: int = B
) -> Recipe:
    """The default recipe in these sizes."""
    from afterword.planning.auto import Planner
    from afterword.planning.training_plan import TrainingSettings
    from afterword.text.encoded import EncodedCorpus

    class Corpus:
        training, validation, lines, documents = range(1_000_000), (), False, 1
        kind = "text"

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
    return dataclasses.replace(Planner(corpus, settings).recipe(hidden_size), precision=precision)


def our_step(chosen: Recipe, adamw: bool = False, team: Team = ALONE) -> Callable[[], None]:
    learner = Learner(
        chosen.config(ClassicTokenizer.of(map(chr, range(0x4E00, 0x4E00 + V)), lowercase=True)), chosen, team
    )
    if adamw:
        learner._optimizers = [AdamW([{"params": learner.network.parameters(), "weight_decay": 0.01}], 1e-3)]
    ids = np.random.default_rng(0).integers(0, V - 1, 1_000_000).astype(np.uint8)
    lanes = Lanes(ids, chosen, boundary=V - 1, newline=0)

    def step() -> None:
        learner.learn(lanes.next(), 1e-3)

    return step


def multiplied_weights(chosen: Recipe) -> int:
    """The weights in matrix products."""
    H = chosen.hidden_size
    return 4 * H * (chosen.embedding_size + H) + 4 * H * 2 * H * (chosen.num_layers - 1) + H * V


def share(num_layers: int, hidden_size: int, precision: Precision) -> float:
    """The share of the machine's matrix rate that a step reaches, Muon's products counted."""
    chosen = recipe(num_layers, hidden_size, precision)
    torch.set_num_threads(available_threads())
    operations = 6 * multiplied_weights(chosen) * B * T + muons_operations(
        num_layers, chosen.embedding_size, hidden_size
    )
    steps, products = in_turn([our_step(chosen), product(precision)], ROUNDS)
    return operations / statistics.median(steps) / (2 * SQUARE**3 / statistics.median(products))


def plain_step(chosen: Recipe) -> Callable[[], None]:
    """A step of the plain script, on the recipe's device and in its precision."""
    device, B = prepare_device(chosen.device, chosen.precision), chosen.batch_size
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
        renewal = (2 * ITERATIONS - 1) * use + (2 * ITERATIONS - 1) * 2 * 4 * N**3
        total += use + renewal / RENEW
    return total


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


@main.command(help="A step's share of what the machine can do, and of a plain script's time.")
def cpu() -> None:
    threads = available_threads()
    torch.set_num_threads(threads)
    print(f"{threads} threads, PyTorch {torch.__version__}, {B} × {T} tokens a step; medians of rounds in turn")
    print("| layers × units | precision | optimizer | step | GFLOP/s: product | step | share | with Muon's | ÷ plain |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for precision in ("float32", "bfloat16"):
        for num_layers, hidden_size in SHAPES:
            chosen = recipe(num_layers, hidden_size, precision)
            E, H = chosen.embedding_size, hidden_size
            works = [our_step(chosen), our_step(chosen, adamw=True), plain_step(chosen), product(precision)]
            times = in_turn(works, ROUNDS if H <= 512 else 3)
            best = 2 * SQUARE**3 / statistics.median(times[3])
            for kind, optimizer in enumerate(("Muon", "AdamW")):
                seconds = statistics.median(times[kind])
                rate = 6 * multiplied_weights(chosen) * B * T / seconds
                extra = muons_operations(num_layers, E, H) / seconds if optimizer == "Muon" else 0.0
                ratio = statistics.median(a / b for a, b in zip(times[kind], times[2], strict=True))
                print(
                    f"| {num_layers} × {hidden_size} | {precision} | {optimizer} | {1e3 * seconds:.1f} ms | "
                    f"{best / 1e9:.0f} | {rate / 1e9:.0f} | {rate / best:.0%} | {(rate + extra) / best:.0%} | "
                    f"{ratio:.2f} |",
                    flush=True,
                )


@main.command(help="What a GPU does, if there is one: its speed, and what it learns in 3 minutes.")
def gpu() -> None:
    why = why_unusable("cuda")
    if why:
        print(f"no GPU: {why}")
        return
    print(f"{described('cuda')}, PyTorch {torch.__version__}; medians of {ROUNDS} rounds in turn")
    print("| layers × units | lanes | precision | characters/s | plain script | ours ÷ plain |")
    print("| --- | --- | --- | --- | --- | --- |")
    for num_layers, hidden_size in GPU_SHAPES:
        for lanes in GPU_LANES:
            precision = precisions_to_try("cuda", hidden_size)[0]
            chosen = recipe(num_layers, hidden_size, precision, "cuda", lanes)
            ours, plain = in_turn([our_step(chosen), plain_step(chosen)], ROUNDS)
            speeds = [lanes * T / statistics.median(times) for times in (ours, plain)]
            ratio = statistics.median(b / a for a, b in zip(ours, plain, strict=True))
            print(
                f"| {num_layers} × {hidden_size} | {lanes} | {precision} | {speeds[0]:,.0f} | {speeds[1]:,.0f} | "
                f"{ratio:.2f} |",
                flush=True,
            )
    row = Row("tinyshakespeare.txt", GPU_MINUTES)
    run(f"tinyshakespeare-{GPU_MINUTES} on a GPU", DATA / row.text, row, [0], ["--device", "cuda"])


if __name__ == "__main__":
    main()
