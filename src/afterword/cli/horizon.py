"""`afterword horizon MODEL FILE`: how far back a model remembers."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import click

from afterword.cli.options import PATH, PNG, SVG, overwrite_option, settings_options
from afterword.cli.strict_json import strict_json
from afterword.inspection.horizon import SideBySide
from afterword.inspection.picture import check_plot, horizon_figure, write_figure
from afterword.inspection.replacing import HorizonSettings
from afterword.language_model import load
from afterword.progress import waiting
from afterword.text.reading import read_text

MOST_CHARACTERS = 1_000_000  # of the text: the places are spread over these


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.argument("file", type=PATH, metavar="FILE")
@click.option("--against", multiple=True, type=PATH, metavar="MODEL", help="measure this model too, side by side")
@settings_options(HorizonSettings, "settings")
@click.option("--png", type=PNG, help="draw the curves")
@click.option("--svg", type=SVG, help="draw the curves as SVG")
@overwrite_option
@click.option("--json", "as_json", is_flag=True, help="one JSON object per model")
def horizon(
    model: str,
    file: str,
    against: tuple[str, ...],
    settings: HorizonSettings,
    png: Path | None,
    svg: Path | None,
    as_json: bool,
) -> None:
    """Measure how much a character k steps back still changes what a model expects next.

    MODEL is a model's folder, or the folder of its run; FILE a text, also .gz, or - for standard input, of which up to
    the first million characters are taken. A character is replaced by another one of the text, and the prediction k
    steps later is compared with the true one, in bits (Kullback-Leibler); ± is the standard error over the places. A
    plain recurrent network to compare with is made by train --cell rnn.
    """
    check_plot(png, svg)
    text, notes = read_text([file], most=MOST_CHARACTERS)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    found = []
    for path in (model, *against):
        name = Path(path).name or path
        with waiting(f"measuring {name}") as on_progress:
            one = load(path).horizon(text, **dataclasses.asdict(settings), on_progress=on_progress)
        found.append(dataclasses.replace(one, name=name))
    if as_json:
        for one in found:
            print(strict_json(one.to_dict()))
    else:
        print(SideBySide(found))
    if png is not None or svg is not None:
        write_figure(horizon_figure(found), png, svg)
        for place in filter(None, (png, svg)):
            print(f"wrote {place}", file=sys.stderr)
