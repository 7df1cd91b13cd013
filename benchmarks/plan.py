"""What the plan is worth: against a grid of settings, and against the clock.

    python -m benchmarks.plan grid [--only SETTING]      the plan and each setting of the grid, in turn
    python -m benchmarks.plan planning                   how long measuring and planning take
    python -m benchmarks.plan clock                      a minute of training alone, and one beside a process that takes
                                                         a core for a third of it
    python -m benchmarks.plan busy [OPTION…]             training while other processes take the machine's time, beside
                                                         a plain script with four sizes
    python -m benchmarks.plan table                      the grid's table, of benchmarks/results/plan.jsonl

Alone on the machine. Everything goes through the real command, `afterword train`; a setting of the grid fixes what it
names, and the rest is fitted around it. A model's figure is what at most 100,000 characters of the held-out last tenth
cost it, evenly spread and read with the state carried; that is how all of a text's settings are compared. Each run is
a line in benchmarks/results/plan.jsonl.

The texts are Debian's copy of the GNU General Public License, 35 kB; tinyshakespeare, 1.1 MB; and the first 30 MB of
the GNU Collaborative International Dictionary of English (apt install dict-gcide). What is not there is passed over.
"""

from __future__ import annotations

import gzip
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import click
import numpy as np

from afterword.model.folder.saved import SavedModel, load_model
from afterword.text.encoded import EncodedCorpus
from benchmarks.commands import (
    DATA,
    PLACE,
    as_written,
    echo_table,
    results,
    run_afterword,
    write_parts,
    write_result,
)

HELD_OUT = 100_000
LICENSE = Path("/usr/share/common-licenses/GPL-3")
SHAKESPEARE = DATA / "tinyshakespeare.txt"
DICTIONARY = Path("/usr/share/dictd/gcide.dict.dz")
DICTIONARY_BYTES = 30_000_000

PLAN = "the plan"
GRID = {  # layers × units, lanes, rate
    f"{layers} × {units}, {lanes} lanes, {rate}": (
        *("--num-layers", layers, "--hidden-size", units),
        *("--batch-size", lanes, "--learning-rate", rate),
    )
    for layers, units, lanes, rate in (
        *((1, 128, 16, 0.02), (1, 256, 8, 0.02), (1, 256, 16, 0.014), (1, 256, 16, 0.02)),
        *((1, 256, 32, 0.025), (1, 384, 16, 0.016), (1, 512, 16, 0.014), (2, 256, 16, 0.02)),
    )
}
RUNS = ((LICENSE.name, 1), (SHAKESPEARE.name, 1), ("gcide-30.txt", 1), ("gcide-30.txt", 5))  # and minutes


def text_of(name: str, place: Path) -> Path | None:
    """Return one of the texts; None if it is not there."""
    if name == "gcide-30.txt" and DICTIONARY.exists() and not (place / name).exists():
        with gzip.open(DICTIONARY) as file:
            (place / name).write_text(file.read(DICTIONARY_BYTES).decode("utf-8", "ignore"), encoding="utf-8")
    path = {LICENSE.name: LICENSE, SHAKESPEARE.name: SHAKESPEARE}.get(name, place / name)
    return path if path.exists() else None


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


def train(text: Path, out: Path, *options: object) -> None:
    run_afterword("train", "--base", "none", text, "--out", out, *options)


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


@main.command(help="The plan and each setting of the grid, in turn.")
@click.option("--only", multiple=True, type=click.Choice([PLAN, *GRID]), help="again and again; else all")
def grid(only: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for text, minutes in RUNS:
            for name in only or [PLAN, *GRID]:
                if path := text_of(text, Path(folder)):
                    measure(path, minutes, name, Path(folder, "run"))


def measure(text: Path, minutes: float, name: str, out: Path) -> None:
    """Train with a setting, and write down and print what came."""
    train(text, out, "--overwrite", "--minutes", minutes, *GRID.get(name, ()))
    bits, saved = held_out_bits(out)
    record = json.loads((out / "run.json").read_text())
    result = {
        "text": text.name,
        "characters": saved.about["corpus"]["training"]["characters"],
        "minutes": minutes,
        "setting": name,
        "bits": bits,
        "ended": record["ended"],
        "plan": record["plan"],
    }
    write_result("plan", **result)
    said = ", ".join(f"{using} {one:.4f}" for using, one in bits.items())
    click.echo(f"{text.name}, {minutes:g} min, {name}: {said} bits per character; {record['ended']['step']:,} steps")


@main.command(help="How long measuring and planning take.")
def planning() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in dict.fromkeys(name for name, _ in RUNS):
            if text := text_of(name, Path(folder)):
                planned = json.loads(run_afterword("plan", text, "--minutes", 1, "--json"))
                click.echo(f"{name}: measuring and planning {planned['planning_seconds']:.1f} s")


@main.command(help="A minute of training alone, and one that has to share a core for a third of it.")
def clock() -> None:
    with tempfile.TemporaryDirectory() as place:
        for is_busy in (False, True):
            out = Path(place, f"{is_busy}")
            command = ["train", "--base", "none", SHAKESPEARE, "--out", out, "--minutes", 1]
            with subprocess.Popen([sys.executable, "-m", "afterword", *map(str, command)], stderr=DEVNULL) as training:
                while not (out / "metrics.jsonl").exists() and training.poll() is None:
                    time.sleep(0.05)
                time.sleep(20)
                if is_busy:
                    with subprocess.Popen(["timeout", "20", sys.executable, "-c", "while True: pass"]):
                        pass
            took = json.loads((out / "run.json").read_text())["ended"]["seconds"]
            click.echo(
                f"{took:.1f} s from the first step to the last save, {'beside a busy core' * is_busy or 'alone'}"
            )


SIZES = (64, 128, 256, 512)  # units of the plain script


@main.command(help="Training beside busy processes of the same priority, and a plain script with each of four sizes.")
@click.option("--processes", default=20, show_default=True, help="busy processes, each in a session of its own")
@click.option("--after", default=10.0, show_default=True, help="seconds until they begin")
@click.option("--minutes", default=3.0, show_default=True)
@click.option("--text", default=SHAKESPEARE, show_default="tinyshakespeare", type=click.Path(path_type=Path))
@click.option("--ours", is_flag=True, help="leave out the plain script")
def busy(processes: int, after: float, minutes: float, text: Path, ours: bool) -> None:
    with tempfile.TemporaryDirectory() as place:
        out, parts = Path(place, "run"), Path(place)
        options = ["--base", "none", "--minutes", minutes, "--out", out]
        beside(processes, after, sys.executable, "-m", "afterword", "train", text, *options)
        bits, saved = held_out_bits(out)
        record = json.loads((out / "run.json").read_text())
        said: dict[str, Any] = {"units": saved.config.hidden_size, "threads": record["threads"]}
        found = [{"method": "afterword", "lstm": bits["lstm"], "bits": bits["both"], **said, **record["ended"]}]
        encoded = EncodedCorpus.open(out / "corpus")
        held_out = saved.tokenizer.decode(encoded.validation[:HELD_OUT].tolist())
        files = write_parts(parts, saved.tokenizer.decode(encoded.training[:].tolist()), held_out)
        for units in () if ours else SIZES:
            script = [sys.executable, PLACE / "peers" / "plain_lstm.py", *files, units, 60 * minutes]
            nats, steps = json.loads(beside(processes, after, *script).splitlines()[-1])
            found.append({"method": f"plain, {units} units", "lstm": nats / math.log(2), "step": steps})
    for one in found:
        write_result("busy", text=text.name, processes=processes, after=after, minutes=minutes, **one)
    rows = [[one["method"], f"{one['step']:,}", f"{one['lstm']:.3f}"] for one in found]
    echo_table(["method", "steps", "bits per character of the LSTM alone"], rows)


def beside(processes: int, after: float, *command: object) -> str:
    """Return what a command prints, while busy processes run from `after` seconds on.

    Each process, and the command, is in a session of its own: a kernel that shares the time among sessions then treats
    all alike.
    """
    line = [sys.executable, "-c", f"import time; time.sleep({after})\nwhile True: pass"]
    others = [subprocess.Popen(line, start_new_session=True) for _ in range(processes)]
    try:
        return subprocess.run(
            [*map(str, command)], check=True, stdout=subprocess.PIPE, stderr=DEVNULL, text=True, start_new_session=True
        ).stdout
    finally:
        for one in others:
            one.kill()


@main.command("table", help="Print the grid's tables: of the newest result of each text and setting, by minutes.")
def print_tables() -> None:
    newest: dict[float, dict[str, dict[str, Any]]] = {}  # by minutes, text and setting
    for result in results("plan"):
        newest.setdefault(result["minutes"], {}).setdefault(result["text"], {})[result["setting"]] = result
    for minutes, texts in newest.items():
        settings = [name for name in dict.fromkeys(chain(*texts.values())) if name != PLAN]
        rows: dict[str, list[str]] = {name: [] for name in (*settings, PLAN, "plan ÷ best of the others")}
        planned = {text: found for text, found in texts.items() if PLAN in found}
        for found in planned.values():
            others = [found[name]["bits"]["both"] for name in settings if name in found]
            for name in settings:
                rows[name].append(f"{found[name]['bits']['both']:.4f}" if name in found else "")
            plan, cost = found[PLAN]["plan"], found[PLAN]["bits"]["both"]
            shape = f"{plan['num_layers']} × {plan['hidden_size']}, {plan['batch_size']} lanes, {plan['learning_rate']}"
            rows[PLAN].append(f"{cost:.4f} ({shape})")
            rows["plan ÷ best of the others"].append(f"{cost / min(others):.3f}" if others else "")
        echo_table([f"{minutes:g} min", *planned], [[name, *cells] for name, cells in rows.items()])


if __name__ == "__main__":
    main()
