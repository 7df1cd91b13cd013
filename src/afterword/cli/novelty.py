"""`afterword novelty RUN`: what a model writes that stands word for word in the text it learned from."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

import click

from afterword.cli.options import PATH, hold_option, settings_options, with_option
from afterword.cli.strict_json import strict_json
from afterword.errors import OptionError
from afterword.generation.novelty import LENGTHS, Copies, LineCopies, find_copies, find_lines
from afterword.generation.sampling import Sampling
from afterword.language_model import load
from afterword.progress import waiting
from afterword.text.encoded import EncodedCorpus
from afterword.text.reading import read_text

TEXTS, LINES = 200, 10_000  # that are written, of running text and of lines
SHOWN = 200  # characters of the longest copy

Judged = tuple[Copies, LineCopies | None]


@click.command()
@click.argument("run", type=PATH, metavar="RUN")
@click.argument("file", type=PATH, metavar="[FILE]", required=False)
@settings_options(Sampling, "sampling")
@click.option("-n", "--num", type=click.IntRange(1), help="how many texts to write (200; of lines, 10,000)")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=0, show_default=True, help="of the first text")
@with_option
@hold_option
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
@click.pass_context
def novelty(
    context: click.Context,
    run: str,
    file: str | None,
    sampling: Sampling,
    num: int | None,
    seed: int,
    using: str,
    hold: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say how much of what a model writes stands word for word in the text that it learned from.

    RUN is the folder of its run, which keeps that text. The model writes, or FILE is judged (a text, also .gz, or - for
    standard input). The report gives the fraction of characters inside copies of at least 20, 50 and 100 characters,
    and the longest copy; for a model of lines also the fraction of lines that stand in the training text, exactly or
    but for one character. Beside it are the same figures for the run's held-out text, which the model did not learn
    from: they show how much any such text shares with it.
    """
    if file is not None and num is not None:
        raise OptionError("--num and FILE exclude each other: give FILE to judge it, --num to judge what is written")
    model = load(run, using).hold(*hold)
    with waiting("reading what was learned from"):
        learned = model.learned_from()
    if file is not None:
        text, notes = read_text([file])
        for note in notes:
            print(f"note: {note}", file=sys.stderr)
        text = learned.tokenizer.normalise(text)
        texts = text.splitlines() if learned.lines else [text]
    else:
        num = num or (LINES if learned.lines else TEXTS)
        with waiting("writing") as on_progress:
            texts = []
            for sample in model.samples_by(sampling, [None], num, seed):
                texts.append(sample.text)
                on_progress(len(texts) / num)
    name = "written" if file is None else file
    if not as_json:
        print(novelty_report(learned, name, texts))
        return
    characters, found = _found(learned, name, texts)
    judged, held_out = (*(_record(*each) for each in found.values()), None)[:2]
    print(strict_json({"learned_from": characters, "judged": judged, "held_out": held_out}))


def novelty_report(learned: EncodedCorpus, name: str, texts: Sequence[str]) -> str:
    """What `texts`, which are called `name`, and the held-out text copy from what was learned from."""
    characters, found = _found(learned, name, texts)
    lines = [f"{characters:,} characters were learned from", "", _table(found)]
    for name, (copies, _) in found.items():
        if copies.longest:
            shown = copies.longest if len(copies.longest) <= SHOWN else f"{copies.longest[:SHOWN]}…"
            lines += ["", f"the longest copy, {name}, stands at character {copies.at:,} of the text:", repr(shown)]
    return "\n".join(lines)


def _found(learned: EncodedCorpus, name: str, texts: Sequence[str]) -> tuple[int, dict[str, Judged]]:
    """How many characters were learned from, and what `texts`, then the held-out text, copy from them."""
    with waiting("looking for copies"):
        training = learned.texts("training")
        source = "\n".join(training)
        judged = {name: texts}
        if len(learned.validation):
            judged["held out"] = learned.texts("validation")
        return len(source), {
            name: (find_copies(texts, source), find_lines(texts, training) if learned.lines else None)
            for name, texts in judged.items()
        }


def _record(copies: Copies, lines: LineCopies | None) -> dict[str, Any]:
    return dataclasses.asdict(copies) | {"lines": None if lines is None else dataclasses.asdict(lines)}


def _table(found: dict[str, Judged]) -> str:
    head = ["", "characters", *(f"in copies of {length}+" for length in LENGTHS), "longest"]
    rows = [
        [
            name,
            f"{copies.characters:,}",
            *(f"{copies.shares[length]:.2%}" for length in LENGTHS),
            f"{len(copies.longest):,}",
        ]
        for name, (copies, _) in found.items()
    ]
    table = _aligned([head, *rows])
    of_lines = [
        [name, f"{lines.lines:,}", f"{lines.exact:.1%}", f"{lines.near:.1%}"]
        for name, (_, lines) in found.items()
        if lines is not None
    ]
    if not of_lines:
        return table
    return _aligned([["", "lines", "learned from", "but for one character"], *of_lines]) + "\n\n" + table


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
