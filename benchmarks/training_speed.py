"""How much of the machine a training step uses.

    python -m benchmarks.training_speed cpu
    python -m benchmarks.training_speed gpu

`cpu`, for 1 × 512, 2 × 512 and 3 × 1024 units, in float32 and bfloat16, 16 lanes of 64 of random characters, with Muon
and with AdamW in its place: a step's time; the matrix products of the network and of Muon in that time, as a share of
the rate of one large matrix product in the same precision, measured in turn with it; and the time of a step as a share
of that of a plain script (embedding, nn.LSTM, linear, AdamW; no dropout, clipping or averaging), in turn with it.

`gpu` prints the characters per second of a training step for 2 × 512 and 3 × 1024 units, in the precision that a plan
tries first, and of the plain script; then what is learned from tinyshakespeare in 3 minutes.

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
from benchmarks.commands import as_written, echo_row, echo_table, machine
from benchmarks.quality import Row, run

V, B, T = 66, 16, 64
SHAPES = ((1, 512), (2, 512), (3, 1024))
SQUARE = 2048
ROUNDS = 9
ITERATIONS = 3  # of Muon's


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


def share(chosen: Recipe, step: list[float], products: list[float], muon: bool = True) -> float:
    """Return the share of the machine's matrix rate that a step reaches, Muon's products counted.

    They are 6 operations a weight and token: forward, and both gradients. Muon multiplies each gate's matrix by its
    root, and now and then iterates for the root.
    """
    E, H, L = chosen.embedding_size, chosen.hidden_size, chosen.num_layers
    operations = 6.0 * B * T * (4 * H * (E + H) + 4 * H * 2 * H * (L - 1) + H * V)
    for N in (E, *[H] * (2 * L - 1)) if muon else ():  # the columns of each matrix [4, H, N]
        use = 2 * 4 * H * N * N
        operations += use + (2 * ITERATIONS - 1) * (use + 2 * 4 * N**3) / RENEW
    return operations / statistics.median(step) / (2 * SQUARE**3 / statistics.median(products))


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


@main.command(help="A step's share of what the machine can do, and of a plain script's time.")
def cpu() -> None:
    torch.set_num_threads(available_threads())
    click.echo(f"{machine('torch')}; {B} × {T} tokens a step; medians of rounds in turn")
    echo_table(["layers × units", "precision", "optimizer", "step", "of the matrix rate", "÷ plain"])
    for precision in ("float32", "bfloat16"):
        for num_layers, hidden_size in SHAPES:
            chosen = recipe(num_layers, hidden_size, precision)
            works = [our_step(chosen), our_step(chosen, adamw=True), plain_step(chosen), product(precision)]
            *ours, plain, products = in_turn(works, ROUNDS if hidden_size <= 512 else 3)
            for optimizer, times in zip(("Muon", "AdamW"), ours, strict=True):
                reached = share(chosen, times, products, muon=optimizer == "Muon")
                ratio = statistics.median(a / b for a, b in zip(times, plain, strict=True))
                figures = f"{1e3 * statistics.median(times):.1f} ms", f"{reached:.0%}", f"{ratio:.2f}"
                echo_row([f"{num_layers} × {hidden_size}", precision, optimizer, *figures])


@main.command(help="What a GPU does, if there is one: its speed, and what it learns in 3 minutes.")
def gpu() -> None:
    if why := why_unusable("cuda"):
        raise click.ClickException(f"no GPU: {why}")
    click.echo(f"{described('cuda')}, PyTorch {torch.__version__}; medians of {ROUNDS} rounds in turn")
    echo_table(["layers × units", "lanes", "precision", "characters/s", "plain script"])
    for num_layers, hidden_size in SHAPES[1:]:
        for lanes in (16, 64, 128):
            precision = precisions_to_try("cuda", hidden_size)[0]
            chosen = recipe(num_layers, hidden_size, precision, "cuda", lanes)
            times = in_turn([our_step(chosen), plain_step(chosen)], ROUNDS)
            speeds = [f"{lanes * T / statistics.median(each):,.0f}" for each in times]
            echo_row([f"{num_layers} × {hidden_size}", f"{lanes}", precision, *speeds])
    row = Row("tinyshakespeare.txt", 3)
    run("tinyshakespeare-3 on a GPU", row, ["--device", "cuda"])


if __name__ == "__main__":
    main()
