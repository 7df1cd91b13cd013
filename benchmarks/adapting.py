"""What a model gains by going on to learn from the text that it scores, and from the prompt that it writes after.

    python -m benchmarks.adapting score [--only ROW]     nats per character of held-out texts; alone on the machine
    python -m benchmarks.adapting write MODEL            twenty prompts with new names: are the names used again?

`score` trains by the real command on the first 90 % of each text, from nothing and, where its plan takes it, from the
base, and scores the last 10 % as a whole:

    static     as the model is
    counts     the n-gram's counts grow, the LSTM stays as it is: what runs without PyTorch
    adapting   both learn
    PPMd       a lossless compressor that learns as it reads, after the same training text

The code is 3,000,000 characters of Python's own library, in the order of its files' names. Its figures are those of
this Python; a row says which. Each result is a line in benchmarks/results/adapting.jsonl.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from afterword.language_model import LanguageModel, load
from afterword.model.adapting import Adapter
from afterword.scoring.adapting import AdaptingScorer

PLACE = Path(__file__).parent
RESULTS = PLACE / "results" / "adapting.jsonl"
DATA = Path("../shared/data")
CODE = 3_000_000  # characters


@dataclass(frozen=True)
class Row:
    """What is trained on, for how long, from what, and the order of the compressor beside it."""

    text: str
    minutes: float
    bases: tuple[str, ...]
    order: int


ROWS = {
    "tinyshakespeare-5": Row("tinyshakespeare", 5, ("none", "english"), 6),
    "julius-caesar-2": Row("julius_caesar", 2, ("none", "english"), 6),
    "python-2": Row("python", 2, ("none",), 8),
}

NAMES = (
    ("Zorblax", "Grindelwick"),
    ("Thessaly Quern", "Oskarv"),
    ("Murrigold", "Pellandria"),
    ("Captain Vosk", "Harrowmere"),
    ("Ilvane", "the Duke of Tarn"),
)
SCENES = (
    "{a} came to {b} at night. 'Who is there?' asked the watchman. 'It is {a},' said {a}. ",
    "Nobody in {b} had seen {a} for a year. When {a} returned to {b}, the bells rang for {a}. ",
    "{a}:\nI am {a}, and {b} is where I was born.\n\nSERVANT:\nWelcome, {a}. What news of {b}?\n\n",
    "The letter said that {a} was dead. But {a} sat in {b} and read it. '{a} is not dead,' said ",
)


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@click.option("--only", multiple=True, type=click.Choice(list(ROWS)), help="again and again; else all")
@click.option("--runs", type=click.Path(path_type=Path), help="keep the runs here, and take those that are there")
def score(only: Sequence[str], runs: Path | None) -> None:
    click.echo(f"{'':20} {'base':8} {'static':>8} {'counts':>8} {'adapting':>8} {'PPMd':>8}   characters/s")
    for name in only or ROWS:
        row = ROWS[name]
        text = _text(row.text)
        training, held_out = text[: len(text) * 9 // 10], text[len(text) * 9 // 10 :]
        packed = ppmd(training, held_out, row.order)
        for base in row.bases:
            with tempfile.TemporaryDirectory() as place:
                run = (runs or Path(place)) / f"{name}-{base}"
                if not (run / "model").exists():
                    _train(training, held_out, row.minutes, base, run)
                figures = costs(load(run), held_out)
            write_result("score", row=name, base=base, ppmd=packed, **figures)
            cells = (figures["static"], figures["counts"], figures["adapting"], packed)
            speeds = f"{figures['counts_speed']:,.0f} {figures['adapting_speed']:,.0f}"
            click.echo(f"{name:20} {base:8} " + " ".join(f"{cell:8.4f}" for cell in cells) + f"   {speeds}")


@main.command()
@click.argument("model")
def write(model: str) -> None:
    loaded = load(model)
    used, again, looping = {}, {}, {}
    prompts = [(scene.format(a=a, b=b), (a, b)) for scene in SCENES for a, b in NAMES]
    for way in ("plain", "adapting"):
        texts = []
        for number, (prompt, names) in enumerate(prompts):
            writer = loaded.adapted(prompt) if way == "adapting" else loaded
            texts += [
                (writer.generate(prompt, max_tokens=400, seed=1000 * number + seed).text, names) for seed in range(5)
            ]
        used[way] = sum(any(name in text for name in names) for text, names in texts) / len(texts)
        again[way] = sum(text.count(name) for text, names in texts for name in names) / len(texts)
        looping[way] = sum(_loops(text) for text, _ in texts) / len(texts)
        click.echo(
            f"{way:9} {used[way]:6.1%} of {len(texts)} texts use a name of the prompt, {again[way]:.2f} names a text; "
            f"{looping[way]:.1%} repeat a passage of 20 characters"
        )
    write_result("write", used=used, names=again, looping=looping)


def costs(model: LanguageModel, held_out: str) -> dict[str, float]:
    """Nats per character of `held_out` in each way, and how many characters a second are read."""
    figures = {"static": model.score(held_out).nats_per_character}
    for way, scorer in (("counts", _counts(model)), ("adapting", model.adapting())):
        began = time.perf_counter()
        figures[way] = scorer.score(held_out).nats_per_character
        figures[f"{way}_speed"] = len(held_out) / (time.perf_counter() - began)
    return figures


def _counts(model: LanguageModel) -> AdaptingScorer:
    """What `adapting` gives without PyTorch."""
    ngram = model._saved.ngram
    assert ngram is not None
    adapter = Adapter(model.config.vocabulary_size, ngram.start, ngram)
    return AdaptingScorer(model.network(), model.tokenizer, adapter, "both", None)


def _text(name: str) -> str:
    if name != "python":
        return (DATA / f"{name}.txt").read_text("utf-8")
    pieces: list[str] = []
    for file in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        if sum(map(len, pieces)) >= CODE:
            break
        pieces.append(file.read_text("utf-8"))
    return "".join(pieces)[:CODE]


def _train(training: str, held_out: str, minutes: float, base: str, run: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        parts = []
        for part, text in (("training", training), ("held-out", held_out)):
            parts.append(Path(place) / f"{part}.txt")
            parts[-1].write_text(text, "utf-8")
        command = [sys.executable, "-m", "afterword", "train", str(parts[0]), "--validation", str(parts[1])]
        options = ["--minutes", str(minutes), "--base", base, "--out", str(run)]
        subprocess.run([*command, *options], check=True, stderr=subprocess.DEVNULL)


def ppmd(training: str, held_out: str, order: int) -> float:
    """Nats per character that PPMd adds for `held_out` after `training`."""
    environment = PLACE.parent / ".venv-ppmd"
    python = environment / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "pyppmd==1.3.1"], check=True)
    with tempfile.TemporaryDirectory() as place:
        files = [Path(place) / "training", Path(place) / "held-out"]
        for file, text in zip(files, (training, held_out), strict=True):
            file.write_text(text, "utf-8")
        command: list[str | Path] = [python, PLACE / "peers" / "ppmd.py", *files, str(order)]
        bits = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return bits * 0.6931471805599453 / len(held_out)


def _loops(text: str) -> bool:
    """Whether 20 characters stand in it twice."""
    seen = [text[k : k + 20] for k in range(len(text) - 19)]
    return len(set(seen)) < len(seen)


def write_result(what: str, **result: Any) -> None:
    machine = {"machine": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a") as file:
        file.write(json.dumps({"what": what, **machine, **result}) + "\n")


if __name__ == "__main__":
    main()
