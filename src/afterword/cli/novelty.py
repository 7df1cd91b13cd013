"""`afterword novelty RUN`: how much of a model's output is copied from its training text."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import click

from afterword.bars import waiting
from afterword.cli.input import noted_text
from afterword.cli.options import PATH, hold_option, settings_options, with_option
from afterword.cli.output import aligned, strict_json
from afterword.errors import OptionError
from afterword.generation.copying import LENGTHS, Copies, LineCopies, find_copies, find_lines
from afterword.generation.sampling import Sampling
from afterword.language_model import load
from afterword.text.encoded import EncodedCorpus

TEXTS, LINES = 200, 10_000  # how many texts to write: running text, lines
SHOWN = 200  # characters of the longest copy

Judged = tuple[Copies, LineCopies | None]


@click.command()
@click.argument("run", type=PATH, metavar="RUN")
@click.argument("file", type=PATH, metavar="[FILE]", required=False)
@settings_options(Sampling, "sampling")
@click.option("-n", "--num", type=click.IntRange(1), help="how many texts to write (default: 200; of lines, 10,000)")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=0, help="seed of the first text")
@with_option
@hold_option
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def novelty(
    run: str,
    file: str | None,
    sampling: Sampling,
    num: int | None,
    seed: int,
    using: str,
    hold: tuple[str, ...],
    as_json: bool,
) -> None:
    """Report how much of a model's output is copied verbatim from its training text.

    RUN is the folder of the model's run, which contains that text. FILE (a text, also .gz, or - for standard input) is
    checked in place of the model's output. The report gives the longest copy, and the fraction of characters inside
    copies of at least 20, 50 and 100 characters. For a model of lines, it also gives the fraction of lines that occur
    in the training text, exactly or except for one character. For comparison, it gives the same figures for the run's
    held-out text, from which the model did not learn.
    """
    if file is not None and num is not None:
        raise OptionError("--num and FILE exclude each other: give FILE to judge it, --num to judge what is written")
    model = load(run, using).hold(*hold)
    model.check_of_text()
    with waiting("reading the training text"):
        learned = model.learned_from()
    if file is not None:
        text = learned.tokenizer.normalise(noted_text(file))
        texts = text.splitlines() if learned.lines else [text]
    else:
        num = num or (LINES if learned.lines else TEXTS)
        with waiting("writing", "texts") as on_progress:
            texts = []
            for sample in model.writer(sampling).samples([None], num, seed):
                texts.append(sample.text)
                on_progress(len(texts) / num, len(texts))
    name = "written" if file is None else file
    if not as_json:
        print(novelty_report(learned, name, texts))
        return
    characters, found = _found(learned, name, texts)
    records = [
        dataclasses.asdict(copies) | {"lines": None if lines is None else dataclasses.asdict(lines)}
        for copies, lines in found.values()
    ]
    judged, held_out = (*records, None)[:2]
    print(strict_json({"learned_from": characters, "judged": judged, "held_out": held_out}))


def novelty_report(learned: EncodedCorpus, name: str, texts: Sequence[str]) -> str:
    """Return a report of what `texts`, named `name`, and the held-out text copy from the training text."""
    characters, found = _found(learned, name, texts)
    lines = [f"the training text has {characters:,} characters", "", _table(found)]
    for name, (copies, _) in found.items():
        if copies.longest:
            shown = copies.longest if len(copies.longest) <= SHOWN else f"{copies.longest[:SHOWN]}…"
            lines += ["", f"the longest copy, {name}, is at character {copies.at:,} of that text:", repr(shown)]
    return "\n".join(lines)


def _found(learned: EncodedCorpus, name: str, texts: Sequence[str]) -> tuple[int, dict[str, Judged]]:
    """Return the length of the training text, and what `texts` and the held-out text copy from it."""
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


def _table(found: dict[str, Judged]) -> str:
    of_lines = [["", "lines", "in training text", "but for one character"]]
    of_texts = [["", "characters", *(f"in copies of {length}+" for length in LENGTHS), "longest"]]
    for name, (copies, lines) in found.items():
        shares = [f"{copies.shares[length]:.2%}" for length in LENGTHS]
        of_texts.append([name, f"{copies.characters:,}", *shares, f"{len(copies.longest):,}"])
        if lines is not None:
            of_lines.append([name, f"{lines.lines:,}", f"{lines.exact:.1%}", f"{lines.near:.1%}"])
    return "\n\n".join(aligned(rows, "<" + ">" * len(rows[0][1:])) for rows in (of_lines, of_texts) if len(rows) > 1)
