"""`afterword score MODEL FILE… --per-character`: where texts surprise a model, character by character.

Shaded on a terminal with colours, a row for each character elsewhere; or as JSON, CSV and a page.
"""

from __future__ import annotations

import csv
import functools
import io
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from afterword.cli.options import HTML, Function, overwrite_option
from afterword.cli.reading import check_filled, noted_reader
from afterword.cli.screen import shown
from afterword.cli.strict_json import strict_json
from afterword.errors import OptionError
from afterword.language_model import LanguageModel
from afterword.progress import waiting
from afterword.scoring.page import MOST_DRAWN, Drawn, page
from afterword.scoring.surprises import LIKELIEST, Summary, Surprise, spaced
from afterword.storage import output
from afterword.text.decoding import Decoding
from afterword.text.notes import counted
from afterword.text.sources import source_name
from afterword.text.unicode import visible

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS = ("line", "column", "text", "bits")
TABLE = "{:>8}  {:>8}  {:>8}  {:6}  {}"
SHOWN = 5  # of the most surprising places, on a terminal
LONGEST = 4096  # characters of a line that are gathered before they are printed

Show = Callable[[str, Iterable[Surprise], Summary, bool], object]
"""Shows the surprises of a file, which is named, as they come; the summary is of those that have come.

Last, whether it is the first file.
"""


@dataclass(frozen=True)
class PerCharacter:
    """What `--per-character` is to give, beside what all of `score` can."""

    html: Path | None = None
    csv: bool = False


def per_character_options(function: Function) -> Function:
    """Decorate a command with `--per-character` and its options; it gets a `PerCharacter`, or None without it."""

    @click.option("--per-character", "asked", is_flag=True, help="show what each character costs and what was expected")
    @click.option("--html", type=HTML, help="with --per-character: write a page, which needs no network")
    @click.option("--csv", "as_csv", is_flag=True, help="with --per-character: CSV, a row for each character")
    @overwrite_option
    @functools.wraps(function)
    def command(asked: bool, html: Path | None, as_csv: bool, **values: Any) -> Any:
        if not asked and (html is not None or as_csv):
            raise OptionError("--html and --csv are about single characters: give --per-character too")
        return function(per_character=PerCharacter(html, as_csv) if asked else None, **values)

    decorated: Function = command
    return decorated


def show_surprises(
    model: LanguageModel,
    files: Sequence[str],
    decoding: Decoding,
    wanted: PerCharacter,
    as_json: bool,
    about: str,
    said: Mapping[str, str],
) -> None:
    """Print where `files` surprise `model`, or write the page that is `wanted`.

    `about` says on the page which model it is; what is `said` of all rows stands in JSON only.
    """
    show = _show(wanted, as_json, len(files) > 1, said)
    texts: list[Drawn] = []
    room = 0 if wanted.html is None else MOST_DRAWN
    for file in files:
        text = Drawn(source_name(file))
        show(file, text.watch(_read(model, file, decoding), room), text.summary, not texts)
        room -= text.characters
        texts.append(text)
    if wanted.html is not None:
        with output(wanted.html) as written:
            written.write(page(texts, about).encode())
        print(f"wrote {wanted.html}", file=sys.stderr)


def _read(model: LanguageModel, file: str, decoding: Decoding) -> Iterator[Surprise]:
    """The surprises of `file`. Raises TextError at once."""
    with noted_reader(decoding) as reader:
        text = "".join(reader.read([file]))
    check_filled(file, text.strip("\n") if model.lines else text)
    return _with_a_bar(file, len(text), model.surprises(text))


def _with_a_bar(file: str, length: int, surprises: Iterator[Surprise]) -> Iterator[Surprise]:
    """The same surprises, with a bar but where they are printed on a terminal, which shows how far it is."""
    with nullcontext(lambda fraction: None) if sys.stdout.isatty() else waiting(f"scoring {file}") as on_progress:
        for surprise in surprises:
            on_progress(surprise.start / length)
            yield surprise


def _show(wanted: PerCharacter, as_json: bool, several: bool, said: Mapping[str, str]) -> Show:
    if as_json and wanted.csv:
        raise OptionError("--json and --csv both print: give one of them")
    if as_json:
        return partial(_json, several, said)
    if wanted.csv:
        return partial(_csv, several)
    if wanted.html is not None:
        return lambda file, surprises, summary, first: deque(surprises, maxlen=0)
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if console.color_system is None or console.no_color:
        return partial(_table, several)
    return partial(_shaded, console, several)


def _json(
    several: bool, said: Mapping[str, str], file: str, surprises: Iterable[Surprise], summary: Summary, first: bool
) -> None:
    for surprise in surprises:
        row = {"file": file} if several else {}
        row |= {name: getattr(surprise, name) for name in COLUMNS}
        alternatives = [{"text": text, "probability": probability} for text, probability in surprise.alternatives]
        print(strict_json({**row, "alternatives": alternatives, **said}))


def _columns(several: bool) -> list[str]:
    alternatives = [f"{name}_{number}" for number in range(1, LIKELIEST + 1) for name in ("expected", "probability")]
    return [*(["file"] if several else []), *COLUMNS, *alternatives]


def _csv(several: bool, file: str, surprises: Iterable[Surprise], summary: Summary, first: bool) -> None:
    if first:
        print(",".join(_columns(several)))
    for surprise in surprises:
        line = io.StringIO()
        values = [getattr(surprise, name) for name in COLUMNS]
        alternatives = [value for alternative in surprise.alternatives for value in alternative]
        padding = [""] * (2 * LIKELIEST - len(alternatives))
        row = [*([file] if several else []), *values, *alternatives, *padding]
        csv.writer(line, lineterminator="\n").writerow(row)
        sys.stdout.write(shown(line.getvalue()))


def _table(several: bool, file: str, surprises: Iterable[Surprise], summary: Summary, first: bool) -> None:
    """A row for each character; what they come to goes to standard error."""
    if first:
        print(TABLE.format("line", "column", "bits", "text", "expected") + ("  file" if several else ""))
    for surprise in surprises:
        place = surprise.line, surprise.column, f"{surprise.bits:.4f}", spaced(surprise.text)
        print(shown(TABLE.format(*place, "  ".join(surprise.expected)) + (f"  {file}" if several else "")))
    print(*_summary_lines(summary), sep="\n", file=sys.stderr)


def _shaded(
    console: Console, several: bool, file: str, surprises: Iterable[Surprise], summary: Summary, first: bool
) -> None:
    """The text in its lines, each character on its shade, and below it what they come to."""
    from rich.text import Text

    from afterword.inspection.terminal import LEAST_BITS, MOST_BITS, SHADES, shade

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
    """What surprises come to, for people, in lines."""
    yield f"{summary.bits_per_character:.3f} bits per character, {counted(summary.characters, 'character')}"
    if summary.several:
        yield "characters that are one token have one shade, by its bits"
    yield "most surprising:"
    for place in summary.most[:SHOWN]:
        surprise = place.surprise
        where = f"{surprise.line}:{surprise.column}"
        context = f"{visible(place.before)}[{spaced(surprise.text)}]"
        yield f"{where:>9}  {surprise.bits:5.1f} bits  {context}  expected {'  '.join(surprise.expected)}"
