"""`afterword score MODEL FILE…`: what texts cost a model, in bits per character."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from heapq import nlargest
from itertools import chain
from operator import itemgetter
from typing import Any

import click

from afterword.cli.against import (
    RATIO,
    Judge,
    against_option,
    check_against,
    compared,
    load_against,
    with_notes,
    with_ratios,
)
from afterword.cli.calibrate import mask_option
from afterword.cli.engine import engine_option, tell_engine
from afterword.cli.flagging import FAILED, Flagging, check_flagging, flag_options, has_colours, marked
from afterword.cli.inspect import about
from afterword.cli.options import PATH, hold_option, settings_options, with_option
from afterword.cli.reading import check_filled, lines_of, noted_reader
from afterword.cli.surprises import PerCharacter, per_character_options, show_surprises
from afterword.cli.table import Row, printed
from afterword.errors import OptionError
from afterword.language_model import LanguageModel, load
from afterword.progress import waiting
from afterword.scoring.adapting import AdaptingScorer
from afterword.scoring.labels import LabelScore
from afterword.scoring.odd import OddLine
from afterword.scoring.score import LineScore, Score, total
from afterword.text.decoding import Decoding
from afterword.text.lines import filled_lines
from afterword.text.masking import Masks
from afterword.text.notes import counted
from afterword.text.sources import check_sources

FIGURES = ("characters", "tokens", "nats_per_character", "bits_per_character", "bits_per_byte", "perplexity")
LINE_FIGURES = ("line", "text", "bits", "bits_per_character")
ODD_FIGURES = ("figure", "p_value", "odd")  # of a line that is judged by what normal lines cost
LABEL_FIGURES = ("label", "label_probability", "given_label")  # of a model of labelled lines
FREE = "free_bits_per_character"  # of a network of which nothing is held
COSTS = ("bits-per-character", "bits", RATIO)  # that lines are sorted by

Scorer = LanguageModel | AdaptingScorer
FileRows = Callable[[str | list[str], Callable[[float], object]], list[Row]]


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="FILE...")
@click.option("--lines", "by_line", is_flag=True, help="say what each line costs, read from a fresh state")
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="with --lines: only the N that cost most")
@click.option("--sort", type=click.Choice(COSTS), help=f"with --lines: those that cost most first (--top: {COSTS[0]})")
@against_option
@flag_options
@mask_option
@per_character_options
@with_option
@click.option("--adapt", "adapts", is_flag=True, help="go on learning from the text while it is scored")
@engine_option
@settings_options(Decoding, "decoding")
@hold_option
@click.option("--json", "as_json", is_flag=True, help="JSON: one object, or one a line where there are several")
@click.pass_context
def score(
    context: click.Context,
    model: str,
    files: tuple[str, ...],
    by_line: bool,
    top: int | None,
    sort: str | None,
    against: tuple[str, ...],
    masks: tuple[str, ...],
    using: str,
    adapts: bool,
    engine: str,
    decoding: Decoding,
    hold: tuple[str, ...],
    as_json: bool,
    per_character: PerCharacter | None,
    flagging: Flagging | None,
) -> None:
    """Say how well a model predicts a text: the fewer bits per character, the better.

    MODEL is a model's folder, the folder of its run, or english, which ships; FILE a text, also .gz, or - for standard
    input. Each file is read from its start to its end. For a model that was trained on lines each line is read from a
    fresh state, and its end counts as one character.

    With --lines, a model of labelled lines tells the likeliest label of each line, and how probable it is. A line that
    begins with a known label and a tab has that as its given_label, and is judged by what follows; where all lines do,
    the share that the model finds right is told. The bits are of the line without its label: -log2 of the sum of
    P(label, line) over all labels.

    With --false-alarms, --flag or --fail each line is judged by what normal lines cost a model that was calibrated
    (afterword calibrate): its figure is by how many standard deviations it costs more than normal lines of its length,
    its p-value how often a normal line has such a figure. --top then lists the oddest. Exit status 3 with --fail where
    any line is odd.

    With --per-character, each character is shaded by its bits where the terminal has colours; elsewhere it gets a row.
    The bits are those of the score; characters that are one token share them, and one of several tokens costs their
    sum. A line's end is shown as ↵.

    With --adapt, the model learns from the text while it reads: each part is scored, then learned from, and files are
    read one after the other. The saved model stays as it is. The n-gram's counts grow, or begin; the LSTM learns where
    PyTorch is installed.

    With --against, several models read the same text, as MODEL was trained to read it. Each has a row: its bits per
    character, by how much they differ from MODEL's, and the margin of error (95 %), by how the difference varies along
    the text. With --lines, bits_2, bits_3 … are what a line costs the others, in their order; ratio_bits how many bits
    more it costs the likeliest of them than MODEL (the log likelihood ratio: at 10, MODEL is 1,024 times as likely);
    best the likeliest model of all. --top then lists the lines with the highest ratio.

    With --hold, parts of the network are held at a value; what the text costs without that stands beside it, as
    free_bits_per_character. Layers and units are counted from 0.
    """
    ranked = top is not None or sort is not None
    about_lines = {"top": top, "sort": sort, "mask": masks or None, "false-alarms, --flag and --fail": flagging}
    given = [name for name, value in about_lines.items() if value is not None]
    if per_character and (by_line or given):
        raise OptionError(
            f"--per-character tells of characters, --{(given or ['lines'])[0]} of lines: give one of them"
        )
    if per_character and adapts:
        raise OptionError("--per-character shows the model as it is: leave out --adapt")
    if given and not by_line:
        raise OptionError(f"--{given[0]} {'are' if ' and ' in given[0] else 'is'} about lines: give --lines too")
    if flagging and adapts:
        raise OptionError("a model that adapts is not the one that was calibrated: leave out --adapt or --flag")
    if against:
        flags = "--false-alarms, --flag and --fail"
        check_against({"--per-character": per_character, "--adapt": adapts, "--hold": hold, flags: flagging})
    elif sort == RATIO:
        raise OptionError(f"--sort {RATIO} compares models: give --against too")
    check_sources(files)
    free = load(model, using, engine)
    loaded = free.hold(*hold)
    if flagging:
        check_flagging(loaded, flagging, masks)
    others = load_against(model, loaded, against, using, engine, by_line)
    names = [model, *against]
    said: dict[str, Any] = {}
    for one in (loaded, *others):
        said |= tell_engine(one)
    if per_character:
        show_surprises(loaded, files, decoding, per_character, as_json, about(model, loaded, hold, using), said)
        return
    scorer: Scorer = loaded
    if adapts:
        scorer = loaded.adapting()
        said["adapted"] = scorer.adapts
        if using == "both" and "lstm" not in scorer.adapts:
            print("note: only the n-gram adapts; for the LSTM: pip install 'afterword[train]'", file=sys.stderr)
    found = 0
    if not by_line and others:
        rows: FileRows = partial(compared, names, [loaded, *others], FIGURES, as_json)
        tables = with_notes(_file_tables(loaded.lines, rows, files, decoding))
    elif not by_line:
        rows = partial(_file_rows, scorer, free if hold else None, as_json)
        tables = _file_tables(loaded.lines, rows, files, decoding)
    else:
        judge = _judge(scorer, masks, flagging)
        tables = _line_tables(judge, _judge(free, masks, None) if hold else None, files, decoding, as_json)
        if others:
            tables = with_ratios(tables, names, [_judge(other, masks, None) for other in others], as_json)
        if free.labels and not adapts and not flagging:
            tables = _judged(tables)
    if flagging and flagging.only:
        tables = ([row for row in table if row["odd"]] for table in tables)
    if ranked:
        usual = "figure" if flagging else RATIO if against else COSTS[0]
        key = itemgetter((sort or usual).replace("-", "_"))
        with waiting("scoring lines"):
            every = chain.from_iterable(tables)
            tables = iter([sorted(every, key=key, reverse=True) if top is None else nlargest(top, every, key)])
    # where lines show how far it is, there is no room for a bar
    with waiting("scoring lines") if by_line and not sys.stdout.isatty() else nullcontext():
        for table in printed(tables, as_json, said):
            found += sum(bool(row.get("odd")) for row in table)
    if flagging and flagging.fail and found:
        context.exit(FAILED)


def _judge(scorer: Scorer, masks: Sequence[str], flagging: Flagging | None) -> Judge:
    """What says what lines cost, and whatever else of them is asked."""
    if isinstance(scorer, LanguageModel) and flagging:
        return partial(scorer.odd_lines, false_alarms=flagging.false_alarms)
    if isinstance(scorer, LanguageModel) and scorer.labels:
        if masks:
            raise OptionError("a model of labelled lines reads whole lines: leave out --mask")
        read: Judge = scorer.classify
    else:
        read = scorer.score_lines
    if not masks:
        return read
    hide = Masks(masks)

    def masked(lines: list[str]) -> list[LineScore]:
        scores = read([*map(hide, lines)])
        return [replace(score, text=line) for score, line in zip(scores, lines, strict=True)]

    return masked


def _file_tables(lines: bool, rows: FileRows, files: Sequence[str], decoding: Decoding) -> Iterator[list[Row]]:
    """The `rows` of each file, which is read as one text or as `lines`. Of several files, each is named."""
    for file in files:
        with noted_reader(decoding) as reader:
            text: str | list[str]
            if lines:  # without the empty ones, which are not documents in training
                text = [line for lines in filled_lines(reader.read([file])) for line in lines]
            else:
                text = "".join(reader.read([file]))
            check_filled(file, text)
            named = {"file": file} if len(files) > 1 else {}
            with waiting(f"scoring {file}") as on_progress:
                found = rows(text, on_progress)
            yield [{**named, **row} for row in found]


def _line_tables(
    judge: Judge, free: Judge | None, files: Sequence[str], decoding: Decoding, as_json: bool
) -> Iterator[list[Row]]:
    """What each line costs, as lines come, with its number in its file, and the file where there are several."""
    colours = not as_json and has_colours()
    several = len(files) > 1 or os.path.isdir(files[0])
    for file, before, lines in lines_of(files, decoding):
        rows = [_line_row(score, as_json, colours) for score in judge(lines)]
        for number, row in enumerate(rows, before + 1):
            row["line"] = number
        if free is not None:
            for row, score in zip(rows, free(lines), strict=True):
                row[FREE] = score.bits_per_character
        yield [{"file": file, **row} for row in rows] if several else rows


def _file_rows(
    scorer: Scorer,
    free: LanguageModel | None,
    apart: bool,
    text: str | list[str],
    on_progress: Callable[[float], object],
) -> list[Row]:
    """What `text` costs, a row, and what it costs `free`, if there is one; `apart` also by LSTM, n-gram and both, where
    the model has an n-gram."""

    def cost(scorer: Scorer) -> Score:
        if isinstance(text, str):
            return scorer.score(text, on_progress=on_progress)
        return total(scorer.score_lines(text, on_progress=on_progress))

    found = cost(scorer)
    row = _figures(found, FIGURES) | (dict(found.apart) if apart else {})
    return [row if free is None else row | {FREE: cost(free).bits_per_character}]


def _line_row(score: LineScore, as_json: bool, colours: bool) -> Row:
    row = _figures(score, LINE_FIGURES)
    if isinstance(score, LabelScore):
        row |= _figures(score, LABEL_FIGURES)
    if isinstance(score, OddLine):
        row |= _figures(score, ODD_FIGURES)
        if as_json:
            row["odd_pieces"] = score.odd_pieces
        elif colours:
            row["text"] = marked(score)
    return row


def _judged(tables: Iterator[list[Row]]) -> Iterator[list[Row]]:
    """`tables` as they are; once they are through, say how often the likeliest label was the one that is given.

    Only where every line that is not empty gives one.
    """
    lines = right = 0
    all_given = True
    for table in tables:
        yield table
        for row in table:
            given = row["given_label"]
            all_given &= given is not None or not row["text"]
            lines += given is not None
            right += given is not None and given == row["label"]
    if all_given and lines:
        print(f"the label is right for {right / lines:.1%} of {counted(lines, 'line')}", file=sys.stderr)


def _figures(score: Score, names: tuple[str, ...]) -> Row:
    return {name: getattr(score, name) for name in names}
