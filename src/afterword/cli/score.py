"""`afterword score MODEL FILE…`: what texts cost a model, in bits per character.

There are four kinds of output: a row per text and a row per compared model are here; a row per line is in
`score_lines`, and a row per character in `score_characters`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import click

from afterword.bars import waiting
from afterword.cli.input import Part, texts_of
from afterword.cli.options import (
    HTML,
    PATH,
    Combination,
    check_kind,
    check_together,
    engine_option,
    hold_option,
    mask_option,
    overwrite_option,
    settings_options,
    with_option,
)
from afterword.cli.output import Row, note, printed
from afterword.cli.score_characters import show_characters
from afterword.cli.score_lines import COSTS, FAILED, FREE, RATIO, show_lines
from afterword.cli.scorers import RATE, Asked, Scorer, Scorers
from afterword.language_model import load
from afterword.scoring.comparing import FEWEST, SHORTEST, Comparison
from afterword.scoring.costs import Score, total
from afterword.series.table import Columns
from afterword.settings import OnProgress
from afterword.text.decoding import Decoding
from afterword.text.documents import check_sources

FIGURES = ("characters", "tokens", "nats_per_character", "bits_per_character", "bits_per_byte", "perplexity")
RowsOf = Callable[[Iterator[Part], OnProgress], list[Row]]  # of a text that comes in parts
SHOWN = tuple(name for name in FIGURES if name != "nats_per_character")  # in a table
COMPARED = ("model", "bits_per_character", "difference", "margin_of_error", "blocks")  # columns of a table

ODD = ("--false-alarms", "--flag", "--fail")
RULES = (
    Combination("--per-character", excludes=("--lines", "--top", "--sort", "--mask", *ODD, "--adapt", "--against")),
    Combination("--html", needs="--per-character"),
    Combination("--csv", needs="--per-character", excludes=("--json",)),
    *(Combination(option, needs="--lines") for option in ("--top", "--sort", "--mask")),
    *(Combination(option, needs="--lines", excludes=("--adapt",)) for option in ODD),
    Combination(f"--sort {RATIO}", needs="--against"),
    Combination("--against", excludes=("--adapt", "--hold")),
)
OF_TEXT = ("html", "csv", "sort", "masks", "adapts", "against", "hold", "encoding", "encoding_errors")


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="FILE...")
@click.option("--lines", "by_line", is_flag=True, help="print the cost of each line, read from a fresh state")
@click.option(
    "--top", type=click.IntRange(min=1), metavar="N", help="with --lines: print only the N lines that cost most"
)
@click.option(
    "--sort", type=click.Choice(COSTS), help=f"with --lines: print the highest first (--top sorts by {COSTS[0]})"
)
@click.option(
    "--against", multiple=True, type=PATH, metavar="MODEL2", help="compare MODEL with this model (repeatable)"
)
@click.option(
    "--false-alarms",
    type=float,
    metavar="RATE",
    help=f"with --lines: mark odd lines, at this false-alarm rate (default: {RATE:g}; see calibrate)",
)
@click.option("--flag", "only_odd", is_flag=True, help="with --lines: print only the odd lines")
@click.option("--fail", is_flag=True, help=f"with --lines: exit with status {FAILED} if there are odd lines")
@mask_option
@click.option("--per-character", is_flag=True, help="show the cost of each character, and what was expected")
@click.option("--html", type=HTML, help="with --per-character: write an HTML page that works offline")
@click.option("--csv", is_flag=True, help="with --per-character: print CSV, a row per character")
@overwrite_option
@with_option
@click.option("--adapt", "adapts", is_flag=True, help="keep learning from the text as it is scored")
@engine_option
@settings_options(Decoding, "decoding")
@settings_options(Columns, "columns")
@hold_option
@click.option("--json", "as_json", is_flag=True, help="print JSON: one object, or one per line if there are several")
@click.pass_context
def score(context: click.Context, /, files: tuple[str, ...], columns: Columns, **options: Any) -> None:
    """Print how well a model predicts a text, in bits per character. Fewer are better.

    MODEL is a model's folder, the folder of its run, the name of a base, or hf://USER/NAME. FILE is a text, also
    .gz, or - for standard input. A model of running text reads each file from start to end. A model of lines reads each
    line from a fresh state, and the end of a line counts as one character.

    With --lines, a model of labelled lines also prints the likeliest label of each line and its probability. If a line
    begins with a known label and a tab, that label is its given label, and the rest is classified. If all lines have
    a given label, the accuracy is printed. The bits are those of the line without its label: -log2 of the sum of
    P(label, line) over all labels.

    With --false-alarms, --flag or --fail, each line is compared with the normal lines on which the model was calibrated
    (afterword calibrate). Its figure is its cost above that of normal lines of its length, in standard deviations. Its
    p-value is the probability that a normal line has a figure at least as high. --top then prints the oddest lines.
    With --fail, the exit status is 3 if any line is odd.

    With --per-character, each character is shaded by its bits if the terminal has colours; otherwise each character
    gets a row. The bits add up to the score, also if tokens have several characters or a character has several tokens.
    The end of a line is shown as ↵.

    With --adapt, the model learns from the text as it reads it: each part is scored before it is learned from. Files
    are read one after the other. The saved model does not change. The n-gram model always learns; the LSTM learns if
    PyTorch is installed.

    With --against, several models read the same text, in the way that MODEL was trained to read it. Each model has a
    row: its bits per character, the difference from MODEL's, and the margin of error (95 %), computed from how the
    difference varies along the text. With --lines, each line has a row: its bits
    under each model, the likelihood ratio, and the likeliest model. The ratio compares MODEL with the likeliest of the
    others, in bits: at 10, MODEL is 1,024 times as likely. --top then prints the lines with the highest ratio. With
    --flag too, MODEL finds the odd lines, and the likeliest model is their kind. If that is MODEL itself, no model
    knows their kind.

    With --hold, parts of the network are held at a value, and the cost with nothing held is printed too.
    Layers and units are counted from 0.

    For a model of series, made by train --series, FILE is a table, and the answer is in bits per value. --lines prints
    a row per series. --per-character prints a row per value after the first season, with its bits, the expected median
    and the band of 80 %. --top N prints the N values that cost most. --flag and --false-alarms print the odd values;
    run afterword calibrate with a table of normal values first.
    """
    check_sources(files)
    asked = Asked(files=files, **options)
    model = load(asked.model, asked.using, asked.engine)
    check_kind(context, model, OF_TEXT)
    if model.unit == "value":
        from afterword.cli.score_values import RULES_OF_VALUES, show_values

        check_together(context, RULES_OF_VALUES)
        if show_values(asked, Scorers.load(asked, model), columns) and asked.fail:
            context.exit(FAILED)
        return
    check_together(context, RULES)
    scorers = Scorers.load(asked, model)
    if asked.per_character:
        show_characters(asked, scorers)
    elif asked.by_line:
        if show_lines(asked, scorers) and asked.fail:
            context.exit(FAILED)
    elif asked.against:
        show_comparison(asked, scorers)
    else:
        show_texts(asked, scorers)


def show_texts(asked: Asked, scorers: Scorers) -> None:
    """Print what each text costs."""
    scored = [scorers.scorer] if scorers.free is None else [scorers.scorer, scorers.free]

    def rows(parts: Iterator[Part], on_progress: OnProgress) -> list[Row]:
        last: list[Score | None] = [None] * len(scored)
        scores: list[Score] = []
        for part in parts:
            new = [_score(one, part, on_progress, after) for one, after in zip(scored, last, strict=True)]
            scores, last = [*map(total, zip(scores, new, strict=True))] if scores else new, [*new]
        row = _figures(scores[0]) | dict(scores[0].apart)
        if not asked.as_json:
            row = {name: row[name] for name in SHOWN}
        if scorers.free is not None:
            row[FREE] = scores[1].bits_per_character
        return [row]

    for _ in printed(_tables(asked, scorers, rows), asked.as_json, scorers.facts):
        pass


def _score(scorer: Scorer, part: Part, on_progress: OnProgress, after: Score | None) -> Score:
    if isinstance(part, str):
        return scorer.score(part, on_progress=on_progress, after=after)
    return total(scorer.score_lines(part, on_progress=on_progress))


def show_comparison(asked: Asked, scorers: Scorers) -> None:
    """Print a row per model for each text: its cost, and the difference from that of the first model."""

    def rows(parts: Iterator[Part], on_progress: OnProgress) -> list[Row]:
        found = []
        comparison = Comparison([scorers.model, *scorers.others])
        for part in parts:
            comparison.read(part, on_progress)
        for name, (score, difference) in zip(scorers.names, comparison.result(), strict=True):
            row = {"model": name, **_figures(score), **score.apart, "difference": difference.bits_per_character}
            row |= {name: getattr(difference, name) for name in ("standard_error", "margin_of_error", "blocks")}
            found.append(row if asked.as_json else {column: row[column] for column in COMPARED})
        return found

    for first, *_ in printed(_tables(asked, scorers, rows), asked.as_json, scorers.facts):
        if first["margin_of_error"] is None:
            needed = f"{FEWEST} blocks of {SHORTEST} characters"
            note(f"a margin of error needs {needed}, and this text has {first['blocks']}")


def _tables(asked: Asked, scorers: Scorers, rows: RowsOf) -> Iterator[list[Row]]:
    """Yield the `rows` of each file, read as one text or by lines, as the model was trained; name it if there are
    several."""
    for file, parts in texts_of(asked.files, asked.decoding, scorers.model.lines):
        with waiting(f"scoring {file}", "bytes") as on_progress:
            found = rows(*_watched(file, parts, on_progress))
        yield [{"file": file, **row} for row in found] if len(asked.files) > 1 else found


def _watched(file: str, parts: Iterator[Part], on_progress: Callable[..., object]) -> tuple[Iterator[Part], OnProgress]:
    """Return `parts`, and a function that takes the fraction of the latest part that is done.

    The function reports the bytes read, as UTF-8, and the fraction of the whole file if its size is known.
    """
    size = os.path.getsize(file) if os.path.isfile(file) and not file.endswith(".gz") else 0
    before = length = 0

    def watched() -> Iterator[Part]:
        nonlocal before, length
        for part in parts:
            length = len((part if isinstance(part, str) else "\n".join([*part, ""])).encode())
            yield part
            before += length

    def on_part(fraction: float) -> None:
        read = before + fraction * length
        on_progress(min(1.0, read / size) if size else None, int(read))

    return watched(), on_part


def _figures(score: Score) -> Row:
    return {name: getattr(score, name) for name in FIGURES}
