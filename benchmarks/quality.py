"""What a model learns in a given time: python benchmarks/quality.py TEXT --minutes M --seeds 0 1 2

The first 90 % of TEXT are trained on through the real command, with the last 10 % as --validation (which keep-best may
look at, as nanoGPT's does). Printed in nats a character, by the saved model in NumPy:

    carried   the whole validation text, read once from its start with the state carried
    windows   the mean over all disjoint windows of 257 characters, each from an empty state, the first only read

Each run is a line in benchmarks/results/quality.jsonl. Nothing else may run on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from afterword.model.network import Network
from afterword.model.saved import load_model
from afterword.scoring.score import score
from afterword.text.corpus import read_text

RESULTS = Path(__file__).parent / "results" / "quality.jsonl"
WINDOW = 257


def measure(text: Path, minutes: float, seed: int, options: list[str]) -> dict[str, Any]:
    """Train on the first 90 % of `text` and score the rest."""
    whole, _ = read_text([text])
    cut = int(0.9 * len(whole))
    with tempfile.TemporaryDirectory() as place:
        first, last, out = Path(place, "first.txt"), Path(place, "last.txt"), Path(place, "run")
        first.write_text(whole[:cut], encoding="utf-8")
        last.write_text(whole[cut:], encoding="utf-8")
        command: list[str | Path] = [
            "train",
            first,
            "--validation",
            last,
            "--out",
            out,
            "--minutes",
            str(minutes),
            "--seed",
            str(seed),
        ]
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "afterword", *command, *options], check=True)
        took = time.monotonic() - began
        saved = load_model(out / "model")
        plan = json.loads((out / "run.json").read_text())["plan"]
        reports = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    network, tokenizer = Network(saved.config, saved.weights), saved.tokenizer
    return {
        "text": text.name,
        "minutes": minutes,
        "seed": seed,
        "options": options,
        "carried": score(network, tokenizer, whole[cut:]).nats_per_character,
        "windows": windows(network, tokenizer.encode(whole[cut:]), tokenizer.end),
        "training_seconds": reports[-1]["seconds"],
        "command_seconds": round(took, 1),
        "steps": reports[-1]["step"],
        "best_step": saved.about["training"]["steps"],
        "plan": plan,
    }


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    chosen, options = parser.parse_known_args()  # what is left goes to `afterword train`
    if not chosen.text.exists():
        print(f"skipped: there is no {chosen.text}")
        return
    found = []
    for seed in chosen.seeds:
        result = measure(chosen.text, chosen.minutes, seed, options)
        RESULTS.parent.mkdir(exist_ok=True)
        with open(RESULTS, "a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
        print(
            f"{result['text']}, {chosen.minutes:g} min, seed {seed}: carried {result['carried']:.4f}, "
            f"windows {result['windows']:.4f} nats a character; {result['steps']} steps in "
            f"{result['training_seconds']:.1f} s ({os.cpu_count()} cores), the best at {result['best_step']}",
            flush=True,
        )
        found.append(result)
    for name in ("carried", "windows"):
        values = [result[name] for result in found]
        print(f"{name}: mean {statistics.mean(values):.4f}, from {min(values):.4f} to {max(values):.4f}")


if __name__ == "__main__":
    main()
