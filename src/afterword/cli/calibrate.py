"""`afterword calibrate MODEL NORMAL_FILE…`: tell a model what normal lines cost, so that it can flag odd ones."""

from __future__ import annotations

import contextlib
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import click
import numpy as np

from afterword.bases.shipped import FOLDERS, named
from afterword.cli.options import PATH, settings_options, with_option
from afterword.cli.reading import noted_reader
from afterword.cli.strict_json import strict_json
from afterword.errors import ModelError, TextError
from afterword.language_model import LanguageModel, load
from afterword.model.calibration import FEWEST
from afterword.model.saved import model_folder
from afterword.progress import waiting
from afterword.runs.folder import RunFolder
from afterword.text.decoding import Decoding
from afterword.text.lines import filled_lines
from afterword.text.masking import Masks
from afterword.text.notes import counted
from afterword.text.sources import check_sources

RATES = (0.01, 0.001)  # of false alarms, that are checked
CHECKED = 5  # one line in so many, from the end, is kept to check with
MOST = 100_000  # lines, the last ones, that are read

mask_option = click.option(
    "--mask",
    "masks",
    multiple=True,
    metavar="REGEX",
    help="hide what always changes, such as [0-9]+; again and again",
)


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="NORMAL_FILE...")
@mask_option
@with_option
@settings_options(Decoding, "decoding")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def calibrate(
    model: str, files: tuple[str, ...], masks: tuple[str, ...], using: str, decoding: Decoding, as_json: bool
) -> None:
    """Tell MODEL what normal lines cost it, so that score --lines --flag can tell which lines do not belong.

    NORMAL_FILE holds lines like those that are to pass, which the model was not trained on: the last fifth of them is
    kept to check how many would be flagged, the others are calibrated with. To hold a rate of false alarms within a
    factor of 1.5 takes some 16 ÷ rate lines: 1,600 for 0.01. Of more than 100,000 lines the last ones are read.

    What it finds is kept in the model's folder, and goes when that is trained on.
    """
    check_sources(files)
    Masks(masks)
    with writable(Path(model)) as folder:
        loaded = load(model, using)
        lines = normal_lines(files, decoding)
        if calibrated_with(len(lines)) < FEWEST:
            raise TextError(f"{files[0]} has {len(lines)} lines, and calibrating takes {fewest(FEWEST)} or more")
        with waiting("calibrating") as on_progress:
            calibrated, checks = calibrated_and_checked(loaded, lines, masks, on_progress)
        calibrated.save(folder)
    assert calibrated.calibration is not None
    number, checked = len(calibrated.calibration.figures), len(lines) // CHECKED
    if as_json:
        print(strict_json({"lines": number, "checked": checked, "flagged": {f"{r:g}": n for r, n in checks.items()}}))
    else:
        print(f"calibrated with {counted(number, 'normal line')}")
        for said in check_report(checks, checked):
            print(said)
    if note := calibrated.calibration.holds_roughly(RATES[0]):
        print(f"note: {note}", file=sys.stderr)


def calibrated_and_checked(
    model: LanguageModel, lines: Sequence[str], masks: Sequence[str], on_progress: Callable[[float], object]
) -> tuple[LanguageModel, dict[float, int]]:
    """`model` calibrated with all but the last of `lines`; and how many of those it flags at each rate that it can."""
    number = calibrated_with(len(lines))
    calibrated = model.calibrated(lines[:number], masks=masks, on_progress=on_progress)
    assert calibrated.calibration is not None
    p_values = np.array([line.p_value for line in calibrated.odd_lines(lines[number:], 0.5)])
    smallest = 1 / (len(calibrated.calibration.figures) + 1)
    return calibrated, {rate: int((p_values <= rate).sum()) for rate in RATES if rate >= smallest}


def calibrated_with(lines: int) -> int:
    """How many of so many normal lines are calibrated with; the others are for checking."""
    return lines - lines // CHECKED


def fewest(number: int) -> int:
    """How many normal lines it takes to calibrate with so many."""
    lines = number
    while calibrated_with(lines) < number:
        lines += 1
    return lines


def check_report(checks: Mapping[float, int], lines: int) -> Iterator[str]:
    """What a check found, a line for each rate."""
    for rate, flagged in checks.items():
        yield (
            f"at a rate of {rate:g} it flags {flagged:,} of {counted(lines, 'more normal line')} "
            f"({flagged / max(lines, 1):.2%})"
        )


def normal_lines(files: Sequence[str], decoding: Decoding) -> list[str]:
    """The last lines of `files` that are not empty. Raises TextError where there are none."""
    read = 0
    lines: deque[str] = deque(maxlen=MOST)
    with noted_reader(decoding) as reader:
        for block in filled_lines(reader.read(files)):
            lines.extend(block)
            read += len(block)
    if not lines:
        raise TextError(f"{files[0]} has no lines: there is nothing to learn what is normal from")
    if read > MOST:
        print(f"note: of {read:,} lines the last {MOST:,} are used", file=sys.stderr)
    return list(lines)


@contextlib.contextmanager
def writable(model: Path) -> Iterator[Path]:
    """The folder of `model`, which no training changes meanwhile. Raises RunError where one does, ModelError where the
    model is not to be changed."""
    if named(model) in FOLDERS.values():
        raise ModelError(f"{model} ships with Afterword and stays as it is: train a model of your own")
    folder = model_folder(model)
    if folder.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise ModelError("the folder of a model is replaced as a whole: run this from outside of it")
    run = RunFolder(folder.resolve().parent)
    if folder.resolve().name != run.model.name or not run.is_run:
        yield folder
        return
    run.lock()
    try:
        yield folder
    finally:
        run.unlock()
