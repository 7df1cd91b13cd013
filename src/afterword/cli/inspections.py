"""The commands that look inside a model: `afterword inspect`, `afterword units` and `afterword horizon`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import click

from afterword.bars import waiting
from afterword.cli.input import noted_text
from afterword.cli.main import COMMANDS
from afterword.cli.options import (
    HTML,
    NPZ,
    PATH,
    PNG,
    SVG,
    Function,
    check_kind,
    hold_option,
    overwrite_option,
    settings_options,
)
from afterword.cli.output import note, say, strict_json
from afterword.errors import OptionError, TextError
from afterword.inspection import questions
from afterword.inspection.figures import check_plot, gates_figure, horizon_figure, write_figure
from afterword.inspection.finding import Finding
from afterword.inspection.gates import MOST_TRACED, beginning
from afterword.inspection.gates_page import about, page
from afterword.inspection.horizon import HorizonSettings, SideBySide
from afterword.inspection.trace import Trace, named_units
from afterword.inspection.units import MOST_UNITS, TOP
from afterword.language_model import LanguageModel, load
from afterword.records import fact
from afterword.series.table import Columns
from afterword.series.table_corpus import SeriesFacts
from afterword.storage import output

if TYPE_CHECKING:
    from afterword.series.readings import SeriesLine

MOST_CHARACTERS = 1_000_000  # of a text whose horizon is measured: the places are spread over these


def finding_options(function: Function) -> Function:
    """Decorate a command with an option per inspection that needs only a text and is not a command itself."""
    for name, inspection in vars(LanguageModel).items():
        if name in COMMANDS or not getattr(inspection, "__module__", "").startswith("afterword.inspection."):
            continue
        hints = get_type_hints(inspection)
        kind = hints.pop("return")
        if hints.keys() == {"model", "text", "on_progress"} and isinstance(kind, type) and issubclass(kind, Finding):
            help = str(inspection.__doc__).splitlines()[0].rstrip(".")
            function = click.option(f"--{name}", "finding", flag_value=name, help=help[:1].lower() + help[1:])(function)
    return function


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.argument("text", required=False, metavar="[TEXT]")
@click.option("--file", type=PATH, metavar="FILE", help="read the text from this file, or - for standard input")
@click.option("--stretch", metavar="FIRST:LAST", help="read only these characters, counted from 0")
@click.option("--series", metavar="NAME", help="with a model of series: the series to read (default: the first)")
@settings_options(Columns, "columns")
@click.option("--units", multiple=True, metavar="UNIT", help="show this unit, such as l0.u42 (repeatable)")
@hold_option
@click.option("--html", "as_html", type=HTML, help="write a self-explanatory HTML page that works offline")
@click.option("--png", type=PNG, help="write a figure, for a text of at most 120 characters")
@click.option("--svg", type=SVG, help="write the same figure as SVG")
@click.option("--npz", type=NPZ, help="write all numbers as NumPy arrays")
@overwrite_option
@finding_options
@click.option("--keeps", metavar="WORD", help="measure how much of this word of the text is still held after it")
@click.option(
    "--after", metavar="TEXT", help="with --keeps, divide the rest of the text after this, such as a full stop"
)
@click.option("--instead", multiple=True, metavar="WORD", help="with --keeps, compare with this word (repeatable)")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@click.pass_context
def inspect(
    context: click.Context,
    model: str,
    text: str | None,
    file: str | None,
    stretch: str | None,
    series: str | None,
    columns: Columns,
    units: tuple[str, ...],
    hold: tuple[str, ...],
    as_html: Path | None,
    png: Path | None,
    svg: Path | None,
    npz: Path | None,
    finding: str | None,
    keeps: str | None,
    after: str | None,
    instead: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show what the gates do while a model reads TEXT. MODEL is a model's folder, a run's folder, a base, or
    hf://USER/NAME.

    Layers and units are counted from 0: l0.u42 is unit 42 of the lowest layer. For a text of up to 500 characters,
    every unit is shown. For a longer one (at most 20,000 characters), the mean of each gate per layer is shown, and the
    48 units per layer that change most, or those given by --units.

    For a model of series, made by train --series, --file names a table. One of its series is read. The values after the
    first season are shown instead of characters, and --stretch counts them.
    """
    files = [place for place in (as_html, png, svg, npz) if place is not None]
    check_plot(png, svg)
    asked: dict[str, Any] = {}
    if keeps is not None:
        if finding is not None:
            raise OptionError(f"give either --{finding} or --keeps")
        finding, asked = "keeps", {"word": keeps, "after": after, "instead": instead}
    elif after is not None or instead:
        raise OptionError("--after and --instead belong to --keeps: add --keeps WORD")
    if finding is not None and files:
        raise OptionError(f"--{finding} prints a table and writes no file: leave out the options for files")
    loaded = load(model).hold(*hold)
    check_kind(context, loaded, ("keeps", "after", "instead"))
    named = named_units(list(units), loaded.config) if units else None
    first, last = _ends(stretch)
    if (text is None) == (file is None):
        raise OptionError("give either a text to look at, or a file by --file")
    line = None
    if loaded.unit == "value":
        if file is None:
            raise OptionError("a model of series reads a table: name it with --file")
        line = _line_of(SeriesFacts.of(loaded), file, columns, series, slice(first, last))
        read = line.text
    else:
        read = (text[:last] if text is not None else noted_text(str(file), last))[first:]
    if stretch is not None and not read:
        raise TextError(f"the stretch {stretch} is empty: the {'series' if line else 'text'} ends before it")
    if line is None:
        _note_unseen(loaded, read)
    if finding is not None:
        with waiting(f"inspecting: {finding}") as on_progress:
            found: Finding = getattr(loaded, finding)(read, **asked, on_progress=on_progress)
        print(strict_json(found.to_dict()) if as_json else found)
        return
    with waiting("looking at the gates"):
        trace: Trace = loaded.gates(read)
        if line is not None:
            trace = line.named(trace, loaded.tokenizer)
        if as_html is not None:
            with output(as_html) as written:
                head = about(Path(model).name, loaded.config, hold) + (f"; series {line.title}" if line else "")
                written.write(page(trace, head, named).encode())
        if png is not None or svg is not None:
            write_figure(gates_figure(trace, named), png, svg)
        if npz is not None:
            trace.write_npz(npz)
    _report(files)
    if as_json:
        print(strict_json(trace.to_dict(named)))
    elif not files:
        from afterword.inspection.terminal import show

        show(trace, named)


def _line_of(facts: SeriesFacts, file: str, columns: Columns, name: str | None, part: slice) -> SeriesLine:
    """Return a part of the series `name` (by default the first) of the table in `file`, as a model reads it."""
    from afterword.series.readings import SeriesLine, table_for

    table = table_for(facts, file, columns)
    note(*table.notes)
    line = SeriesLine.of(table, facts, name, part)
    if name is None and len(table.series) > 1:
        note(f"this is {line.title!r}, the first of {len(table.series):,} series: choose another with --series NAME")
    return line


def _report(files: Iterable[Path]) -> None:
    for file in files:
        say(f"wrote {file}")


def _ends(stretch: str | None) -> tuple[int, int | None]:
    """Return the two numbers of FIRST:LAST, either of which may be missing."""
    first, colon, last = (stretch or ":").partition(":")
    if not colon or not all(end == "" or (end.isascii() and end.isdecimal()) for end in (first, last)):
        raise OptionError(f"stretch {(stretch or '')[:40]!r} is invalid: write it as 1000:3000")
    if last and int(last) <= int(first or 0):
        raise OptionError(f"the stretch {stretch} is empty: LAST must be greater than FIRST, as in 1000:3000")
    return int(first or 0), int(last) if last else None


def _note_unseen(model: LanguageModel, text: str) -> None:
    if unseen := model.unseen_characters(text):
        more = f" and {len(unseen) - 8} others" if len(unseen) > 8 else ""
        note(f"the model never saw {unseen[:8]!r}{more} in training")


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.argument("file", type=PATH, metavar="FILE")
@click.option("--matching", metavar="REGEX", help="ask where this regular expression, or its first group, matches")
@click.option(
    "--asking", multiple=True, metavar="|".join(questions.READY_MADE), help="ask this built-in question (default: all)"
)
@click.option("--top", type=click.IntRange(1, MOST_UNITS), default=TOP, help="how many units to print per question")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object per question")
def units(model: str, file: str, matching: str | None, asking: tuple[str, ...], top: int, as_json: bool) -> None:
    """Find the units that best predict where something occurs in a text: brackets, a name, a match of REGEX.

    MODEL is a model's folder or a run's folder. FILE is a text, also .gz, or - for standard input; at most its first
    20,000 characters are read. Units are chosen on the first half of the text. Their area under the ROC curve (AUC) is
    reported for the second half: 0.5 is chance, 1 is perfect. The best area that chance finds is reported too. Without
    --matching and --asking, all built-in questions are asked.
    """
    asked = ([] if matching is None else [questions.matching(matching)]) + [*map(questions.ready_made, asking)]
    loaded = load(model)
    loaded.check_of_text()
    text = noted_text(file, MOST_TRACED + 1)
    read = beginning(loaded, text[:MOST_TRACED])
    if len(read) < len(text):
        note(f"only the first {len(read):,} characters are read")
    with waiting("looking at the units"):
        found = loaded.units(read)
    for question in asked or map(questions.ready_made, questions.READY_MADE):
        try:
            with waiting(question.title):
                answer = found.ask(question, top)
        except OptionError as error:
            if asked:
                raise
            note(str(error))  # not every text has brackets
        else:
            print(strict_json(answer.to_dict()) if as_json else f"{answer}\n", flush=True)


def _training_differs(models: Iterable[LanguageModel]) -> str:
    """Return in words how the training of `models` differs, or nothing."""
    found: dict[str, list[str]] = {"steps": [], "text": [], "vocabulary": [], "layers × units": []}
    for model in models:
        # of a run that took as many steps as it had time for, its plan only estimates them
        timed = fact(model.about, "training", "plan", "minutes") is not None
        found["steps"].append(str(fact(model.about, "training", *([] if timed else ["plan"]), "steps") or "unknown"))
        found["text"].append(str(fact(model.about, "corpus", "fingerprint") or "unknown")[:8])
        found["vocabulary"].append(model.tokenizer.kind)
        found["layers × units"].append(f"{model.config.num_layers} × {model.config.hidden_size}")
    return "; ".join(f"{name} {' and '.join(each)}" for name, each in found.items() if len(set(each)) > 1)


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.argument("file", type=PATH, metavar="FILE")
@click.option("--against", multiple=True, type=PATH, metavar="MODEL", help="also measure this model, side by side")
@settings_options(HorizonSettings, "settings")
@click.option("--png", type=PNG, help="draw the curves")
@click.option("--svg", type=SVG, help="draw the curves, as SVG")
@overwrite_option
@click.option("--json", "as_json", is_flag=True, help="print one JSON object per model")
def horizon(
    model: str,
    file: str,
    against: tuple[str, ...],
    settings: HorizonSettings,
    png: Path | None,
    svg: Path | None,
    as_json: bool,
) -> None:
    """Measure how much the character k steps back still changes a model's prediction.

    MODEL is a model's folder or a run's folder. FILE is a text, also .gz, or - for standard input; its first million
    characters are read. One character is replaced by another one from the text, and the prediction k steps later is
    compared with the one without the change, as Kullback-Leibler divergence in bits. ± is the standard error over the
    places. To compare with a plain recurrent network, train one with --cell rnn.
    """
    check_plot(png, svg)
    models = [(path, load(path)) for path in (model, *against)]
    for _, loaded in models:
        loaded.check_of_text()
    text = noted_text(file, MOST_CHARACTERS)
    found = []
    if differs := _training_differs(loaded for _, loaded in models):
        note(f"these models were trained differently: {differs}")
    for path, loaded in models:
        name = Path(path).name or path
        with waiting(f"measuring {name}") as on_progress:
            one = loaded.horizon(text, **dataclasses.asdict(settings), on_progress=on_progress)
        found.append(dataclasses.replace(one, name=name))
    print("\n".join(strict_json(one.to_dict()) for one in found) if as_json else SideBySide(found))
    if png is not None or svg is not None:
        write_figure(horizon_figure(found), png, svg)
        _report(filter(None, (png, svg)))
