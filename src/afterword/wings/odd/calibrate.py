"""Calibrate a model on normal lines, so that it can find odd ones."""

from __future__ import annotations

import contextlib
import math
import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY
from pathlib import Path
from typing import Annotated

from afterword.bases.installed import folder_named, installed
from afterword.commands import elsewhere
from afterword.errors import ModelError, TextError
from afterword.model.folder.saved import model_folder
from afterword.operations.operation import ModelName, Record, Request, Sources, argument, operation, path_names
from afterword.operations.options import Masking, Predicting
from afterword.operations.work import Work
from afterword.runs.folder import RunFolder
from afterword.settings import settings_class
from afterword.storage import locked_folder
from afterword.text.decoding import Decoding, Encoding
from afterword.text.documents import source_name
from afterword.text.lines import Masks, filled_lines
from afterword.wings.odd.calibration import FEWEST
from afterword.wings.odd.clocks import clocks
from afterword.wings.odd.detectors import Told, judge
from afterword.wings.odd.good_lines import GoodLines
from afterword.wings.odd.normal import (
    calibrated,
    calibration_of,
    check_calibrated,
    good_lines_of,
    odd_lines,
    with_good_lines,
)
from afterword.wording import count_of

RATES = (0.01, 0.001)  # of false alarms that are checked
LEAST_AGAIN = 99  # lines, which the first rate needs: fewer do not replace a calibration that has them
CHECKED = 5  # one of five lines, from the end, is kept for the check
MOST = 100_000  # lines that are used, the last ones
BY_CHANCE = 3  # standard errors


@settings_class()
class Calibrate(Predicting, Masking, Encoding, Request):
    """Calibrate MODEL on normal lines, so that odd can find the lines that do not belong.

    NORMAL_FILE contains normal lines on which the model was not trained. The last fifth of them is used to check how
    many would be flagged; the others calibrate the model. What an earlier calibration took for usual stays usual. To
    keep a false-alarm rate within a factor of 1.5 takes about 16 ÷ rate lines: 1,600 for 0.01. If there are more than
    100,000 lines, the last 100,000 are used.

    The calibration is saved in the model's folder. It is removed when the model is trained further. What always changes
    in the lines is masked, as in odd, and `mask` hides more. The masks of an earlier calibration are kept.
    """

    example = "calibrate log-model normal.log --mask '[0-9]+'"
    first = ("using", "mask", "encoding")

    model: Annotated[ModelName, argument("the model to calibrate")]
    files: Annotated[Sources, argument("normal lines", metavar="NORMAL_FILE", least=1)]
    _: KW_ONLY


class Calibrated(Record, kw_only=True):
    """The number of normal lines in a calibration, and how many others it flags."""

    lines: int
    masks: list[str]
    checked: int
    flagged: dict[str, int]
    """By the rate of false alarms."""

    def __str__(self) -> str:
        hidden = "".join(f", --mask {mask}" for mask in self.masks)
        return "\n".join([f"calibrated with {count_of(self.lines, 'normal line')}{hidden}", *self._report()])

    def _report(self) -> Iterator[str]:
        """Yield the result of the check, a line per rate, and the rate to expect if the flags are no chance."""
        lines = count_of(self.checked, "other normal line")
        for name, count in self.flagged.items():
            rate, found = float(name), count / max(self.checked, 1)
            yield f"at a rate of {rate:g} it flags {count:,} of {lines} ({found:.2%})"
            expected = rate * self.checked
            if count > max(1.5 * expected, expected + BY_CHANCE * math.sqrt(expected)):
                drift = f"the lines drift: expect a rate of up to about {found:.2g}, not {rate:g}"
                yield f"note: {drift}; use newer lines, or mask what changes"


@operation(Calibrate)
def calibrate(request: Calibrate, work: Work) -> Calibrated:
    files = path_names(request.files)
    work.check(files)
    Masks(request.mask)
    with writable(request.model) as folder:
        loaded = work.model(request.model, request.using)
        lines = normal_lines(files, request.decoding, work)
        number = len(lines) - len(lines) // CHECKED
        if number < FEWEST:
            fewest = CHECKED * (FEWEST - 1) // (CHECKED - 1) + 1  # of which the others are for the check
            raise TextError(f"calibration needs at least {fewest} lines; {source_name(files[0])} has {len(lines)}")
        old, known = calibration_of(loaded), good_lines_of(loaded)
        if old is not None and number < LEAST_AGAIN <= len(old.figures):
            has = f"the model is calibrated with {len(old.figures):,} normal lines, enough for a rate of {RATES[0]:g}"
            raise TextError(f"{has}; 4/5 of yours are {number:,}: give at least {LEAST_AGAIN + LEAST_AGAIN // 4} lines")
        if old is not None and "using" not in request.passed:
            loaded = loaded.using(old.using)
        masks = request.mask or (old.masks if old else ())
        if not known.places:  # else the good lines have decided what is masked
            masks = (*masks, *dict(clocks([*map(Masks(masks), lines)])))
        texts = [*map(Masks(masks), lines)]
        with work.progress("calibrating") as on_progress:
            before = (known.masked, known.header) if known.places else ()
            first, good = (GoodLines.of(some, *before).knowing(known) for some in (texts[:number], texts))
            new = calibrated(loaded, map(good.hide, texts[:number]), masks=masks, on_progress=on_progress)
            checked = [*zip(texts[number:], odd_lines(with_good_lines(new, first), lines[number:], 0.5), strict=True)]
            with_good_lines(new, good).save(folder)
    calibration = check_calibrated(new)
    flagged = dict[str, int]()
    for rate in (rate for rate in RATES if rate * (number + 1) >= 1):
        told = Told()
        flagged[f"{rate:g}"] = sum(judge(first, *line, rate, told)[0].p_value <= rate for line in checked)
    return Calibrated(lines=number, masks=list(calibration.masks), checked=len(checked), flagged=flagged)


def normal_lines(files: Sequence[str], decoding: Decoding, work: Work) -> list[str]:
    """Return the last lines of `files` that are not empty. Raises TextError if all are empty."""
    read = 0
    lines: deque[str] = deque(maxlen=MOST)
    with work.reader(decoding) as reader:
        for block in filled_lines(reader.read(files), cut=True):
            lines.extend(block)
            read += len(block)
    if not lines:
        raise TextError(f"{source_name(files[0])} has no lines: there is nothing to calibrate with")
    if read > MOST:
        work.note(f"only the last {MOST:,} of {read:,} lines are used")
    return list(lines)


@contextlib.contextmanager
def writable(model: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield the folder of `model`, locked against training, and against all others that change it, which wait.

    Raises RunError if a training runs, ModelError if the model cannot be changed, StorageError."""
    if elsewhere(model):
        raise ModelError(f"{model} is elsewhere and cannot be changed: save a copy of it first")
    if folder_named(model) in installed().folders.values():
        raise ModelError(f"{model} is an installed base and cannot be changed: train a model of your own")
    folder = model_folder(Path(model))
    if folder.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise ModelError("the folder of the model will be replaced: run this command from outside of it")
    run = RunFolder(folder.resolve().parent)
    with locked_folder(folder.resolve()):
        if folder.resolve().name == run.model.name and run.is_run:
            run.lock()
        try:
            yield folder
        finally:
            run.unlock()
