"""`afterword score MODEL FILE…`: what texts cost a model, in bits per character."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import click
import numpy as np

from afterword.cli.options import PATH, hold_option, settings_options, with_option
from afterword.cli.screen import shown
from afterword.cli.strict_json import strict_json
from afterword.language_model import LanguageModel, load
from afterword.scoring.score import LineScore, Score
from afterword.text.decoding import Decoding
from afterword.text.lines import whole_lines
from afterword.text.reading import Reader
from afterword.text.sources import check_sources

FIGURES = ("characters", "tokens", "nats_per_character", "bits_per_character", "bits_per_byte", "perplexity")
LINE_FIGURES = ("line", "text", "bits", "bits_per_character")


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="FILE...")
@click.option("--lines", "by_line", is_flag=True, help="say what each line costs, read from a fresh state")
@with_option
@settings_options(Decoding, "decoding")
@hold_option
@click.option("--json", "as_json", is_flag=True, help="JSON: one object, or one a line for several files or --lines")
def score(
    model: str,
    files: tuple[str, ...],
    by_line: bool,
    using: str,
    decoding: Decoding,
    hold: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say how well a model predicts a text: the fewer bits per character, the better.

    MODEL is a model's folder, or the folder of its run; FILE a text, also .gz, or - for standard input. Each file is
    read from its start to its end. For a model that was trained on lines each line is read from a fresh state, and its
    end counts as one character.

    With --hold, parts of the network are held at a value; what the text costs without that stands beside it, as
    free_bits_per_character. Layers and units are counted from 0.
    """
    check_sources(files)
    free = load(model, using)
    loaded = free.hold(*hold)
    header = True
    for file in files:
        reader = Reader(decoding)
        try:
            for table in _tables(loaded, free if hold else None, file, reader, by_line, apart=as_json):
                if len(files) > 1:
                    table = [{"file": file, **row} for row in table]
                if as_json:
                    for row in table:
                        print(strict_json(row))
                else:
                    _print_table(table, header)
                    header = False
                sys.stdout.flush()
        finally:
            for note in reader.notes.lines():
                print(f"note: {note}", file=sys.stderr)


def _tables(
    model: LanguageModel, free: LanguageModel | None, file: str, reader: Reader, by_line: bool, apart: bool
) -> Iterator[list[dict[str, Any]]]:
    """What `file` costs `model`, and `free` if there is one: a row; or `by_line` a row a line, in tables as they come.

    `apart` as in `_file_record`.
    """
    if not by_line:
        text = _documents(model, file, reader)
        yield _with_free([_file_record(model, text, apart)], [] if free is None else [_file_record(free, text)])
        return
    read = 0
    for lines in whole_lines(reader.read([file])):
        table = _with_free(_line_records(model, lines), [] if free is None else _line_records(free, lines))
        for row in table:
            row["line"] += read
        read += len(lines)
        yield table


def _documents(model: LanguageModel, file: str, reader: Reader) -> str | list[str]:
    """The text of `file`; for a model of lines its lines, without empty ones, which are not documents in training."""
    if model.lines:
        return [line for lines in whole_lines(reader.read([file])) for line in lines if line]
    return "".join(reader.read([file]))


def _file_record(model: LanguageModel, documents: str | list[str], apart: bool = False) -> dict[str, Any]:
    """What a file costs; `apart` also by LSTM, n-gram and both, where the model has an n-gram."""
    score = model.score(documents) if isinstance(documents, str) else _sum(model.score_lines(documents))
    return _figures(score, FIGURES) | (dict(score.apart) if apart else {})


def _sum(scores: list[LineScore]) -> Score:
    """The lines as one text."""
    nats = [np.empty(0), *(line.token_nats for line in scores)]
    characters = sum(line.characters for line in scores)
    names = scores[0].apart if scores else ()
    apart = {name: sum(line.apart[name] * line.characters for line in scores) / characters for name in names}
    return Score(np.concatenate(nats), characters, sum(line.bytes for line in scores), apart)


def _line_records(model: LanguageModel, lines: list[str]) -> list[dict[str, Any]]:
    return [_figures(score, LINE_FIGURES) for score in model.score_lines(lines)]


def _with_free(rows: list[dict[str, Any]], free: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a held network, and beside them what the same costs the free one, where there is one."""
    for row, other in zip(rows, free, strict=False):
        row["free_bits_per_character"] = other["bits_per_character"]
    return rows


def _figures(score: Score, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(score, name) for name in names}


def _print_table(rows: list[dict[str, Any]], header: bool) -> None:
    """Columns under their names; texts and names of files come last, since they can be long."""
    for row in rows:
        columns = sorted(row, key=lambda name: name in ("text", "file"))
        if header:
            print("  ".join(_cell(name, _title(name)) for name in columns))
            header = False
        print("  ".join(_cell(name, row[name]) for name in columns))


def _cell(name: str, value: Any) -> str:
    if name in ("text", "file"):
        return shown(str(value))
    return (f"{value:.4f}" if isinstance(value, float) else str(value)).rjust(max(len(_title(name)), 8))


def _title(name: str) -> str:
    return name.replace("_per_", "/")
