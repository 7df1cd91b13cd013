"""`score MODEL FILE… --against MODEL2`: which of several models predicts a text, or each of its lines, better."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import click

from afterword.cli.options import PATH
from afterword.cli.table import Row
from afterword.errors import OptionError
from afterword.language_model import LanguageModel, load
from afterword.scoring.comparing import FEWEST, SHORTEST, compare
from afterword.scoring.score import LineScore
from afterword.text.notes import counted

RATIO = "ratio-bits"  # that lines may be sorted by
COLUMNS = ("model", "bits_per_character", "difference", "margin_of_error", "blocks")  # of a table

Judge = Callable[[list[str]], Sequence[LineScore]]

against_option = click.option(
    "--against", multiple=True, type=PATH, metavar="MODEL2", help="compare MODEL with another one; again and again"
)


def check_against(others: Mapping[str, object]) -> None:
    """Raise OptionError for those of `others`, by the names of options, that are given: they change one model alone."""
    for name, value in others.items():
        if value:
            raise OptionError(f"--against compares models as they are: leave out {name}")


def load_against(
    name: str, first: LanguageModel, others: Sequence[str], using: str, engine: str, by_line: bool
) -> list[LanguageModel]:
    """The models named `others`, to compare with `first`, which is named `name`; note what makes the comparison unfair.

    Raises OptionError where they would not be asked the same.
    """
    models = []
    for other in others:
        try:
            models.append(load(other, using, engine))
        except OptionError as error:
            raise OptionError(f"{other}: {error}") from None
    reads_lines = by_line or first.lines
    for other, model in zip(others, models, strict=True):
        if reads_lines and (model.tokenizer.end is None) != (first.tokenizer.end is None):
            classic, ends = (other, name) if model.tokenizer.end is None else (name, other)
            raise OptionError(f"{classic} is classic, and does not predict where a line ends as {ends} does")
        if by_line and not model.labels.keys() <= first.labels.keys():
            raise OptionError(f"{other} knows labels that {name} does not, and would not read them: name {other} first")
    every = list(dict(zip([name, *others], [first, *models], strict=True)).items())
    if len({model.lines for _, model in every}) > 1:
        for one, model in every:
            if model.lines != reads_lines:
                trained, reads = ("lines", "running text") if model.lines else ("running text", "lines")
                why = f"as {name} does" if reads_lines == first.lines else "by --lines"
                print(f"note: {one} was trained on {trained}, and pays for reading {reads} {why}", file=sys.stderr)
    if len({model.tokenizer.lowercase for _, model in every}) > 1:
        for one, model in every:
            if model.tokenizer.lowercase:
                print(f"note: {one} reads all in lower case, and has less to predict", file=sys.stderr)
    return models


def compared(
    names: Sequence[str],
    models: Sequence[LanguageModel],
    figures: Sequence[str],
    as_json: bool,
    text: str | list[str],
    on_progress: Callable[[float], object],
) -> list[Row]:
    """What `text` costs each of `models`, a row each: the `figures` of the score, and the difference from the first."""
    rows = []
    for name, found in zip(_padded(names, as_json), compare(models, text, on_progress), strict=True):
        score, difference = found.score, found.difference
        row = {
            "model": name,
            **{figure: getattr(score, figure) for figure in figures},
            **score.apart,
            "difference": difference.bits_per_character,
            "standard_error": difference.standard_error,
            "margin_of_error": difference.margin_of_error,
            "blocks": difference.blocks,
        }
        rows.append(row if as_json else {column: row[column] for column in COLUMNS})
    return rows


def with_notes(tables: Iterable[list[Row]]) -> Iterator[list[Row]]:
    """`tables` as they are, with a note after each that has no uncertainty."""
    for table in tables:
        yield table
        if table[0]["margin_of_error"] is None:
            print(
                f"note: a margin of error takes {FEWEST} blocks of {SHORTEST} characters, and this text has "
                f"{table[0]['blocks']}",
                file=sys.stderr,
            )


def with_ratios(
    tables: Iterable[list[Row]], names: Sequence[str], judges: Sequence[Judge], as_json: bool
) -> Iterator[list[Row]]:
    """`tables` of lines, each row with the bits of the other models, whose `judges` are asked; the likelihood ratio,
    of the first model to the likeliest other one; and the likeliest of all, of equals the first.

    Once they are through, say for how many lines each is the likeliest.
    """
    shown = _padded(names, as_json)
    likeliest = [0] * len(names)  # of lines that are not empty
    for table in tables:
        scores = [judge([row["text"] for row in table]) for judge in judges]
        for row, *others in zip(table, *scores, strict=True):
            bits = [row["bits"], *(other.bits for other in others)]
            best = bits.index(min(bits))
            row |= {f"bits_{number}": cost for number, cost in enumerate(bits[1:], 2)}
            row |= {"ratio_bits": min(bits[1:]) - bits[0], "best": shown[best]}
            likeliest[best] += bool(row["text"])
        yield table
    for name, number in zip(names, likeliest, strict=True):
        print(f"{name} is likeliest for {number:,} of {counted(sum(likeliest), 'line')}", file=sys.stderr)


def _padded(names: Sequence[str], as_json: bool) -> list[str]:
    """`names` as they are for JSON, for a table of the same width."""
    return list(names) if as_json else [name.rjust(max(map(len, names))) for name in names]
