"""What a model gains by going on to learn from the text that it scores.

    python -m benchmarks.adapting      bits per character of held-out texts; alone on the machine

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
from pathlib import Path
from typing import Any

import click

from afterword.language_model import LanguageModel, load
from afterword.model.ngram.blend import Adapter
from afterword.scoring.adapting import AdaptingScorer
from benchmarks.commands import (
    DATA,
    TRIAL,
    as_written,
    bits,
    echo_row,
    echo_table,
    measured_here,
    ppmd,
    run_afterword,
    split,
    write_parts,
    write_result,
)

CODE = 3_000_000  # characters


ROWS = [  # what is trained on, for how many minutes, from what, and the order of the compressor beside it
    ("tinyshakespeare", 5, ("none", "english"), 6),
    ("julius_caesar", 2, ("none", "english"), 6),
    ("python", 2, ("none",), 8),
]


@click.command(help=as_written(__doc__))
def main() -> None:
    echo_table(["text", "base", "static", "counts", "adapting", "PPMd"])
    for text, minutes, bases, order in ROWS:
        training, held_out = split(_text(text))
        packed = ppmd(training, held_out, order)
        for base in bases:
            with tempfile.TemporaryDirectory() as place:
                first, last = write_parts(Path(place), training, held_out)
                given = ["--minutes", 0.1 if TRIAL else minutes, "--base", base, "--out", Path(place, "run")]
                run_afterword("train", first, "--validation", last, *given)
                figures = costs(load(Path(place, "run")), held_out)
            name = f"{text}-{minutes}"
            write_result("adapting", what="score", **measured_here(), row=name, base=base, ppmd=packed, **figures)
            echo_row([name, base, *(f"{bits(cell):.3f}" for cell in (*figures.values(), packed))])


def costs(model: LanguageModel, held_out: str) -> dict[str, float]:
    """Nats per character of `held_out` in each way."""
    ways: dict[str, Any] = {"static": model, "counts": _counts(model), "adapting": model.adapting()}
    return {way: scorer.score(held_out).nats_per_character for way, scorer in ways.items()}


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
