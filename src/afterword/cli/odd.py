"""`afterword odd GOOD BAD…`: train on good lines, calibrate, and list the lines of other files that do not belong."""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from afterword.cli.calibrate import (
    CHECKED,
    calibrated_and_checked,
    calibrated_with,
    check_report,
    fewest,
    mask_option,
    normal_lines,
    writable,
)
from afterword.cli.flagging import FAILED, RATE, has_colours, marked
from afterword.cli.options import PATH, settings_options
from afterword.cli.reading import check_filled, lines_of
from afterword.cli.screen import shown
from afterword.cli.strict_json import strict_json
from afterword.errors import OptionError
from afterword.language_model import LanguageModel
from afterword.model.calibration import FEWEST, check_false_alarms
from afterword.progress import waiting
from afterword.scoring.odd import OddLine
from afterword.text.decoding import Decoding
from afterword.text.masking import Masks
from afterword.text.reading import Reader
from afterword.text.sources import check_sources, is_pipe, source_name

HELD_OUT, KEPT = 0.1, 0.2  # of the good lines: what the plan validates with; and at the end, what it is calibrated with


@dataclass
class Group:
    """Equal lines, after masking."""

    file: str
    first: OddLine
    count: int = 1


@click.command()
@click.argument("good", type=PATH, metavar="GOOD")
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="BAD...")
@click.option("--minutes", type=float, default=1.0, show_default=True, metavar="M", help="how long to train")
@click.option(
    "--false-alarms",
    type=float,
    default=RATE,
    show_default=True,
    metavar="RATE",
    help="how many normal lines may be flagged",
)
@mask_option
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="only the N oddest")
@click.option(
    "--order", type=click.Choice(["oddest", "file"]), default="oddest", show_default=True, help="which come first"
)
@click.option("-o", "--out", type=PATH, metavar="DIR", help="keep the model, in this folder; else it is not kept")
@click.option("--overwrite", is_flag=True, help="replace the run that is in the folder")
@click.option("--fail", is_flag=True, help=f"exit with status {FAILED} where there are odd lines")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="of training")
@settings_options(Decoding, "decoding")
@click.option("--json", "as_json", is_flag=True, help="one JSON object for each odd line")
@click.pass_context
def odd(
    context: click.Context,
    good: str,
    files: tuple[str, ...],
    minutes: float,
    false_alarms: float,
    masks: tuple[str, ...],
    top: int | None,
    order: str,
    out: str | None,
    overwrite: bool,
    fail: bool,
    seed: int,
    decoding: Decoding,
    as_json: bool,
) -> None:
    """List the lines of BAD that do not belong among those of GOOD, as PATH:LINE: FIGURE  text.

    A model is trained on the first 70 % of the good lines, in a minute; the next 10 % tell when it is best. With the
    last 20 % it is calibrated, and its false alarms are counted. The figure is by how many standard deviations a line
    costs more than normal ones; odd characters are coloured on a terminal. Lines that are equal, but for what --mask
    hides, are shown once, with their number.

    It is train, calibrate and score --lines --flag in one; with --out the model is kept for those.
    """
    check_sources([good, *files])
    hide = Masks(masks)
    check_false_alarms(false_alarms)
    if overwrite and out is None:
        raise OptionError("--overwrite belongs to --out, the folder that keeps the model")
    files = tuple(dict.fromkeys(files))
    with waiting(f"reading {good}"):
        lines = normal_lines([good], decoding)
        for file in files:  # rather than after a minute of training
            if not is_pipe(file):
                check_filled(file, [piece[:1] for piece in Reader(decoding).read([file])])
    kept, held_out = round(KEPT * len(lines)), round(HELD_OUT * len(lines))
    needed = max(FEWEST, math.ceil(1 / false_alarms) - 1)
    if calibrated_with(kept) < needed:
        raise OptionError(
            f"false-alarms {false_alarms:g} takes {math.ceil(fewest(needed) / KEPT):,} good lines or more, and "
            f"{source_name(good)} has {len(lines):,}"
        )
    learned = [*map(hide, lines[:-kept])]
    with tempfile.TemporaryDirectory() as temporary:
        training = Path(temporary, Path(good).name if good != "-" else "lines")  # the name that the model's card has
        validation = Path(temporary, "held-out lines")
        for path, part in ((training, learned[:-held_out]), (validation, learned[-held_out:])):
            path.write_text("\n".join([*part, ""]), "utf-8")
        folder = Path(temporary, "a run") if out is None else Path(out)
        model = _trained(training, validation, folder, minutes, seed, overwrite)
        with waiting("calibrating") as on_progress:
            model, checks = calibrated_and_checked(model, lines[-kept:], masks, on_progress)
        if out is not None:
            with writable(Path(out)) as place:
                model.save(place)
    for said in check_report(checks, kept // CHECKED):
        print(said, file=sys.stderr)
    calibration = model.check_calibrated(false_alarms)
    if note := calibration.holds_roughly(false_alarms):
        print(f"note: {note}", file=sys.stderr)
    groups = _groups(_odd_lines(model, files, decoding, false_alarms), hide)
    shown_first = sorted(groups, key=lambda group: -group.first.figure)[:top]
    if order == "file":
        chosen = {id(group) for group in shown_first}
        shown_first = [group for group in groups if id(group) in chosen]
    _print(shown_first, as_json)
    if fail and groups:
        context.exit(FAILED)


def _trained(training: Path, validation: Path, out: Path, minutes: float, seed: int, overwrite: bool) -> LanguageModel:
    from afterword.training import train

    return train(
        training,
        out=out,
        overwrite=overwrite,
        validation=validation,
        lines=True,
        minutes=minutes,
        base="none",  # the shipped one is for prose, and reading with it takes several times as long
        seed=seed,
    )


def _odd_lines(
    model: LanguageModel, files: Sequence[str], decoding: Decoding, false_alarms: float
) -> Iterator[tuple[str, OddLine]]:
    """The odd lines of `files`, and of the files in folders, with the file and their number in it."""
    with waiting("scoring lines"):
        for file, before, lines in lines_of(files, decoding):
            for line in model.odd_lines(lines, false_alarms):
                if line.odd:
                    yield file, line.at(before + line.line)


def _groups(lines: Iterable[tuple[str, OddLine]], hide: Masks) -> list[Group]:
    groups: dict[tuple[str, str], Group] = {}  # in the order in which lines come
    for file, line in lines:
        same = groups.setdefault((file, hide(line.text)), Group(file, line, 0))
        same.count += 1
    return list(groups.values())


def _print(groups: Sequence[Group], as_json: bool) -> None:
    colours = not as_json and has_colours()
    for group in groups:
        line = group.first
        if as_json:
            figures = {name: getattr(line, name) for name in ("line", "text", "figure", "p_value", "odd_pieces")}
            print(strict_json({"file": group.file, **figures, "count": group.count}))
        else:
            text = marked(line) if colours else shown(line.text)
            times = f"  ({group.count:,} times)" if group.count > 1 else ""
            print(f"{shown(group.file)}:{line.line}: {line.figure:.1f}  {text}{times}")
