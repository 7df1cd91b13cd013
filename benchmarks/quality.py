"""What a model learns in a given time, in bits per character on held-out text.

    python benchmarks/quality.py ROW [ROW ...]      train and score rows of the table below; alone on the machine
    python benchmarks/quality.py TEXT --minutes M   the same for any text
    python benchmarks/quality.py --table            draw the table from benchmarks/results/quality.jsonl

Everything goes through the real command, `afterword train`, with the held-out part as --validation, which keep-best may
look at, and begins from nothing: benchmarks/base.py measures what a base model brings. What other options are given go
to it as they are. Running text: trained on the first 90 %, scored on the last 10 % by the saved model, in NumPy, twice:

    carried   the whole held-out part, read once from its start with the state carried
    windows   the mean over its disjoint windows of 257 characters, each from an empty state, the first only read

Lines: 1,000 drawn by the seed from the list as it is, each scored from an empty state, its end counted as a character;
and, as `distinct`, those among them that do not stand among the others too.

Each figure is that of the model as it is used, its LSTM and its n-gram together, and that of its LSTM alone. Each run
is a line in benchmarks/results/quality.jsonl, whose figures are nats per character.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from afterword.model.network import Network
from afterword.model.saved import SavedModel, load_model
from afterword.scoring.score import LineScore, score, score_lines
from afterword.text.reading import read_text

DATA = Path("../shared/data")
RESULTS = Path(__file__).parent / "results" / "quality.jsonl"
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


def measure(text: Path, row: Row, seed: int, options: list[str]) -> dict[str, Any]:
    """Train on one part of `text` and score the other."""
    whole, _ = read_text([text])
    training, held_out = split_lines(whole, seed) if row.lines else split(whole)
    asked = ["--base", "none", "--minutes", str(row.minutes), "--seed", str(seed)]
    result = {"text": text.name, "minutes": row.minutes, "seed": seed, "options": options}
    return {**result, **learned(training, held_out, [*asked, *options], lines=row.lines)}


def learned(training: str, held_out: str, options: list[str], *, lines: bool = False) -> dict[str, Any]:
    """What `afterword train` with these options makes of `training`, and how well it predicts `held_out`."""
    with tempfile.TemporaryDirectory() as place:
        first, last, out = Path(place, "training.txt"), Path(place, "held-out.txt"), Path(place, "run")
        first.write_text(training, encoding="utf-8")
        last.write_text(held_out, encoding="utf-8")
        command: list[str | Path] = ["train", first, "--validation", last, "--out", out, *(["--lines"] * lines)]
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "afterword", *command, *options], check=True)
        took = time.monotonic() - began
        saved = load_model(out / "model")
        record = json.loads((out / "run.json").read_text())
        reports = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {
        "figures": costs(saved, held_out, set(training.splitlines()) if lines else None),
        "share": saved.mixture_weight,
        "training_seconds": reports[-1]["seconds"],
        "command_seconds": round(took, 1),
        "steps": reports[-1]["step"],
        "best_step": saved.about["training"]["steps"],
        "parameters": saved.config.parameters,
        "cores": os.cpu_count(),
        "environments": record["environments"],
        "base": record.get("base"),
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
            figures[f"windows {using}"] = windows(saved.predictor(using), tokenizer.encode(held_out), tokenizer.end)
        return figures
    scores = score_lines(saved.predictor(), tokenizer, held_out.splitlines())
    for using in USED:
        figures[f"lines {using}"] = mean_cost(scores, using)
        figures[f"distinct {using}"] = mean_cost([score for score in scores if score.text not in known], using)
    return figures


def split(text: str) -> tuple[str, str]:
    """The first 90 % and the last 10 %."""
    cut = int(0.9 * len(text))
    return text[:cut], text[cut:]


def split_lines(text: str, seed: int) -> tuple[str, str]:
    """All lines but `HELD_OUT_LINES` drawn by `seed`, and those."""
    lines = [line for line in text.splitlines() if line]
    random.Random(seed).shuffle(lines)
    return "\n".join(lines[HELD_OUT_LINES:]) + "\n", "\n".join(lines[:HELD_OUT_LINES]) + "\n"


def mean_cost(scores: list[LineScore], using: str) -> float:
    """Nats per character by the mixture or one of its parts."""
    nats = sum(score.apart.get(using, score.nats_per_character) * score.characters for score in scores)
    return nats / sum(score.characters for score in scores)


def windows(network: Network, ids: np.ndarray, boundary: int | None) -> float:
    """Nats a token over the disjoint windows of ids [N] (one token a character here), 64 of them at a time."""
    count = len(ids) // WINDOW
    each = ids[: count * WINDOW].reshape(count, WINDOW)
    costs = []
    for first in range(0, count, 64):
        some = each[first : first + 64]
        read = np.concatenate([np.full((len(some), 1), boundary), some[:, :-1]], axis=1)
        logits, _ = network.read(read, network.start(len(some)))
        costs.append(-network.token_log_probabilities(logits[:, 1:], some[:, 1:]))
    return float(np.concatenate(costs).mean())


def run(name: str, text: Path, row: Row, seeds: list[int], options: list[str]) -> None:
    """Measure a row for each of `seeds`, print each result and write it down."""
    if not text.exists():
        print(f"{name}: skipped, there is no {text}")
        return
    for seed in seeds:
        result = {"row": name, **measure(text, row, seed, options)}
        RESULTS.parent.mkdir(exist_ok=True)
        with open(RESULTS, "a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
        figures = ", ".join(f"{key} {value / math.log(2):.4f}" for key, value in result["figures"].items())
        print(
            f"{name}, seed {seed}: {figures} bits per character; {result['steps']} steps in "
            f"{result['training_seconds']:.1f} s, the best at {result['best_step']}",
            flush=True,
        )


def table() -> str:
    """The table in Markdown, of the newest result of each row and seed that was run without further options."""
    newest: dict[str, dict[int, dict[str, Any]]] = {}
    for line in RESULTS.read_text(encoding="utf-8").splitlines():
        result = json.loads(line)
        if result.get("row") in ROWS and not result["options"]:
            newest.setdefault(result["row"], {})[result["seed"]] = result
    lines = [
        "| text | time | plan | | together | LSTM alone | beside it |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in ROWS.items():
        results = [result for _, result in sorted(newest.get(name, {}).items())][: row.seeds]
        if not results:
            continue
        plan = results[0]["plan"]
        results = [result for result in results if result["plan"]["hidden_size"] == plan["hidden_size"]]
        shape = f"{plan['num_layers']} × {plan['hidden_size']}, {results[0]['steps']:,} steps"
        head = f"{row.text} | {row.minutes:g} min | {shape}"
        for kind in ("lines", "distinct") if row.lines else ("carried", "windows"):
            both, lstm = (
                spread([result["figures"][f"{kind} {using}"] / math.log(2) for result in results]) for using in USED
            )
            lines.append(f"| {head} | {kind} | **{both}** | {lstm} | {row.beside if head.strip(' |') else ''} |")
            head = " | | "
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """The mean, and from where to where the values go."""
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f}–{max(values):.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help=f"a text, or rows: {', '.join(ROWS)}")
    parser.add_argument("--minutes", type=float, default=2, help="for a text")
    parser.add_argument("--lines", action="store_true", help="for a text: each line by itself")
    parser.add_argument("--seeds", type=int, nargs="+", help="0, 1 and 2 where a row says no other")
    parser.add_argument("--table", action="store_true", help="draw the table of what was measured")
    chosen, options = parser.parse_known_args()  # what is left goes to `afterword train`
    for what in chosen.what:
        row = ROWS.get(what) or Row(what, chosen.minutes, lines=chosen.lines)
        text = DATA / row.text if what in ROWS else Path(what)
        run(what if what in ROWS else text.name, text, row, chosen.seeds or list(range(row.seeds)), options)
    if chosen.table:
        print(table())


if __name__ == "__main__":
    main()
