"""What a model gains by going on to learn from the text that it scores.

    python -m benchmarks.adapting [--only ROW]     bits per character of held-out texts; alone on the machine

It trains by the real command on the first 90 % of each text, from scratch and, where its plan takes it, from the
base, and scores the last 10 % as a whole:

    static     as the model is
    counts     the n-gram's counts grow, the LSTM stays as it is: what runs without PyTorch
    adapting   both learn
    PPMd       a lossless compressor that learns as it reads, after the same training text

The code is the first 3,000,000 characters of the standard library of the Python that runs this, with its files sorted
by name. Each result is a line in benchmarks/results/adapting.jsonl, in nats per character.
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


@click.command(help=as_written(__doc__))
@click.option("--only", multiple=True, type=click.Choice(list(ROWS)), help="again and again; else all")
@click.option("--runs", type=click.Path(path_type=Path), help="keep the runs here, and take those that are there")
def main(only: Sequence[str], runs: Path | None) -> None:
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
    ngram = model.saved.ngram
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


if __name__ == "__main__":
    main()
