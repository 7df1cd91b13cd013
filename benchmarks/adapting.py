"""What a model gains by going on to learn from the text that it scores, and from the prompt that it writes after.

    python -m benchmarks.adapting score [--only ROW]     bits per character of held-out texts; alone on the machine
    python -m benchmarks.adapting write MODEL            twenty prompts with new names: are the names used again?

`score` trains by the real command on the first 90 % of each text, from scratch and, where its plan takes it, from the
base, and scores the last 10 % as a whole:

    static     as the model is
    counts     the n-gram's counts grow, the LSTM stays as it is: what runs without PyTorch
    adapting   both learn
    PPMd       a lossless compressor that learns as it reads, after the same training text

The code is 3,000,000 characters of Python's own library, in the order of its files' names. Its figures are those of
this Python; a row says which. Each result is a line in benchmarks/results/adapting.jsonl, in nats per
character.
"""

from __future__ import annotations

import sysconfig
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from afterword.language_model import LanguageModel, load
from afterword.model.ngram.blend import Adapter
from afterword.scoring.adapting import AdaptingScorer
from benchmarks.commands import (
    DATA,
    as_written,
    bits,
    measured_here,
    ppmd,
    run_afterword,
    split,
    write_parts,
    write_result,
)

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


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


@main.command()
@click.option("--only", multiple=True, type=click.Choice(list(ROWS)), help="again and again; else all")
@click.option("--runs", type=click.Path(path_type=Path), help="keep the runs here, and take those that are there")
def score(only: Sequence[str], runs: Path | None) -> None:
    click.echo(f"{'':20} {'base':8} {'static':>8} {'counts':>8} {'adapting':>8} {'PPMd':>8}   characters/s")
    for name in only or ROWS:
        row = ROWS[name]
        training, held_out = split(_text(row.text))
        packed = ppmd(training, held_out, row.order)
        for base in row.bases:
            with tempfile.TemporaryDirectory() as place:
                run = (runs or Path(place)) / f"{name}-{base}"
                if not (run / "model").exists():
                    options = ["--minutes", row.minutes, "--base", base, "--out", run]
                    first, last = write_parts(Path(place), training, held_out)
                    run_afterword("train", first, "--validation", last, *options)
                figures = costs(load(run), held_out)
            write_result("adapting", what="score", **measured_here(), row=name, base=base, ppmd=packed, **figures)
            cells = (figures["static"], figures["counts"], figures["adapting"], packed)
            speeds = f"{figures['counts_speed']:,.0f} {figures['adapting_speed']:,.0f}"
            click.echo(f"{name:20} {base:8} " + " ".join(f"{bits(cell):8.3f}" for cell in cells) + f"   {speeds}")


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
                (
                    writer.generate(
                        prompt, max_tokens=writer.writing_defaults.tokens(400), seed=1000 * number + seed
                    ).text,
                    names,
                )
                for seed in range(5)
            ]
        used[way] = sum(any(name in text for name in names) for text, names in texts) / len(texts)
        again[way] = sum(text.count(name) for text, names in texts for name in names) / len(texts)
        looping[way] = sum(_loops(text) for text, _ in texts) / len(texts)
        click.echo(
            f"{way:9} {used[way]:6.1%} of {len(texts)} texts use a name of the prompt, {again[way]:.2f} names a text; "
            f"{looping[way]:.1%} repeat a passage of 20 characters"
        )
    write_result("adapting", what="write", **measured_here(), used=used, names=again, looping=looping)


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


def _loops(text: str) -> bool:
    """Whether 20 characters stand in it twice."""
    seen = [text[k : k + 20] for k in range(len(text) - 19)]
    return len(set(seen)) < len(seen)


if __name__ == "__main__":
    main()
