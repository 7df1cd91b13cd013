"""`afterword novelty RUN`: what a model writes that stands word for word in the text it learned from."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from afterword.cli.options import PATH, hold_option, settings_options, with_option
from afterword.cli.strict_json import strict_json
from afterword.errors import ModelError, OptionError
from afterword.generation.novelty import LENGTHS, Copies, LineCopies, find_copies, find_lines
from afterword.generation.sampling import Sampling
from afterword.language_model import load
from afterword.progress import waiting
from afterword.runs.folder import RunFolder
from afterword.text.encoded import EncodedCorpus
from afterword.text.reading import read_text

TEXTS, LINES = 200, 10_000  # that are written, of running text and of lines
SHOWN = 200  # characters of the longest copy


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
    with waiting("reading what was learned from"):
        encoded = kept_text(run)
        learned = encoded.texts("training")
    if file is not None:
        text, notes = read_text([file])
        for note in notes:
            print(f"note: {note}", file=sys.stderr)
        text = encoded.tokenizer.normalise(text)
        judged = text.splitlines() if encoded.lines else [text]
    else:
        model, num = load(run, using).hold(*hold), num or (LINES if encoded.lines else TEXTS)
        with waiting("writing") as on_progress:
            judged = []
            for sample in model.samples_by(sampling, None, num, seed):
                judged.append(sample.text)
                on_progress(len(judged) / num)
    with waiting("looking for copies"):
        source = "\n".join(learned)
        found = {"written" if file is None else file: _judged(judged, learned, source, encoded.lines)}
        if len(encoded.validation):
            found["held out"] = _judged(encoded.texts("validation"), learned, source, encoded.lines)
    if as_json:
        judged_record, held_out = (*(_record(*each) for each in found.values()), None)[:2]
        print(strict_json({"learned_from": len(source), "judged": judged_record, "held_out": held_out}))
        return
    print(f"{len(source):,} characters were learned from\n")
    print(_table(found))
    for name, (copies, _) in found.items():
        if copies.longest:
            shown = copies.longest if len(copies.longest) <= SHOWN else f"{copies.longest[:SHOWN]}…"
            print(f"\nthe longest copy, {name}, stands at character {copies.at:,} of the text:\n{shown!r}")


def kept_text(run: str) -> EncodedCorpus:
    """The text that the model in the folder `run` learned from. Raises ModelError where it is not kept there."""
    folder = RunFolder(Path(run))
    if not folder.is_run:
        load(run)  # what is no model is said to be none
        raise ModelError(f"{run} does not keep the text that it learned from: name the folder of its run")
    return EncodedCorpus.open(folder.corpus)


def _judged(texts: Sequence[str], learned: Sequence[str], source: str, lines: bool) -> tuple[Copies, LineCopies | None]:
    return find_copies(texts, source), find_lines(texts, learned) if lines else None


def _record(copies: Copies, lines: LineCopies | None) -> dict[str, Any]:
    return dataclasses.asdict(copies) | {"lines": None if lines is None else dataclasses.asdict(lines)}


def _table(found: dict[str, tuple[Copies, LineCopies | None]]) -> str:
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
