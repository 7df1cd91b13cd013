"""What the plan is worth: against a grid of settings, against its own forecast, and against the clock.

    python -m benchmarks.plan grid [TEXT ...] [--minutes 1] [--only SETTING ...]
                                         the plan and each setting of the grid, in turn; some 10 minutes a text
    python -m benchmarks.plan planning   how long measuring and planning take, and the command's processor time
    python -m benchmarks.plan busy [TEXT] [--minutes 5]
                                         what is planned alone, and beside one and two busy processes
    python -m benchmarks.plan clock [TEXT] [--minutes 1]
                                         a run alone, one beside a process that takes a core for a third of it, and the
                                         latter repeated from its record
    python -m benchmarks.plan table      the grid's table, of benchmarks/results/plan.jsonl

Alone on the machine. Everything goes through the real command, `afterword train`; a setting of the grid fixes what it
names, and the rest is fitted around it. A model's figure is what at most 100,000 characters of the held-out last tenth
cost it, evenly spread and read with the state carried; that is how all of a text's settings are compared. Each run is
a line in benchmarks/results/plan.jsonl.

Without a TEXT: Debian's copy of the GNU General Public License, 35 kB; tinyshakespeare, 1.1 MB; and the first 30 MB of
the GNU Collaborative International Dictionary of English (apt install dict-gcide). What is not there is passed over.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from afterword.model.folder.saved import SavedModel, load_model
from afterword.text.encoded import EncodedCorpus
from benchmarks.commands import DATA, as_written, echo_table, results, run_afterword, write_result

HELD_OUT = 100_000
LICENSE = Path("/usr/share/common-licenses/GPL-3")
SHAKESPEARE = DATA / "tinyshakespeare.txt"
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


def texts(chosen: Sequence[Path], place: Path) -> list[Path]:
    """Return the chosen texts, or those that are judged if none is named, as far as they exist."""
    if chosen:
        return list(chosen)
    dictionary = place / "gcide-30.txt"
    if DICTIONARY.exists():
        with gzip.open(DICTIONARY) as file:
            dictionary.write_text(file.read(DICTIONARY_BYTES).decode("utf-8", "ignore"), encoding="utf-8")
    found = [path for path in (LICENSE, SHAKESPEARE, dictionary) if path.exists()]
    for path in {LICENSE, SHAKESPEARE, dictionary} - set(found):
        click.echo(f"passed over: there is no {path.name}", err=True)
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


def train(text: Path, out: Path, *options: object) -> float:
    """Run `afterword train` from scratch, and return how many seconds the whole command took."""
    began = time.monotonic()
    run_afterword("train", "--base", "none", text, "--out", out, *options)
    return time.monotonic() - began


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


texts_argument = click.argument("chosen", metavar="[TEXT]...", nargs=-1, type=click.Path(path_type=Path, exists=True))
text_argument = click.argument(
    "text", default=SHAKESPEARE, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)


def minutes_option(default: float) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option("--minutes", default=default, show_default=True)


@main.command(help="The plan and each setting of the grid, in turn.")
@texts_argument
@minutes_option(1)
@click.option("--only", multiple=True, type=click.Choice([PLAN, *GRID]), help="again and again; else all")
def grid(chosen: Sequence[Path], minutes: float, only: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for text in texts(chosen, Path(folder)):
            for name in only or [PLAN, *GRID]:
                with tempfile.TemporaryDirectory() as place:
                    out = Path(place, "run")
                    options = GRID.get(name, "").split()
                    took = train(text, out, "--minutes", str(minutes), *options)
                    bits, saved = held_out_bits(out)
                    record = json.loads((out / "run.json").read_text())
                expected = record["expected"] and {
                    name: nats / math.log(2) for name, nats in record["expected"].items()
                }
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
                write_result("plan", **result)
                click.echo(
                    f"{text.name}, {minutes:g} min, {name}: {bits['both']:.4f} bits per character (the LSTM alone "
                    f"{bits['lstm']:.4f}, the n-gram {bits['ngram']:.4f}), "
                    f"expected {in_words(expected)}; "
                    f"{record['ended']['step']:,} steps in {record['ended']['seconds']:.1f} s, best at "
                    f"{result['best_step']:,}",
                )


def in_words(expected: dict[str, float] | float | None) -> str:
    if isinstance(expected, float):  # as the first plans had it
        return f"{expected:.2f}"
    return "-" if expected is None else f"{expected['low']:.2f}–{expected['high']:.2f}"


@main.command(help="How long measuring and planning take.")
@texts_argument
@minutes_option(1)
def planning(chosen: Sequence[Path], minutes: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for text in texts(chosen, Path(folder)):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds = json.loads(run_afterword("plan", text, "--minutes", minutes, "--json"))["planning_seconds"]
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            click.echo(f"{text.name}: measuring and planning {seconds:.1f} s, in all {used:.1f} s of processor time")


@main.command(help="What is planned alone, and with one and two busy processes running.")
@text_argument
@minutes_option(5)
def busy(text: Path, minutes: float) -> None:
    for others in (0, 1, 2):
        with contextlib.ExitStack() as stack:
            for _ in range(others):
                other = stack.enter_context(subprocess.Popen([sys.executable, "-c", BUSY]))
                stack.callback(other.kill)
            found = json.loads(run_afterword("plan", text, "--minutes", minutes, "--json"))
        plan = found["plan"]
        notes = "".join(f"; {note}" for note in found["notes"])
        click.echo(
            f"{text.name}, {minutes:g} min, {others} busy processes: {plan['hidden_size']} units, "
            f"{plan['steps']:,} steps{notes}",
        )


@main.command(help="A run alone, one that has to share a core for a third of it, and the latter repeated.")
@text_argument
@minutes_option(1)
def clock(text: Path, minutes: float) -> None:
    with tempfile.TemporaryDirectory() as place:
        for name in ("alone", "beside a busy process for a third"):
            out = Path(place, name)
            command: list[str | Path] = [
                sys.executable,
                "-m",
                "afterword",
                "train",
                "--base",
                "none",
                text,
                "--out",
                out,
            ]
            command += ["--minutes", str(minutes)]
            with subprocess.Popen(command, stderr=subprocess.DEVNULL) as training:
                if name != "alone":
                    while not (out / "metrics.jsonl").exists() and training.poll() is None:
                        time.sleep(0.05)
                    _be_busy(after=minutes * 20, seconds=minutes * 20)
            record = json.loads((out / "run.json").read_text())
            took, steps = record["ended"]["seconds"], record["ended"]["step"]
            click.echo(
                f"{text.name}, {minutes:g} min, {name}: {took:.1f} s from the first step to the last save, "
                f"{100 * (took / minutes / 60 - 1):+.1f} %; exit status {training.returncode}, {steps:,} steps, "
                f"{len(record['corrections'])} corrections",
            )
        again = Path(place, "again")
        run_afterword("train", "--repeat", out, "--out", again)
        weights = [(run / "model" / "model.safetensors").read_bytes() for run in (out, again)]
        click.echo(f"the latter, repeated from its record: {'the same' if weights[0] == weights[1] else 'OTHER'} bits")


def _be_busy(after: float, seconds: float) -> None:
    """Keep one of the cores busy for a while."""
    time.sleep(after)
    with subprocess.Popen([sys.executable, "-c", BUSY]) as busy:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(busy.pid, {min(os.sched_getaffinity(0))})
        time.sleep(seconds)
        busy.kill()


@main.command("table", help="Print the grid's tables: of the newest result of each text and setting, by minutes.")
def print_tables() -> None:
    newest: dict[float, dict[str, dict[str, dict[str, Any]]]] = {}  # by minutes, setting and text
    for result in results("plan"):
        settings = newest.setdefault(result["minutes"], {PLAN: {}})
        settings.setdefault(result["setting"], {})[result["text"]] = result
    for minutes, settings in newest.items():
        plans = settings.pop(PLAN)
        bits = {
            text: {name: found[text]["bits"]["both"] for name, found in settings.items() if text in found}
            for text in plans
        }
        table = []
        for name in settings:
            cells = [
                f"**{bits[text][name]:.4f}**"
                if bits[text].get(name) == min(bits[text].values())
                else f"{bits[text][name]:.4f}"
                if name in bits[text]
                else ""
                for text in plans
            ]
            table.append([name, *cells])
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
        echo_table([f"{minutes:g} min", *plans], table + [[name, *cells] for name, cells in rows.items()])


if __name__ == "__main__":
    main()
