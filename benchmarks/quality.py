"""What a model learns in a given time, in bits per character on held-out text.

    python -m benchmarks.quality train ROW... [option of afterword train ...]
    python -m benchmarks.quality table              the table, of benchmarks/results/quality.jsonl

Alone on the machine. Everything goes through the real command, `afterword train`, with the held-out part as
--validation, which keep-best may look at, and begins from scratch: benchmarks/base.py measures what a base model
brings. Running text: trained on the first 90 %, scored on the last 10 % by the saved model, in NumPy, twice:

    carried   the whole held-out part, read once from its start with the state carried
    windows   the mean over its disjoint windows of 257 characters, each from an empty state, the first only read

Lines: 1,000 drawn by the seed from the list as it is, each scored from an empty state, its end counted as a character;
and, as `distinct`, those among them that do not stand among the others too.

Each figure is that of the model as it is used, its LSTM and its n-gram together, and that of its LSTM alone. Each run
is a line in benchmarks/results/quality.jsonl, whose figures are nats per character.
"""

from __future__ import annotations

import json
import random
import shutil
import statistics
import tempfile
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from afterword.model.folder.saved import SavedModel, load_model
from afterword.model.network.network import Network
from afterword.scoring.costs import LineScore, score, score_lines
from afterword.text.tokenizer import Tokenizer
from benchmarks.commands import (
    DATA,
    as_written,
    bits,
    echo_table,
    results,
    run_afterword,
    split,
    write_parts,
    write_result,
)
from tests.reading import read_text

WINDOW = 257
HELD_OUT_LINES = 1_000
USED = ("both", "lstm")


@dataclass(frozen=True)
class Row:
    """One row of the table: what is trained on, for how long, and how often."""

    text: str
    minutes: float
    seeds: int = 3
    lines: bool = False
    beside: str = ""


ROWS = {
    "tinyshakespeare-2": Row(
        "tinyshakespeare.txt", 2, beside="nanoGPT's CPU recipe, 144 s: 2.704 windows (a loss of 1.874)"
    ),
    "tinyshakespeare-5": Row("tinyshakespeare.txt", 5, beside="nanoGPT, 3 minutes of an A100: 2.121 windows (1.470)"),
    "tinyshakespeare-20": Row(
        "tinyshakespeare.txt", 20, seeds=1, beside="best reruns of it that we know: 2.114 (1.465)"
    ),
    "julius-caesar-2": Row("julius_caesar.txt", 2, beside="the founding recipe's one epoch, lower-cased: 3.62 (2.51)"),
    "names-2": Row("names.txt", 2, lines=True, beside="makemore's Transformer: 2.77 (1.92)"),
}


def learned(
    training: str, held_out: str, options: list[str], *, lines: bool = False, keep: Path | None = None
) -> dict[str, Any]:
    """What `afterword train` with these options makes of `training`, and how well it predicts `held_out`.

    keep: the folder to which the run is moved.
    """
    with tempfile.TemporaryDirectory() as place:
        first, last = write_parts(Path(place), training, held_out)
        out = Path(place, "run")
        run_afterword("train", first, "--validation", last, "--out", out, *["--lines"] * lines, *options)
        saved = load_model(out / "model")
        record = json.loads((out / "run.json").read_text())
        reports = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        if keep is not None:
            shutil.copytree(out, keep, dirs_exist_ok=True)
    return {
        "figures": costs(saved, held_out, set(training.splitlines()) if lines else None),
        "training_seconds": reports[-1]["seconds"],
        "steps": reports[-1]["step"],
        "environments": record["environments"],
        "expected": record["expected"],
        "plan": record["plan"],
    }


def costs(saved: SavedModel, held_out: str, known: Container[str] | None = None) -> dict[str, float]:
    """Nats per character of `held_out`, which is running text, or lines of which some are `known` from training."""
    tokenizer, figures = saved.tokenizer, {}
    if known is None:
        carried = score(saved.predictor(), tokenizer, held_out)
        for using in USED:
            figures[f"carried {using}"] = carried.apart.get(using, carried.nats_per_character)
            figures[f"windows {using}"] = windows(saved.predictor(using), tokenizer, held_out)
        return figures
    scores = score_lines(saved.predictor(), tokenizer, held_out.splitlines())
    for using in USED:
        figures[f"lines {using}"] = mean_cost(scores, using)
        figures[f"distinct {using}"] = mean_cost([score for score in scores if score.text not in known], using)
    return figures


def split_lines(text: str, seed: int) -> tuple[str, str]:
    """All lines but `HELD_OUT_LINES` drawn by `seed`, and those."""
    lines = [line for line in text.splitlines() if line]
    random.Random(seed).shuffle(lines)
    return "\n".join(lines[HELD_OUT_LINES:]) + "\n", "\n".join(lines[:HELD_OUT_LINES]) + "\n"


def mean_cost(scores: list[LineScore], using: str) -> float:
    """Nats per character by the mixture or one of its parts."""
    nats = sum(score.apart.get(using, score.nats_per_character) * score.characters for score in scores)
    return nats / sum(score.characters for score in scores)


def windows(network: Network, tokenizer: Tokenizer, text: str) -> float:
    """Nats per character over the disjoint windows of `text`, of as many tokens as WINDOW characters have on average.

    64 of them are read at a time.
    """
    ids = tokenizer.encode(text)
    length = WINDOW * len(ids) // len(text)
    count = len(ids) // length
    each = ids[: count * length].reshape(count, length)
    costs = []
    for first in range(0, count, 64):
        some = each[first : first + 64]
        read = np.concatenate([np.full((len(some), 1), tokenizer.end), some[:, :-1]], axis=1)
        logits, _ = network.read(read, network.start(len(some)))
        costs.append(-network.token_log_probabilities(logits[:, 1:], some[:, 1:]))
    return float(np.concatenate(costs).mean()) * len(ids) / len(text)


def run(name: str, row: Row, options: list[str]) -> None:
    """Train and score a row for each seed, print each result and write it down."""
    whole, _ = read_text([DATA / row.text])
    for seed in range(row.seeds):
        training, held_out = split_lines(whole, seed) if row.lines else split(whole)
        asked = ["--base", "none", "--minutes", str(row.minutes), "--seed", str(seed), *options]
        result = learned(training, held_out, asked, lines=row.lines)
        about = {"row": name, "text": row.text, "minutes": row.minutes, "seed": seed, "options": options}
        write_result("quality", **about, **result)
        figures = ", ".join(f"{key} {bits(value):.4f}" for key, value in result["figures"].items())
        click.echo(f"{name}, seed {seed}: {figures} bits per character; {result['steps']} steps")


def quality_table() -> Iterator[list[str]]:
    """Yield the rows of the table, of the newest result of each row and seed that was run without further options."""
    newest: dict[str, dict[int, dict[str, Any]]] = {}
    for result in results("quality", options=[]):
        newest.setdefault(result["row"], {})[result["seed"]] = result
    for name, row in ROWS.items():
        runs = [result for _, result in sorted(newest.get(name, {}).items())][: row.seeds]
        if not runs:
            continue
        units = runs[0]["plan"]["hidden_size"]
        runs = [result for result in runs if result["plan"]["hidden_size"] == units]
        head = [row.text, f"{row.minutes:g} min"]
        for kind in ("lines", "distinct") if row.lines else ("carried", "windows"):
            both, lstm = (spread([bits(result["figures"][f"{kind} {using}"]) for result in runs]) for using in USED)
            yield [*head, kind, f"**{both}**", lstm, row.beside if head[0] else ""]
            head = ["", ""]


def spread(values: list[float]) -> str:
    """The mean, and from where to where the values go."""
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f}–{max(values):.3f})"


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


@main.command(context_settings={"ignore_unknown_options": True}, help="Train and score rows of the table.")
@click.argument("what", nargs=-1, required=True, metavar="ROW... [OPTION OF TRAIN]...", type=click.UNPROCESSED)
def train(what: tuple[str, ...]) -> None:
    first = next((k for k, word in enumerate(what) if word.startswith("-")), len(what))
    for name in what[:first]:  # the rest are options of `afterword train`
        if name not in ROWS:
            raise click.UsageError(f"{name} is none of the rows {', '.join(ROWS)}")
        run(name, ROWS[name], list(what[first:]))


@main.command(help="Print the table of what was measured.")
def table() -> None:
    echo_table(["text", "time", "", "together", "LSTM alone", "for comparison"], quality_table())


if __name__ == "__main__":
    main()
