"""`score --lines`: the cost of each line, the odd lines, their labels, and the model that fits each line best."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from heapq import nlargest
from itertools import chain
from operator import itemgetter

from afterword.bars import waiting
from afterword.cli.input import lines_of
from afterword.cli.output import Marked, Row, escaped, has_colours, printed
from afterword.cli.scorers import Asked, Scorers
from afterword.scoring.costs import LineScore
from afterword.scoring.labels import LabelScore
from afterword.scoring.odd_lines import OddLine
from afterword.settings import ignore_progress
from afterword.text.documents import counted

RATIO = "ratio-bits"
COSTS = ("bits-per-character", "bits", RATIO)  # that lines can be sorted by
FREE = "free_bits_per_character"  # of a network with nothing held
LINE_FIGURES = ("line", "text", "bits", "bits_per_character")
LABEL_FIGURES = ("label", "label_probability", "given_label")  # of a model of labelled lines
ODD_FIGURES = ("figure", "p_value", "odd", "odd_pieces")  # of a line that is compared with normal lines
FAILED = 3  # exit status
ODD, PLAIN = "\033[1;31m", "\033[0m"  # around odd characters on a terminal with colours


def show_lines(asked: Asked, scorers: Scorers) -> bool:
    """Print what each line costs, and return whether any of the printed lines is odd."""
    ranked = asked.top is not None or asked.sort is not None
    # lines that are printed as they are scored show the progress themselves
    shown = sys.stdout.isatty() and not ranked
    with ExitStack() as bar:
        on_progress = ignore_progress if shown else bar.enter_context(waiting("scoring lines", "lines"))
        tables = _tables(asked, scorers, on_progress)
        if asked.only_odd:
            tables = ([row for row in table if row["odd"]] for table in tables)
        if scorers.others:
            tables = _with_ratios(tables, [asked.model, *asked.against], scorers)
        if scorers.model.labels and not asked.adapts and asked.rate is None:
            tables = _with_accuracy(tables)
        if ranked:
            usual = "figure" if asked.rate is not None else RATIO if scorers.others else COSTS[0]
            filled = _filled(tables, scorers.model.lines)
            tables = iter([_ranked(filled, (asked.sort or usual).replace("-", "_"), asked.top)])
            bar.close()  # the table would be printed into it
        if asked.rate is not None and not asked.as_json:
            tables = map(partial(_for_people, colours=has_colours()), tables)
        found = [any(row.get("odd") for row in table) for table in printed(tables, asked.as_json, scorers.facts)]
    return any(found)


def _tables(asked: Asked, scorers: Scorers, on_progress: Callable[..., object]) -> Iterator[list[Row]]:
    """Yield the rows of lines as they come: the number in the file and the costs, and the file if there are several."""
    several, scored = len(asked.files) > 1 or os.path.isdir(asked.files[0]), 0
    for file, before, lines in lines_of(asked.files, asked.decoding):
        rows = [_row(score) for score in scorers.judges[0](lines)]
        for number, row in enumerate(rows, before + 1):
            row["line"] = number
        if scorers.free_judge is not None:
            for row, score in zip(rows, scorers.free_judge(lines), strict=True):
                row[FREE] = score.bits_per_character
        scored += len(lines)
        on_progress(None, scored)
        yield [{"file": file, **row} for row in rows] if several else rows


def _row(score: LineScore) -> Row:
    names: tuple[str, ...] = LINE_FIGURES
    if isinstance(score, LabelScore):
        names += LABEL_FIGURES
    if isinstance(score, OddLine):
        names += ODD_FIGURES
    return {name: getattr(score, name) for name in names}


def _for_people(table: list[Row], colours: bool) -> list[Row]:
    """Colour the odd pieces of each row, or leave them out."""
    for row in table:
        pieces = row.pop("odd_pieces")
        if colours:
            row["text"] = marked(row["text"], pieces)
    return table


def marked(text: str, odd_pieces: Sequence[tuple[int, int]]) -> Marked:
    """Return `text` with its odd pieces coloured. If it ends too early, a coloured ↵ follows."""
    parts, last = [], 0
    for start, stop in odd_pieces:
        parts += [escaped(text[last:start]), ODD, escaped(text[start:stop]) or "↵", PLAIN]
        last = stop
    return Marked("".join([*parts, escaped(text[last:])]))


def _with_ratios(tables: Iterable[list[Row]], names: Sequence[str], scorers: Scorers) -> Iterator[list[Row]]:
    """Add to each row the bits of the other models, the likelihood ratio of the first model to the likeliest of them,
    and the likeliest model of all (of equals the first). At the end, print for how many lines each is the likeliest.
    """
    likeliest = [0] * len(names)  # of lines that are not empty
    for table in tables:
        scores = [judge([row["text"] for row in table]) for judge in scorers.judges[1:]]
        for row, *others in zip(table, *scores, strict=True):
            bits = [row["bits"], *(other.bits for other in others)]
            best = bits.index(min(bits))
            row |= {f"bits_{number}": cost for number, cost in enumerate(bits[1:], 2)}
            row |= {"ratio_bits": min(bits[1:]) - bits[0], "best": scorers.names[best]}
            likeliest[best] += bool(row["text"])
        yield table
    for name, number in zip(names, likeliest, strict=True):
        print(f"{name} is likeliest for {number:,} of {counted(sum(likeliest), 'line')}", file=sys.stderr)


def _with_accuracy(tables: Iterable[list[Row]]) -> Iterator[list[Row]]:
    """Yield `tables` unchanged; then print how often the likeliest label was the given one, if all lines have one, and
    how often the commonest one was given: a model that has learned nothing reaches that.
    """
    given, right = Counter[str | None](), 0
    for table in tables:
        yield table
        given.update(row["given_label"] for row in table if row["text"] or row["given_label"] is not None)
        right += sum(row["label"] == row["given_label"] for row in table)
    if given and None not in given:
        [(label, often)], lines = given.most_common(1), given.total()
        baseline = f"always {label!r} would be right for {often / lines:.1%}"
        print(f"the label is right for {right / lines:.1%} of {counted(lines, 'line')}; {baseline}", file=sys.stderr)


def _filled(tables: Iterable[list[Row]], lines: bool) -> Iterator[list[Row]]:
    """Leave out empty lines, which training leaves out too and which cost much for their length; without a model of
    `lines`, also blank ones. Odd lines stay.
    """
    for table in tables:
        yield [row for row in table if (row["text"] if lines else row["text"].strip()) or row.get("odd")]


def _ranked(tables: Iterable[list[Row]], column: str, top: int | None) -> list[Row]:
    """Return all rows, or the `top` ones, with the highest value of `column` first."""
    rows = chain.from_iterable(tables)
    if top is None:
        return sorted(rows, key=itemgetter(column), reverse=True)
    return nlargest(top, rows, key=itemgetter(column))
