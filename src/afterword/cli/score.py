"""`afterword score MODEL FILE…`: what texts cost a model, in bits a character."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
import numpy as np

from afterword.cli.options import with_option
from afterword.language_model import LanguageModel, load
from afterword.scoring.score import LineScore, Score
from afterword.text.corpus import check_sources, read_lines, read_text

FIGURES = ("characters", "tokens", "nats_per_character", "bits_per_character", "bits_per_byte", "perplexity")
LINE_FIGURES = ("line", "text", "bits", "bits_per_character")


@click.command(short_help="Say how well a model predicts a text.")
@click.argument("model", metavar="MODEL")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--lines", "by_line", is_flag=True, help="say what each line costs, read from a fresh state")
@with_option
@click.option("--encoding", default="utf-8", show_default=True, metavar="NAME", help="the encoding of the files")
@click.option("--json", "as_json", is_flag=True, help="JSON: one object, or one a line for several files or --lines")
def score(model: str, files: tuple[str, ...], by_line: bool, using: str, encoding: str, as_json: bool) -> None:
    """Say how well a model predicts a text: the fewer bits a character, the better.

    MODEL is a model's folder, or the folder of its run; FILE a text, also .gz, or - for standard input. Each file is
    read from its start to its end. For a model that was trained on lines each line is read from a fresh state, and its
    end counts as one character.
    """
    check_sources(files)
    loaded = load(model, using)
    for position, file in enumerate(files):
        if by_line:
            table = _line_records(_score_lines(loaded, file, encoding))
        else:
            found = _score_file(loaded, file, encoding)
            table = [_figures(found, FIGURES) | (dict(found.apart) if as_json else {})]
        if len(files) > 1:
            table = [{"file": file, **row} for row in table]
        if as_json:
            for row in table:
                print(json.dumps(row, ensure_ascii=False))
        else:
            _print_table(table, header=position == 0)
        sys.stdout.flush()


def _score_file(model: LanguageModel, file: str, encoding: str) -> Score:
    if not model.lines:
        text, notes = read_text([file], encoding)
        _tell(notes)
        return model.score(text)
    lines, notes = read_lines([file], encoding)
    _tell(notes)
    scores = model.score_lines(line for line in lines if line)  # empty lines are no documents, as in training
    nats = [np.empty(0), *(line.token_nats for line in scores)]
    characters = sum(line.characters for line in scores)
    names = scores[0].apart if scores else ()
    apart = {name: sum(line.apart[name] * line.characters for line in scores) / characters for name in names}
    return Score(np.concatenate(nats), characters, sum(line.bytes for line in scores), apart)


def _score_lines(model: LanguageModel, file: str, encoding: str) -> list[LineScore]:
    lines, notes = read_lines([file], encoding)
    _tell(notes)
    return model.score_lines(lines)


def _line_records(scores: list[LineScore]) -> list[dict[str, Any]]:
    return [_figures(score, LINE_FIGURES) for score in scores]


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
        return str(value)
    return (f"{value:.4f}" if isinstance(value, float) else str(value)).rjust(max(len(_title(name)), 8))


def _title(name: str) -> str:
    return name.replace("_per_", "/")


def _tell(notes: list[str]) -> None:
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
