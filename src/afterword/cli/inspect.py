"""`afterword inspect MODEL TEXT`: what the gates of a model do while it reads a text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_type_hints

import click

from afterword.cli.main import COMMANDS
from afterword.cli.options import HTML, NPZ, PATH, PNG, SVG, Function, hold_option, overwrite_option
from afterword.cli.strict_json import strict_json
from afterword.errors import OptionError, TextError
from afterword.inspection.finding import Finding
from afterword.inspection.page import page
from afterword.inspection.picture import check_plot, gates_figure, write_figure
from afterword.inspection.trace import named_units
from afterword.language_model import LanguageModel, load
from afterword.progress import waiting
from afterword.storage import output
from afterword.text.reading import read_text


def finding_options(function: Function) -> Function:
    """Decorate a command with an option for each inspection that needs a text alone and has no command of its own."""
    for name, inspection in vars(LanguageModel).items():
        if name in COMMANDS or not getattr(inspection, "__module__", "").startswith("afterword.inspection."):
            continue
        returned = get_type_hints(inspection)["return"]
        if isinstance(returned, type) and issubclass(returned, Finding):
            help = str(inspection.__doc__).splitlines()[0].rstrip(".")
            option = click.option(f"--{name}", "finding", flag_value=name, help=help[:1].lower() + help[1:])
            function = option(function)
    return function


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.argument("text", required=False, metavar="[TEXT]")
@click.option("--file", type=PATH, metavar="FILE", help="read the text from this file, or - for standard input")
@click.option("--stretch", metavar="FIRST:LAST", help="look at these characters of the text only, counted from 0")
@click.option("--units", multiple=True, metavar="UNIT", help="show this unit, as l0.u42; may be given several times")
@hold_option
@click.option("--html", "as_html", type=HTML, help="write a page that explains itself and needs no network")
@click.option("--png", type=PNG, help="write a figure, of at most 120 characters")
@click.option("--svg", type=SVG, help="write the same figure as SVG")
@click.option("--npz", type=NPZ, help="write every number, for NumPy")
@overwrite_option
@finding_options
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
def inspect(
    model: str,
    text: str | None,
    file: str | None,
    stretch: str | None,
    units: tuple[str, ...],
    hold: tuple[str, ...],
    as_html: Path | None,
    png: Path | None,
    svg: Path | None,
    npz: Path | None,
    finding: str | None,
    as_json: bool,
) -> None:
    """Show what the gates do while a model reads TEXT: MODEL is its folder, the folder of its run, or english.

    Layers and units are counted from 0: l0.u42 is unit 42 of the lowest layer. Up to 500 characters every unit is
    shown; of a longer text, up to 20,000, the means of each gate and layer and the 48 units per layer that move most,
    or those named by --units.
    """
    files = [place for place in (as_html, png, svg, npz) if place is not None]
    check_plot(png, svg)
    if finding is not None and files:
        raise OptionError(f"--{finding} prints a table of its own and writes no file: leave the others out")
    loaded = load(model).hold(*hold)
    named = named_units(list(units), loaded.config) if units else None
    first, last = _ends(stretch)
    read = _text(text, file, last)[first:]
    if stretch is not None and not read:
        raise TextError(f"the stretch {stretch} holds nothing: the text ends before it")
    _tell_unseen(loaded, read)
    if finding is not None:
        with waiting(f"inspecting: {finding}") as on_progress:
            found: Finding = getattr(loaded, finding)(read, on_progress=on_progress)
        print(strict_json(found.to_dict()) if as_json else found)
        return
    with waiting("looking at the gates"):
        trace = loaded.gates(read)
        if as_html is not None:
            with output(as_html) as written:
                written.write(page(trace, about(model, loaded, hold), named).encode())
        if png is not None or svg is not None:
            write_figure(gates_figure(trace, named), png, svg)
        if npz is not None:
            trace.write_npz(npz)
    for place in files:
        print(f"wrote {place}", file=sys.stderr)
    if as_json:
        print(strict_json(trace.to_dict(named)))
    elif not files:
        from afterword.inspection.terminal import show

        show(trace, named)


def _text(text: str | None, file: str | None, last: int | None) -> str:
    """The characters of the text up to `last`, which is left out, as in Python; all of it where that is None."""
    if (text is None) == (file is None):
        raise OptionError("give the text to look at, or a file by --file; one of the two")
    if text is not None:
        return text[:last]
    assert file is not None
    found, notes = read_text([file], most=last)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return found


def _ends(stretch: str | None) -> tuple[int, int | None]:
    """The two numbers of FIRST:LAST, either of which may be missing."""
    first, colon, last = (stretch or ":").partition(":")
    if not colon or not all(end == "" or (end.isascii() and end.isdecimal()) for end in (first, last)):
        raise OptionError(f"stretch {(stretch or '')[:40]!r} is not understood: write it as 1000:3000")
    if last and int(last) <= int(first or 0):
        raise OptionError(
            f"the stretch {stretch} holds nothing: LAST, which is left out, must be greater than FIRST, as in 1000:3000"
        )
    return int(first or 0), int(last) if last else None


def _tell_unseen(model: LanguageModel, text: str) -> None:
    unseen = model.unseen_characters(text)
    if unseen:
        more = f" and {len(unseen) - 8} others" if len(unseen) > 8 else ""
        print(
            f"note: the model never saw {unseen[:8]!r}{more} in training; it has learned nothing of them",
            file=sys.stderr,
        )


def about(path: str, model: LanguageModel, hold: tuple[str, ...], using: str = "both") -> str:
    """Which model it is, in a line."""
    held = f"; held: {', '.join(hold)}" if hold else ""
    alone = f"; with {using} alone" if using != "both" else ""
    return f"{Path(path).name}: {model.config.network}, {model.parameters:,} parameters{held}{alone}"
