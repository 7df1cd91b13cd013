"""What the plan is worth: against a grid of settings, against its own forecast, and against the clock.

    python benchmarks/plan.py grid [TEXT ...] [--minutes 1] [--only SETTING ...]
                                         the plan and each setting of the grid, in turn; some 10 minutes a text
    python benchmarks/plan.py planning   how long measuring and planning take
    python benchmarks/plan.py busy [TEXT] [--minutes 5]
                                         what is planned alone, and beside one and two busy processes
    python benchmarks/plan.py clock [TEXT] [--minutes 1]
                                         a run alone, one beside a process that takes a core for a third of it, and the
                                         latter repeated from its record
    python benchmarks/plan.py table      the grid's table, of benchmarks/results/plan.jsonl

Alone on the machine. Everything goes through the real command, `afterword train`; a setting of the grid fixes what it
names, and the rest is fitted around it. A model's figure is what at most 100,000 characters of the held-out last tenth
cost it, evenly spread and read with the state carried; that is how all of a text's settings are compared. Each run is
a line in benchmarks/results/plan.jsonl.

Without a TEXT: Debian's copy of the GNU General Public License, 35 kB; tinyshakespeare, 1.1 MB; and the first 30 MB of
the GNU Collaborative International Dictionary of English (apt install dict-gcide). What is not there is passed over.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from afterword.model.saved import SavedModel, load_model
from afterword.text.encoded import EncodedCorpus

FROM_NOTHING = [sys.executable, "-m", "afterword", "train", "--base", "none"]
RESULTS = Path(__file__).parent / "results" / "plan.jsonl"
HELD_OUT = 100_000
LICENSE = Path("/usr/share/common-licenses/GPL-3")
SHAKESPEARE = Path("../shared/data/tinyshakespeare.txt")
DICTIONARY = Path("/usr/share/dictd/gcide.dict.dz")
DICTIONARY_BYTES = 30_000_000
BUSY = "while True: pass"

GRID = {
    "1 × 128, 16 lanes, 0.02": "--hidden-size 128 --batch-size 16 --learning-rate 0.02",
    "1 × 256, 8 lanes, 0.02": "--hidden-size 256 --batch-size 8 --learning-rate 0.02",
    "1 × 256, 16 lanes, 0.014": "--hidden-size 256 --batch-size 16 --learning-rate 0.014",
    "1 × 256, 16 lanes, 0.02": "--hidden-size 256 --batch-size 16 --learning-rate 0.02",
    "1 × 256, 32 lanes, 0.025": "--hidden-size 256 --batch-size 32 --learning-rate 0.025",
    "1 × 384, 16 lanes, 0.016": "--hidden-size 384 --batch-size 16 --learning-rate 0.016",
    "1 × 512, 16 lanes, 0.014": "--hidden-size 512 --batch-size 16 --learning-rate 0.014",
    "2 × 256, 16 lanes, 0.02": "--hidden-size 256 --num-layers 2 --batch-size 16 --learning-rate 0.02",
}
PLAN = "the plan"


def texts(place: Path) -> list[Path]:
    """The texts that are judged when none is named, as far as they are there."""
    dictionary = place / "gcide-30.txt"
    if DICTIONARY.exists():
        with gzip.open(DICTIONARY) as file:
            dictionary.write_text(file.read(DICTIONARY_BYTES).decode("utf-8", "ignore"), encoding="utf-8")
    found = [path for path in (LICENSE, SHAKESPEARE, dictionary) if path.exists()]
    for path in {LICENSE, SHAKESPEARE, dictionary} - set(found):
        print(f"passed over: there is no {path.name}")
    return found


def held_out_bits(run: Path) -> tuple[dict[str, float], SavedModel]:
    """Bits a held-out character of the model in the folder `run`, by each way to use it."""
    saved, encoded = load_model(run / "model"), EncodedCorpus.open(run / "corpus")
    ids = encoded.validation
    count = min(len(ids), HELD_OUT)
    B = max(1, min(64, count // 512))
    T = count // B
    read = np.stack([np.asarray(ids[start : start + T]) for start in np.arange(B) * len(ids) // B]).astype(np.int64)
    read = np.concatenate([np.full((B, 1), saved.tokenizer.end), read], axis=1)
    of_a_character = len(ids) / encoded.validation_characters / math.log(2)
    figures = {}
    for using in ("both", "lstm", "ngram"):
        network = saved.predictor(using)
        state, costs = network.start(B), []
        for first in range(0, T, 128):
            part = read[:, first : first + 129]
            logits, state = network.read(part[:, :-1], state)
            costs.append(-network.token_log_probabilities(logits, part[:, 1:]))
        figures[using] = float(np.concatenate(costs, axis=1).mean()) * of_a_character
    return figures, saved


def train(text: Path, out: Path, *options: str) -> float:
    """`afterword train`, quietly; how long the whole command took."""
    began = time.monotonic()
    command: list[str | Path] = [*FROM_NOTHING, text, "--out", out, *options]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def grid(chosen: list[Path], minutes: float, only: list[str]) -> None:
    for text in chosen:
        for name in only or [PLAN, *GRID]:
            with tempfile.TemporaryDirectory() as place:
                out = Path(place, "run")
                options = GRID.get(name, "").split()
                took = train(text, out, "--minutes", str(minutes), *options)
                bits, saved = held_out_bits(out)
                record = json.loads((out / "run.json").read_text())
            expected = record["expected"] and {name: nats / math.log(2) for name, nats in record["expected"].items()}
            result = {
                "text": text.name,
                "characters": saved.about["corpus"]["training"]["characters"],
                "minutes": minutes,
                "setting": name,
                "options": options,
                "bits": bits,
                "share": saved.mixture_weight,
                "expected": expected,
                "ended": record["ended"],
                "corrections": record["corrections"],
                "best_step": saved.about["training"]["steps"],
                "command_seconds": round(took, 1),
                "plan": record["plan"],
                "environments": record["environments"],
            }
            RESULTS.parent.mkdir(exist_ok=True)
            with open(RESULTS, "a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")
            print(
                f"{text.name}, {minutes:g} min, {name}: {bits['both']:.4f} bits per character (the LSTM alone "
                f"{bits['lstm']:.4f}, the n-gram {bits['ngram']:.4f}), "
                f"expected {in_words(expected)}; "
                f"{record['ended']['step']:,} steps in {record['ended']['seconds']:.1f} s, best at "
                f"{result['best_step']:,}",
                flush=True,
            )


def in_words(expected: dict[str, float] | None) -> str:
    return "-" if expected is None else f"{expected['low']:.2f}–{expected['high']:.2f}"


def planning(chosen: list[Path], minutes: float) -> None:
    for text in chosen:
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "afterword",
            "plan",
            text,
            "--minutes",
            str(minutes),
            "--json",
        ]
        seconds = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["planning_seconds"]
        print(f"{text.name}: measuring and planning {seconds:.1f} s", flush=True)


def busy(text: Path, minutes: float) -> None:
    command: list[str | Path] = [sys.executable, "-m", "afterword", "plan", text, "--minutes", str(minutes), "--json"]
    for others in (0, 1, 2):
        with contextlib.ExitStack() as stack:
            for _ in range(others):
                other = stack.enter_context(subprocess.Popen([sys.executable, "-c", BUSY]))
                stack.callback(other.kill)
            found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        plan = found["plan"]
        notes = "".join(f"; {note}" for note in found["notes"])
        print(
            f"{text.name}, {minutes:g} min, {others} busy processes beside: {plan['hidden_size']} units, "
            f"{plan['steps']:,} steps{notes}",
            flush=True,
        )


def clock(text: Path, minutes: float) -> None:
    with tempfile.TemporaryDirectory() as place:
        for name in ("alone", "beside a busy process for a third"):
            out = Path(place, name)
            command: list[str | Path] = [*FROM_NOTHING, text, "--out", out]
            command += ["--minutes", str(minutes)]
            with subprocess.Popen(command, stderr=subprocess.DEVNULL) as training:
                if name != "alone":
                    while not (out / "metrics.jsonl").exists() and training.poll() is None:
                        time.sleep(0.05)
                    _be_busy(after=minutes * 20, seconds=minutes * 20)
            record = json.loads((out / "run.json").read_text())
            took, steps = record["ended"]["seconds"], record["ended"]["step"]
            print(
                f"{text.name}, {minutes:g} min, {name}: {took:.1f} s from the first step to the last save, "
                f"{100 * (took / minutes / 60 - 1):+.1f} %; exit status {training.returncode}, {steps:,} steps, "
                f"{len(record['corrections'])} corrections",
                flush=True,
            )
        again = Path(place, "again")
        subprocess.run(
            [sys.executable, "-m", "afterword", "train", "--repeat", out, "--out", again],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        weights = [(run / "model" / "model.safetensors").read_bytes() for run in (out, again)]
        print(f"the latter, repeated from its record: {'the same' if weights[0] == weights[1] else 'OTHER'} bits")


def _be_busy(after: float, seconds: float) -> None:
    """Keep one of the cores busy for a while."""
    time.sleep(after)
    with subprocess.Popen([sys.executable, "-c", BUSY]) as busy:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(busy.pid, {min(os.sched_getaffinity(0))})
        time.sleep(seconds)
        busy.kill()


def table() -> str:
    """In Markdown, one for each number of minutes, of the newest result of each text and setting."""
    newest: dict[float, dict[str, dict[str, dict[str, Any]]]] = {}  # by minutes, setting and text
    for line in RESULTS.read_text(encoding="utf-8").splitlines():
        result = json.loads(line)
        settings = newest.setdefault(result["minutes"], {PLAN: {}})
        settings.setdefault(result["setting"], {})[result["text"]] = result
    tables = []
    for minutes, settings in newest.items():
        plans = settings.pop(PLAN)
        bits = {
            text: {name: results[text]["bits"]["both"] for name, results in settings.items() if text in results}
            for text in plans
        }
        lines = [f"| {minutes:g} min | {' | '.join(plans)} |", "| --- |" + " --- |" * len(plans)]
        for name in settings:
            cells = [
                f"**{bits[text][name]:.4f}**"
                if bits[text].get(name) == min(bits[text].values())
                else f"{bits[text][name]:.4f}"
                if name in bits[text]
                else ""
                for text in plans
            ]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        rows: dict[str, list[str]] = {
            PLAN: [],
            "plan ÷ best of the others": [],
            "expected": [],
        }
        for text, result in plans.items():
            plan, cost, expected = result["plan"], result["bits"]["both"], result["expected"]
            shape = f"{plan['num_layers']} × {plan['hidden_size']}, {plan['batch_size']} lanes, {plan['learning_rate']}"
            rows[PLAN].append(f"{cost:.4f} ({shape})")
            rows["plan ÷ best of the others"].append(f"{cost / min(bits[text].values()):.3f}" if bits[text] else "")
            rows["expected"].append(in_words(expected))
        lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
        tables.append("\n".join(lines))
    return "\n\n".join(tables)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("grid", "planning", "busy", "clock", "table"))
    parser.add_argument("texts", nargs="*", type=Path)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--only", nargs="+", default=[], metavar="SETTING", help=f"of: {'; '.join([PLAN, *GRID])}")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        if chosen.what == "grid":
            grid(chosen.texts or texts(Path(place)), chosen.minutes, chosen.only)
        elif chosen.what == "planning":
            planning(chosen.texts or texts(Path(place)), chosen.minutes)
        elif chosen.what == "busy":
            busy(chosen.texts[0] if chosen.texts else SHAKESPEARE, chosen.minutes)
        elif chosen.what == "clock":
            clock(chosen.texts[0] if chosen.texts else SHAKESPEARE, chosen.minutes)
        else:
            print(table())


if __name__ == "__main__":
    main()
