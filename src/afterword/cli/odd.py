"""`afterword odd GOOD BAD…`: train on good lines, calibrate, and list the lines of other files that do not belong."""

from __future__ import annotations

import math
import re
import tempfile
from collections import Counter
from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from afterword.bars import waiting
from afterword.cli.calibrate import (
    CHECKED,
    calibrated_and_checked,
    calibrated_with,
    check_report,
    normal_lines,
    writable,
)
from afterword.cli.input import check_filled, lines_of
from afterword.cli.options import PATH, Combination, check_together, mask_option, settings_options
from afterword.cli.output import has_colours, note, say, shown, strict_json
from afterword.cli.score_lines import FAILED, marked
from afterword.cli.scorers import RATE
from afterword.errors import OptionError
from afterword.language_model import LanguageModel
from afterword.model.folder.calibration import FOR_ONE_AND_A_HALF, Calibration, Normal, check_false_alarms
from afterword.scoring.odd_lines import OddLine
from afterword.text.decoding import Decoding, Reader
from afterword.text.documents import check_sources, source_name
from afterword.text.lines import Masks
from afterword.text.vocabularies import USAGE, chosen

EACH = 10  # every tenth line is held out, to find when a model is best
KEPT = 0.2  # of the good lines calibrate the model if that is enough of them
BLOCKS = 5  # otherwise, each fifth is scored by a model that is trained without it
LEAST = 50  # good lines
ALIKE = ("steps", "num_layers", "hidden_size", "embedding_size", "batch_size", "seq_length", "dropout", "learning_rate")
NEXT = 10  # lines that are printed below the odd ones
KEPT_ALIKE = 1000  # of equal lines that are not odd: a log has millions
LOOKED_INTO = 10_000  # lines of new forms, searched for the word that makes them new
DRIFTED = 0.1  # of the new lines have forms that no good line has: too many to promise a rate


@dataclass
class Group:
    """Lines that are equal after masking."""

    file: str
    first: OddLine
    count: int = 0
    lines: list[tuple[int, str]] = field(default_factory=list)
    """The numbers and texts of its lines: all if they are odd, otherwise the first `KEPT_ALIKE`."""

    def rank(self) -> float:
        return -self.first.figure


@click.command()
@click.argument("good", type=PATH, metavar="GOOD")
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="BAD...")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=2, metavar="M", help="minutes of training")
@click.option("--false-alarms", default=RATE, metavar="RATE", help="the fraction of normal lines that may be flagged")
@mask_option
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="print only the N oddest")
@click.option("--order", type=click.Choice(["oddest", "file"]), default="oddest", help="order of the lines")
@click.option("-o", "--out", type=PATH, metavar="DIR", help="keep the model in this folder (default: discard it)")
@click.option("--overwrite", is_flag=True, help="replace the run in the folder")
@click.option("--fail", is_flag=True, help=f"exit with status {FAILED} if there are odd lines")
@click.option("--vocabulary", default="char", metavar="|".join(USAGE), help="the kind of token of the models")
@click.option("--seed", type=int, default=0, metavar="N", help="seed of the training")
@settings_options(Decoding, "decoding")
@click.option("--json", "as_json", is_flag=True, help="print a JSON object per odd line")
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
    vocabulary: str,
    seed: int,
    decoding: Decoding,
    as_json: bool,
) -> None:
    """Print the lines of BAD that do not belong among those of GOOD, as PATH:LINE: FIGURE  text.

    A model is trained on the good lines, and calibrated on good lines that it has not seen. If there are enough good
    lines, these are the last fifth. Otherwise five more models are trained, each without one fifth of the lines, which
    it then costs. FIGURE is the cost of a line above that of normal lines, in standard deviations. Below a rule come
    the next-oddest lines, each with the false-alarm rate that would list it. A terminal colours the odd characters.
    Lines that differ only in what --mask hides are printed once, with their count.

    This command combines train, calibrate and score --lines --flag. With --out, the model is kept for later use.
    """
    kinds = dict(zip([good, *files], check_sources([good, *files]), strict=True))
    hide = Masks(masks)
    check_false_alarms(false_alarms)
    chosen(vocabulary)
    check_together(context, [Combination("--overwrite", needs="--out")])
    files = tuple(dict.fromkeys(files))
    with waiting(f"reading {good}"):
        lines = normal_lines([good], decoding)
        for file in files:  # before minutes of training, not after them
            if kinds[file] in ("file", "folder"):  # which can be read again
                check_filled(file, [piece[:1] for piece in Reader(decoding).read([file])])
    needed = max(LEAST, math.ceil(1 / false_alarms) - 1)
    if len(lines) < needed:
        raise OptionError(
            f"a false-alarm rate of {false_alarms:g} needs at least {needed:,} good lines; "
            f"{source_name(good)} has {len(lines):,}"
        )
    forms = [*map(hide, lines)]
    with tempfile.TemporaryDirectory() as temporary:
        name = Path(good).name if good != "-" else "lines"  # it is in the model's card
        trained = partial(_trained, Path(temporary), name, vocabulary=vocabulary, seed=seed)
        folder = Path(temporary, "a run") if out is None else Path(out)
        kept = round(KEPT * len(lines))
        if calibrated_with(kept) * false_alarms >= FOR_ONE_AND_A_HALF:
            model = trained(forms[:-kept], folder, overwrite=overwrite, minutes=minutes)
            with waiting("calibrating") as on_progress:
                model, checks = calibrated_and_checked(model, lines[-kept:], masks, (false_alarms,), on_progress)
            checked, unseen = kept // CHECKED, _unseen(forms[-kept:], set(forms[:-kept]))
        else:
            model = trained(forms, folder, overwrite=overwrite, minutes=minutes / (BLOCKS + 1))
            alike = {name: model.about["training"]["plan"][name] for name in ALIKE}  # and nothing is measured again
            blocks = np.array_split(np.arange(len(lines)), BLOCKS)
            parts, shares = list[Normal](), list[float]()
            for number, block in enumerate(blocks, 1):
                say(f"block {number} of {BLOCKS}: training a model without it, to score it")
                others = [*forms[: block[0]], *forms[block[-1] + 1 :]]
                judge = trained(others, Path(temporary, f"block {number}"), **alike)
                parts.append(judge.normal_costs([lines[k] for k in block], masks=masks))
                shares.append(_unseen([forms[k] for k in block], set(others)))
            own = model.normal_costs(lines[EACH - 1 :: EACH], masks=masks).costs  # of lines held out from its training
            parts = [part.as_sure_as(own) for part in parts]
            model = model.calibrated_by(Normal.joined(parts), masks)
            checks, checked = {false_alarms: _flagged(parts, false_alarms)}, len(lines)
            unseen = float(np.median(shares))  # a log that has just begun has new forms in its first block
        if out is not None:
            with writable(Path(out)) as place:
                model.save(place)
    for said in check_report(checks, checked):
        say(said)
    calibration = model.check_calibrated(false_alarms)
    if doubt := calibration.holds_roughly(false_alarms):
        note(doubt)
    found = _Found(hide, set(forms), NEXT if top is None else top)
    with waiting("scoring lines", "lines") as on_progress:
        for file, before, some in lines_of(files, decoding):
            for line in model.odd_lines(some, false_alarms):
                found.add(file, line.at(before + line.line))
            on_progress(None, found.lines)
    if found.new > max(DRIFTED, 2 * unseen) * found.lines:
        note(
            f"{found.new / found.lines:.0%} of the new lines have a form that no good line has{found.why()}: the order "
            "is right, but no false-alarm rate can be promised; add newer good lines, or mask what changes"
        )
    listed = sorted(found.odd.values(), key=Group.rank)[:top]
    following = found.next(NEXT if top is None else top - len(listed))
    if order == "file":
        printed = {id(group) for group in listed}
        listed = [group for group in found.odd.values() if id(group) in printed]
    _print(listed, following, false_alarms, as_json)
    if fail and found.odd:
        context.exit(FAILED)


def _trained(place: Path, name: str, lines: Sequence[str], out: Path, **settings: Any) -> LanguageModel:
    """Train on `lines`, written to `place`; every tenth of them is held out to find when the model is best."""
    from afterword.training import train

    training, validation = place / name, place / "held-out lines"
    training.write_text("\n".join([*(line for k, line in enumerate(lines) if k % EACH != EACH - 1), ""]), "utf-8")
    validation.write_text("\n".join([*lines[EACH - 1 :: EACH], ""]), "utf-8")
    # the shipped base is for prose, and reading with it takes several times as long
    return train(training, out=out, validation=validation, lines=True, base="none", **settings)


def _flagged(parts: Sequence[Normal], rate: float) -> int:
    """Return how many normal lines `rate` flags if the lines of each part are judged by the others."""
    flagged = 0
    for part in parts:
        calibration = Calibration.of(Normal.joined([other for other in parts if other is not part]), (), "both")
        flagged += int((calibration.p_values(calibration.figure(part.costs)) <= rate).sum())
    return flagged


def _unseen(forms: Sequence[str], seen: Container[str]) -> float:
    """Return the share of `forms` that are not among those `seen`."""
    return sum(form not in seen for form in forms) / max(1, len(forms))


class _Found:
    """The lines of all files: those that are odd, and the oddest of the others."""

    def __init__(self, hide: Masks, good: Collection[str], most: int) -> None:
        self._hide, self._good, self._most = hide, good, most
        self._known, self._words = {word for form in good for word in re.findall(r"\w+", form)}, Counter[str]()
        self.odd: dict[tuple[str, str], Group] = {}  # in the order of the lines
        self._others: dict[tuple[str, str], Group] = {}
        self.lines = self.new = 0

    def add(self, file: str, line: OddLine) -> None:
        if not line.text:
            return
        form = self._hide(line.text)
        self.lines += 1
        if (new := form not in self._good) and self.new < LOOKED_INTO:
            self._words.update({*re.findall(r"\w+", form)} - self._known)
        self.new += new
        groups = self.odd if line.odd else self._others
        same = groups.setdefault((file, form), Group(file, line))
        same.count += 1
        if line.odd or same.count <= KEPT_ALIKE:
            same.lines.append((line.line, line.text))
        if len(self._others) > 100 * self._most:
            self._others = dict(sorted(self._others.items(), key=lambda item: item[1].rank())[: self._most])

    def why(self) -> str:
        """Return the word that most of the new forms have and no good line has, for a note; if none, an empty text."""
        words = self._words.most_common(1)
        often = min(self.new, LOOKED_INTO) / 2
        return "".join(f" (most of them contain {word!r}, which is new)" for word, count in words if count > often)

    def next(self, most: int) -> list[Group]:
        """Return the oddest of the other lines, at most `most`."""
        return sorted(self._others.values(), key=Group.rank)[:most]


def _print(listed: Sequence[Group], following: Sequence[Group], rate: float, as_json: bool) -> None:
    colours = not as_json and has_colours()
    names = ("line", "text", "figure", "p_value", "odd", "odd_pieces")
    for number, group in enumerate([*listed, *following]):
        line = group.first
        if as_json:
            figures = {name: getattr(line, name) for name in names}
            lines = [{"file": group.file, "line": number, "text": text} for number, text in group.lines]
            print(strict_json({"file": group.file, **figures, "count": group.count, "lines": lines}))
            continue
        if number == len(listed):
            print(f"-- next, not listed at a rate of {rate:g}, each with the rate that would list it --")
        text = marked(line.text, line.odd_pieces) if colours and line.odd else shown(line.text)
        times = f"  ({group.count:,} times)" if group.count > 1 else ""
        would = "" if line.odd else f"  [{line.p_value:.2g}]"
        print(f"{shown(group.file)}:{line.line}: {line.figure:.1f}  {text}{times}{would}")
