"""`score --per-character`: what each character costs, and what was expected in its place.

The text is shaded on a terminal with colours; elsewhere each character has a row. It can also be JSON, CSV or a page.
"""

from __future__ import annotations

import csv
import io
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from afterword.bars import waiting
from afterword.cli.input import check_filled, noted_text
from afterword.cli.output import has_colours, shown, strict_json
from afterword.cli.scorers import Asked, Scorers
from afterword.inspection.gates_page import about
from afterword.scoring.surprises import LIKELIEST, Summary, Surprise
from afterword.scoring.surprises_page import MOST_DRAWN, Drawn, page
from afterword.settings import ignore_progress
from afterword.storage import output
from afterword.text.documents import counted, source_name
from afterword.text.unicode import spaced, visible

COLUMNS = ("line", "column", "text", "bits")
TABLE = "{:>8}  {:>8}  {:>8}  {:6}  {}"
SHOWN = 5  # most surprising places, on a terminal
LONGEST = 4096  # characters of a line that are collected before they are printed

Show = Callable[[str, Iterable[Surprise], Summary, bool], object]
"""Prints the surprises of a file as they come: takes its name, them, their summary so far, whether it is the first."""


def show_characters(asked: Asked, scorers: Scorers) -> None:
    """Print where the files surprise the model, or write the page."""
    model, show = scorers.model, _show(asked, scorers)
    texts: list[Drawn] = []
    room = 0 if asked.html is None else MOST_DRAWN
    for file in asked.files:
        text = noted_text(file)
        check_filled(file, text.strip("\n") if model.lines else text)
        surprises = _with_a_bar(file, len(text), model.surprises(text))
        drawn = Drawn(source_name(file))
        show(file, drawn.watch(surprises, room), drawn.summary, not texts)
        room -= drawn.characters
        texts.append(drawn)
    if asked.html is not None:
        with output(asked.html) as written:
            written.write(page(texts, about(Path(asked.model).name, model.config, asked.hold, asked.using)).encode())
        print(f"wrote {asked.html}", file=sys.stderr)


def _with_a_bar(file: str, length: int, surprises: Iterable[Surprise]) -> Iterator[Surprise]:
    """Yield `surprises` under a bar, except on a terminal, where the printed text shows the progress."""
    with (
        nullcontext(ignore_progress) if sys.stdout.isatty() else waiting(f"scoring {file}", "characters") as on_progress
    ):
        for surprise in surprises:
            on_progress(surprise.start / length, surprise.start)
            yield surprise


def _show(asked: Asked, scorers: Scorers) -> Show:
    several = len(asked.files) > 1
    if asked.as_json:
        return partial(_json, several, scorers.facts)
    if asked.csv:
        return partial(_csv, several)
    if asked.html is not None:
        return lambda file, surprises, summary, first: deque(surprises, maxlen=0)
    return partial(_shaded if has_colours() else _table, several)


def _json(
    several: bool, facts: Mapping[str, Any], file: str, surprises: Iterable[Surprise], summary: Summary, first: bool
) -> None:
    for surprise in surprises:
        row = {"file": file} if several else {}
        row |= {name: getattr(surprise, name) for name in COLUMNS}
        alternatives = [{"text": text, "probability": probability} for text, probability in surprise.alternatives]
        print(strict_json({**row, "alternatives": alternatives, **facts}))


def _csv(several: bool, file: str, surprises: Iterable[Surprise], summary: Summary, first: bool) -> None:
    if first:
        expected = [f"{name}_{k}" for k in range(1, LIKELIEST + 1) for name in ("expected", "probability")]
        print(",".join([*(["file"] if several else []), *COLUMNS, *expected]))
    for surprise in surprises:
        line = io.StringIO()
        values = [getattr(surprise, name) for name in COLUMNS]
        alternatives = [value for alternative in surprise.alternatives for value in alternative]
        padding = [""] * (2 * LIKELIEST - len(alternatives))
        row = [*([file] if several else []), *values, *alternatives, *padding]
        csv.writer(line, lineterminator="\n").writerow(row)
        sys.stdout.write(shown(line.getvalue()))


def _table(several: bool, file: str, surprises: Iterable[Surprise], summary: Summary, first: bool) -> None:
    """Print a row per character, and the summary on standard error."""
    if first:
        print(TABLE.format("line", "column", "bits", "text", "expected") + ("  file" if several else ""))
    for surprise in surprises:
        place = surprise.line, surprise.column, f"{surprise.bits:.4f}", spaced(surprise.text)
        print(shown(TABLE.format(*place, "  ".join(surprise.expected)) + (f"  {file}" if several else "")))
    print(*_summary_lines(summary), sep="\n", file=sys.stderr)


def _shaded(several: bool, file: str, surprises: Iterable[Surprise], summary: Summary, first: bool) -> None:
    """Print the text with each character on its shade, and the summary below it."""
    from rich.console import Console
    from rich.text import Text

    from afterword.inspection.terminal import LEAST_BITS, MOST_BITS, SHADES, shade

    console = Console(highlight=False, markup=False)
    if several:
        console.print(f"{shown(file)}:", style="bold", soft_wrap=True)
    line, number = Text(), 0
    for surprise in surprises:
        if (number and surprise.line > number) or len(line) > LONGEST:
            console.print(line, soft_wrap=True, end="\n" * (surprise.line - number))
            line = Text()
        number = surprise.line
        line.append(surprise.shown, shade(surprise.bits))
    console.print(line, soft_wrap=True)
    console.print()
    legend = Text(f"{LEAST_BITS:g} bits ")
    for style in SHADES:
        legend.append("  ", style)
    console.print(legend.append(f" {MOST_BITS:g} bits and more"))
    for text in _summary_lines(summary):
        console.print(text, soft_wrap=True)


def _summary_lines(summary: Summary) -> Iterator[str]:
    """Yield the lines of a summary, for people."""
    yield f"{summary.bits_per_character:.3f} bits per character, {counted(summary.characters, 'character')}"
    yield "most surprising:"
    for place in summary.most[:SHOWN]:
        surprise = place.surprise
        where = f"{surprise.line}:{surprise.column}"
        context = f"{visible(place.before)}[{spaced(surprise.text)}]"
        yield f"{where:>9}  {surprise.bits:5.1f} bits  {context}  expected {'  '.join(surprise.expected)}"
