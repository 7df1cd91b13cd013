"""What the lesson says of trained networks, measured on three seeds and on two kinds of kernels.

    python -m benchmarks.teach tasks         the four tasks with known answers: is the cell found, and is it the one?
    python -m benchmarks.teach units         false findings of 200 random questions, and planted cells that are found
    python -m benchmarks.teach subjects      Divya and Reena: what an LSTM and a plain network expect, and the gates
    python -m benchmarks.teach gaps          LSTM against plain network, by the length of the gap
    python -m benchmarks.teach difficult     what goes wrong in training, one run each
    python -m benchmarks.teach pictures      draws docs/gaps.svg and docs/difficult.svg from what is stored

Each appends what it measured to benchmarks/results/teach.jsonl, from which docs/lstm.md and docs/gates.md take their
figures; a test compares them. `make bench-teach` runs all, and tasks and subjects once more with the kernels of
an older processor (Haswell).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from afterword.inspection.questions import Mask, matching
from afterword.language_model import LanguageModel
from afterword.operations.tasks import MEASURED, SETTINGS, TASKS, Task, solution
from afterword.operations.train import train
from benchmarks.commands import as_written, measured_here, write_result

SEEDS = (0, 1, 2)
HELD_OUT = 1000  # a seed of texts that no network has learned from
QUESTIONS = 200


def trained(text: str, **settings: Any) -> LanguageModel:
    """Return a network of `text`, the best on its held-out tenth."""
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder, "text.txt")).write_text(text, encoding="utf-8")
        model = train(path, base="none", on_progress=lambda _: None, **settings)
        model.config  # noqa: B018
        return model


def store(way: str, **row: Any) -> None:
    kernels = os.environ.get("OPENBLAS_CORETYPE", "own")
    write_result("teach", **measured_here(), kernels=kernels, way=way, **row)
    click.echo(f"{way}: " + ", ".join(f"{name} {value}" for name, value in row.items()))


def learned(task: Task, seed: int, matters: bool = True, **other: Any) -> LanguageModel:
    settings = SETTINGS | {"steps": task.steps, "seq_length": task.seq_length, "seed": seed} | other
    return trained(task.text(seed, matters=matters), **settings)


def true_memory(model: LanguageModel, task: Task, text: str, layer: int, unit: int) -> float:
    """The memory of a unit where the task needs it, which the tool does not know: -1 / mean(log forget) there."""
    inside = matching(task.within).where(text)
    inside[1:] &= inside[:-1]  # without the first character, where it begins to remember
    return float(-1 / np.log(np.maximum(model.gates(text).forget[inside, layer, unit], 1e-30)).mean())


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


@main.command("tasks")
@click.option("--task", "names", multiple=True, default=tuple(TASKS))
@click.option("--seed", "seeds", multiple=True, type=int, default=SEEDS)
def tasks_(names: Sequence[str], seeds: Sequence[int]) -> None:
    for name in names:
        task = TASKS[name]
        for seed in seeds:
            for matters in (True, False) if name == "brackets" else (True,):
                text = task.text(HELD_OUT + seed, MEASURED, matters)
                model = learned(task, seed, matters)
                found = solution(model, task, text)
                best = found.answer.units[0]
                store(
                    "tasks",
                    task=name,
                    seed=seed,
                    matters=matters,
                    area=round(best.area, 4),
                    chance=round(found.answer.chance, 4),
                    memory=round(found.memory, 1),
                    true_memory=round(true_memory(model, task, text, best.layer, best.unit), 1),
                    bits=round(found.bits, 3),
                    held_bits=round(found.held_bits, 3),
                )
                click.echo(found.drawn)


def random_answers(random: np.random.Generator, length: int) -> Mask:
    """Answers to a question that means nothing: runs of a random mean length, true in a random part of the text."""
    true, stay = 0.02 * 25 ** random.random(), 30 ** random.random()  # 2 to 50 % of the text; runs of 1 to 30
    stay_false = stay * (1 - true) / true
    while True:
        lengths = random.geometric(np.tile([1 / max(stay_false, 1), 1 / stay], length // 2 + 1))
        mask = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)[:length]
        if all(half.any() and not half.all() for half in np.array_split(mask, 2)):
            return mask


if __name__ == "__main__":
    main()
