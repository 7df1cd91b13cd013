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
The novel is *The Inheritance of Evil* (1849), of ../shared/data/books/held-out.txt.xz, which no base has read.
"""

from __future__ import annotations

import gzip
import json
import lzma
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, product
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from afterword.model.folder.saved import SavedModel, load_model
from afterword.runs.environment import processor
from afterword.text.corpus import Split
from afterword.text.encoded import EncodedCorpus, Rows
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
BOOKS, NOVEL = DATA / "books" / "held-out.txt.xz", ("The Inheritance of Evil\n\nby", "Ginx's Baby: His Birth")

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
    if name == "novel.txt" and BOOKS.exists() and not (place / name).exists():
        begin, end = NOVEL
        text = begin + lzma.decompress(BOOKS.read_bytes()).decode().split(begin)[1].split(end)[0]
        (place / name).write_text(text, encoding="utf-8")
    path = {LICENSE.name: LICENSE, SHAKESPEARE.name: SHAKESPEARE}.get(name, place / name)
    return path if path.exists() else None


def held_out_bits(run: Path, part: Split = "validation") -> tuple[dict[str, float], SavedModel]:
    """Bits a held-out character of the model in the folder `run`, by each way to use it; or one that was read."""
    saved, encoded = load_model(run / "model"), EncodedCorpus.open(run / "corpus")
    read = evenly_spread(getattr(encoded, part))
    B, T = read.shape
    read = np.concatenate([np.full((B, 1), saved.tokenizer.end), read], axis=1)
    of_a_character = len(getattr(encoded, part)) / getattr(encoded, f"{part}_characters") / math.log(2)
    figures = {}
    for using in ("both", "lstm", "ngram"):
        network = saved.predictor(using)
        state, costs = network.start(B), []
        for first in range(0, T, 128):
            some = read[:, first : first + 129]
            logits, state = network.read(some[:, :-1], state)
            costs.append(-network.token_log_probabilities(logits, some[:, 1:]))
        figures[using] = float(np.concatenate(costs, axis=1).mean()) * of_a_character
    return figures, saved


def evenly_spread(ids: Rows) -> NDArray[np.int64]:
    """Return the tokens that a model's figure is the cost of, in rows."""
    count = min(len(ids), HELD_OUT)
    B = max(1, min(64, count // 512))
    T = count // B
    return np.stack([np.asarray(ids[start : start + T]) for start in np.arange(B) * len(ids) // B]).astype(np.int64)


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
TIMES: dict[str, Callable[[float], tuple[float, float]]] = {
    "start": lambda seconds: (0.0, math.inf),
    "later": lambda seconds: (10.0, math.inf),
    "half": lambda seconds: (seconds / 2, math.inf),
    "beginning": lambda seconds: (0.0, seconds / 4),
}
"""When the busy processes begin and end, in seconds after the command, by the seconds that it trains."""
BESIDES = 30.0  # seconds of a training, about, besides its minutes
BURNER = """import os, sys, time
begin, end, parent = *map(float, sys.argv[1:3]), int(sys.argv[3])
time.sleep(begin)
stop = time.monotonic() + end - begin
while time.monotonic() < stop and os.getppid() == parent:
    for _ in range(10**6):
        pass
"""


@dataclass(frozen=True)
class Taken:
    """What takes the machine's time from a training."""

    processes: int
    when: str
    minutes: float
    text: str


@main.command()
@click.option("--processes", multiple=True, default=[20], show_default=True, help="busy processes; again and again")
@click.option("--when", multiple=True, default=["later"], show_default=True, type=click.Choice([*TIMES]))
@click.option("--minutes", multiple=True, default=[5.0], show_default=True)
@click.option("--text", multiple=True, default=[SHAKESPEARE.name], show_default=True, help="or novel.txt, or a file")
@click.option("--base", default="none", show_default=True, help="from a base, the plain script is left out")
@click.option("--cores", default=2, show_default=True, help="processors that all of them share")
@click.option("--anew", is_flag=True, help="measure what has a result on this machine once more")
@click.option("--show", is_flag=True, help="measure nothing, and print the results of this machine")
def busy(
    processes: Sequence[int],
    when: Sequence[str],
    minutes: Sequence[float],
    text: Sequence[str],
    base: str,
    cores: int,
    anew: bool,
    show: bool,
) -> None:
    """Train beside busy processes of the same priority, and a plain script with each of four sizes.

    Each training is stored as it ends, and one that has a result on this machine is not measured again: a table that
    was interrupted continues. The busy processes run from the `start`; from the tenth second on (`later`); in the
    second `half` of the minutes; or only at the `beginning`, for a quarter of the minutes. Options may be given again
    and again: all combinations are measured.
    """
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the busy processes end too
    cases = [Taken(*case) for case in product(processes, when, minutes, text)]
    methods = ["afterword", *(f"plain, {units} units" for units in (SIZES if base == "none" else ()))]
    here = {"base": base, "cores": cores, "machine": processor()}

    def found(case: Taken) -> dict[str, dict[str, Any]]:
        return {one["method"]: one for one in results("busy", **asdict(case), **here)}

    left = [(case, method) for case in cases for method in methods if anew or method not in found(case)]
    if left and not show:
        seconds = sum(60 * case.minutes + BESIDES for case, _ in left)
        click.echo(f"{len(left)} trainings, about {seconds / 60:.0f} minutes", err=True)
    for case, method in () if show else left:
        measured = beside_busy(case, method, base)
        write_result("busy", **asdict(case), base=base, cores=cores, method=method, **measured)
        said = f"{measured['lstm']:.3f} bits of the LSTM alone, {measured['step']:,} steps"
        click.echo(f"{case.text}, {case.processes} × {case.when}, {method}: {said}", err=True)
    columns = ["text", "busy processes", "minutes", *(f"{each} (steps)" for each in methods), "− best plain"]
    rows = []
    for case in cases:
        bits = {method: one["lstm"] for method, one in found(case).items()}
        cells = [f"{bits[each]:.3f} ({found(case)[each]['step']:,})" if each in bits else "" for each in methods]
        plain = [bits[each] for each in methods[1:] if each in bits]
        behind = f"{bits['afterword'] - min(plain):+.3f}" if plain and "afterword" in bits else ""
        rows.append([case.text, f"{case.processes}, {case.when}", f"{case.minutes:g}", *cells, behind])
    echo_table(columns, rows)


def beside_busy(case: Taken, method: str, base: str) -> dict[str, Any]:
    """Train with Afterword or the plain script beside busy processes, and return the bits and the steps of its LSTM."""
    with tempfile.TemporaryDirectory() as place:
        text, out = text_of(case.text, Path(place)) or Path(case.text), Path(place, "run")
        options = [text, "--base", base, "--out", out]
        if method == "afterword":
            beside(case, sys.executable, "-m", "afterword", "train", *options, "--minutes", case.minutes)
            bits, saved = held_out_bits(out)
            record = json.loads((out / "run.json").read_text())
            said: dict[str, Any] = {"units": saved.config.hidden_size, "threads": record["threads"]}
            return {"lstm": bits["lstm"], "bits": bits["both"], **said, **record["ended"]}
        run_afterword("train", *options, "--steps", 1, "--ngram", 0, "--hidden-size", 8)  # for its parts of the text
        tokenizer, encoded = load_model(out / "model").tokenizer, EncodedCorpus.open(out / "corpus")
        read = tokenizer.decode(evenly_spread(encoded.validation).ravel().tolist())
        files = write_parts(Path(place), tokenizer.decode(encoded.training[:].tolist()), read)
        units = int(method.split()[1])
        script = [sys.executable, PLACE / "peers" / "plain_lstm.py", *files, units, 60 * case.minutes]
        nats, steps = json.loads(beside(case, *script).splitlines()[-1])
        return {"lstm": nats / math.log(2), "step": steps}


def beside(case: Taken, *command: object) -> str:
    """Return what a command prints, while busy processes take the machine's time.

    Each process, and the command, is in a session of its own: a kernel that shares the time among sessions then treats
    all alike.
    """
    begin, end = TIMES[case.when](60 * case.minutes)
    line = [sys.executable, "-c", BURNER, f"{begin}", f"{end}", f"{os.getpid()}"]
    others = [subprocess.Popen(line, start_new_session=True) for _ in range(case.processes)]
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
