"""Find the lines that do not belong among good ones, or the odd values of series."""

from __future__ import annotations

import math
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from afterword.errors import OptionError
from afterword.language_model import LanguageModel, complete_card
from afterword.model.folder.calibration import FOR_ONE_AND_A_HALF, Calibration, Normal, check_false_alarms
from afterword.operations.calibrate import (
    CHECKED,
    calibrated_and_checked,
    calibrated_with,
    check_report,
    normal_lines,
    writable,
)
from afterword.operations.operation import ModelName, Record, Request, Sources, argument, listed, operation
from afterword.operations.options import Engine, Masking, Predicting
from afterword.operations.score import Scored, engine_of, judge_of, read_values
from afterword.operations.surprises import SurprisingValue, rows_of_values
from afterword.operations.work import Work
from afterword.planning.training_plan import TrainingSettings
from afterword.runs.begin import begin
from afterword.scoring.costs import Score as Cost
from afterword.scoring.costs import total
from afterword.scoring.odd_lines import OddLine
from afterword.series.table import Columns
from afterword.settings import setting
from afterword.text.corpus import TextSettings
from afterword.text.decoding import Decoding, Reader
from afterword.text.documents import counted, source_name
from afterword.text.lines import Masks
from afterword.text.vocabularies import USAGE, vocabulary_asked_for

RATE = 0.01  # of false alarms, by default
EACH = 10  # every tenth line is held out, to find when a model is best
KEPT = 0.2  # of the good lines calibrate the model if that is enough of them
BLOCKS = 5  # otherwise, each fifth is scored by a model that is trained without it
LEAST = 50  # good lines
ALIKE = ("steps", "num_layers", "hidden_size", "embedding_size", "batch_size", "seq_length", "dropout", "learning_rate")
NEXT = 10  # lines that are shown below the odd ones
KEPT_ALIKE = 1000  # of equal lines that are not odd: a log has millions
LOOKED_INTO = 10_000  # lines of new forms, searched for the word that makes them new
DRIFTED = 0.1  # of the new lines have forms that no good line has: too many to promise a rate
OF_TRAINING = ("minutes", "seed", "vocabulary", "out", "overwrite")


@dataclass(frozen=True)
class Odd(Predicting, Engine, Masking, Decoding, Columns, Request):
    """Print the lines of FILE that do not belong among those of GOOD, as PATH:LINE: FIGURE  text.

    GOOD is a text of good lines, or a model that was calibrated on normal lines (afterword calibrate). On good lines, a
    model is trained, and calibrated on good lines that it has not seen. If there are enough good lines, these are the
    last fifth. Otherwise five more models are trained, each without one fifth of the lines, which it then costs. With
    `out`, the model is kept for later use.

    FIGURE is the cost of a line above that of normal lines of its length, in standard deviations. A line is odd if its
    p-value, the probability that a normal line has a figure at least as high, is within the rate of `false_alarms`.
    Below a rule come the next-oddest lines, each with the rate that would list it. A terminal colours the odd
    characters. Lines that differ only in what `mask` hides are printed once, with their count. With `all` or `as_read`,
    lines are printed one by one, as they are read.

    With a model of series, FILE is a table, and the odd values are printed.
    """

    good: Annotated[ModelName, argument("good lines, or a calibrated model")]
    files: Annotated[Sources, argument("the lines to judge", metavar="FILE", least=1)]
    _: KW_ONLY
    false_alarms: float = setting(RATE, "the fraction of normal lines that may be flagged", metavar="RATE", served=True)
    minutes: float = setting(2.0, "minutes of training", above=0, metavar="M")
    top: int | None = setting(None, "print only the N oddest", minimum=1, metavar="N")
    order: Literal["oddest", "file"] = setting("oddest", "the order of the lines")
    as_read: bool = setting(False, "print each odd line as soon as it is read", excludes=("top", "order"))
    all: bool = setting(False, "print every line as it is read, odd or not", excludes=("top", "order"), served=True)
    kinds: tuple[str, ...] = setting(
        (), "a model of one kind of odd line: each odd line is of the likeliest kind (repeatable)", metavar="MODEL"
    )
    out: str | None = setting(None, "keep the model in this folder (default: discard it)", metavar="DIR", short="o")
    overwrite: bool = setting(False, "replace the run in the folder", needs="out")
    vocabulary: str = setting("char", "the kind of token of the models", metavar="|".join(USAGE))
    seed: int = setting(0, "seed of the training", metavar="N")


class PlacedLine(msgspec.Struct):
    """A line and where it is."""

    file: str
    line: int
    text: str


class OddRow(Record, kw_only=True):
    """A line compared with normal ones: its cost above normal in standard deviations, and how often a normal line
    reaches that. `lines` are those that are equal after masking, `odd_pieces` the odd parts, as places in the text."""

    rows: ClassVar = "lines"
    in_json: ClassVar = ("odd_pieces", "engine", "rate", "lines")

    file: str
    line: int
    text: str
    bits: float
    bits_per_character: float
    figure: float
    p_value: float
    odd: bool
    odd_pieces: list[tuple[int, int]]
    kind: str | UnsetType | None = UNSET
    count: int | UnsetType = UNSET
    lines: list[PlacedLine] | UnsetType = UNSET
    rate: float
    engine: str | UnsetType = UNSET


class OddValue(SurprisingValue, kw_only=True):
    """The cost of a value of a series, compared with normal ones."""

    figure: float
    p_value: float
    odd: bool


@dataclass
class Group:
    """Lines that are equal after masking."""

    file: str
    first: OddLine
    costs: tuple[float, float]
    """The bits of each, and its bits per character."""
    count: int = 0
    lines: list[tuple[int, str]] = field(default_factory=list)
    """The numbers and texts of its lines: all if they are odd, otherwise the first `KEPT_ALIKE`."""

    def rank(self) -> float:
        return -self.first.figure


@operation(Odd, path="/v1/odd")
def odd(request: Odd, work: Work) -> Iterator[OddRow | OddValue | Scored]:
    check_false_alarms(request.false_alarms)
    files, [source] = listed(request.files), listed(request.good)
    if work.is_model(source):
        model = work.model(source, request.using, request.engine)
        if wrong := [name for name in request.given_names if name in OF_TRAINING]:
            raise OptionError(f"`{wrong[0]}` is for training, but {source} is a model already: leave it out")
        work.check(files)
        if model.unit == "value":
            yield from _odd_values(request, work, model)
            return
        masks, good, unseen = _checked_masks(model, request, work), set[str](), 0.0
    else:
        model, good, unseen = _learned(request, work)
        masks = request.mask
    facts = engine_of(model, work)
    kind_of = _kinds(request, work, masks)
    if request.all or request.as_read:
        yield from _each(request, work, model, kind_of, facts)
        return
    found = _Found(Masks(masks), good, NEXT if request.top is None else request.top)
    with work.progress("scoring lines", "lines") as on_progress:
        for file, before, some in work.lines([*dict.fromkeys(files)], request):
            for line in model.odd_lines(some, request.false_alarms, on_progress=work.still_wanted):
                found.add(file, line.at(before + line.line), (line.bits, line.bits_per_character))
            on_progress(None, found.lines)
    if found.new > max(DRIFTED, 2 * unseen) * found.lines:
        work.note(
            f"{found.new / found.lines:.0%} of the new lines have a form that no good line has{found.why()}: the order "
            "is right, but no false-alarm rate can be promised; add newer good lines, or mask what changes"
        )
    odd_ones = sorted(found.odd.values(), key=Group.rank)[: request.top]
    following = found.next(NEXT if request.top is None else request.top - len(odd_ones))
    if request.order == "file":
        printed = {id(group) for group in odd_ones}
        odd_ones = [group for group in found.odd.values() if id(group) in printed]
    for group in [*odd_ones, *following]:
        lines = [PlacedLine(group.file, number, text) for number, text in group.lines]
        more: dict[str, Any] = {"count": group.count, "lines": lines, "rate": request.false_alarms, **facts}
        more |= dict(zip(("bits", "bits_per_character"), group.costs, strict=True))
        yield OddRow.of(group.first, file=group.file, **kind_of(group.first, group.costs[0]), **more)


def _each(
    request: Odd,
    work: Work,
    model: LanguageModel,
    kind_of: Callable[[OddLine, float], dict[str, str | None]],
    facts: dict[str, Any],
) -> Iterator[OddRow | Scored]:
    """Yield all lines, or the odd ones, as they are read; then what all of them cost."""
    whole = list[Cost]()
    with work.progress("scoring lines", "lines", streams=True) as on_progress:
        read = 0
        for file, before, lines in work.lines(listed(request.files), request):
            scores = model.odd_lines(lines, request.false_alarms, on_progress=work.still_wanted)
            whole = [total([*whole, *scores])]
            for one in scores:
                if request.all or one.odd:
                    more: dict[str, Any] = {"line": before + one.line, "rate": request.false_alarms, **facts}
                    yield OddRow.of(one, file=file, **kind_of(one, one.bits), **more)
            read += len(lines)
            on_progress(None, read)
    yield Scored.of(whole[0], **whole[0].apart)


def _checked_masks(model: LanguageModel, request: Odd, work: Work) -> tuple[str, ...]:
    """Return the masks of the calibration; note if the rate holds only roughly.

    Raises OptionError if `model` cannot find odd lines at that rate, or for other masks.
    """
    calibration = model.check_calibrated(request.false_alarms)
    if request.mask and request.mask != calibration.masks:
        raise OptionError("the model was calibrated with other masks: leave out `mask`, or calibrate it again")
    if doubt := calibration.holds_roughly(request.false_alarms, model.unit_scored):
        work.note(doubt)
    return calibration.masks


def _kinds(request: Odd, work: Work, masks: Sequence[str]) -> Callable[[OddLine, float], dict[str, str | None]]:
    """Return the function that names the kind of an odd line: the likeliest of the models of kinds."""
    judges = {name: judge_of(work.model(name, request.using, request.engine), masks) for name in request.kinds}

    def kind_of(line: OddLine, own: float) -> dict[str, str | None]:
        if not judges:
            return {}
        if not line.odd:
            return {"kind": None}  # so that all rows have the same columns
        bits = {name: judge([line.text])[0].bits for name, judge in judges.items()}
        best = min(bits, key=bits.__getitem__)
        return {"kind": best if bits[best] < own else "unknown"}

    return kind_of


def _odd_values(request: Odd, work: Work, model: LanguageModel) -> Iterator[OddValue]:
    calibration = model.check_calibrated(request.false_alarms)
    for file in (files := listed(request.files)):
        table, readings = read_values(model, file, request, work)
        figures = calibration.figure(Normal.joined([one.costs() for one in readings]).costs)
        p_values = calibration.p_values(figures)
        flags = p_values <= request.false_alarms
        parts = np.split(flags, np.cumsum([len(one.bits) for one in readings])[:-1])
        odd = np.concatenate([one.without_echoes(part) for one, part in zip(readings, parts, strict=True)])
        rate = f"at a false-alarm rate of {request.false_alarms:g}"
        work.say(f"{counted(int(odd.sum()), 'odd value')} of {len(odd):,}, {rate}")
        if echoes := int(flags.sum() - odd.sum()):
            work.note(
                f"not counted: {counted(echoes, 'value')} flagged only because of the odd value one season before"
            )
        chosen = np.arange(len(odd)) if request.all else np.flatnonzero(odd)
        if request.order == "oddest" and not request.all:
            chosen = chosen[np.argsort(-figures[chosen], kind="stable")[: request.top]]
        several: dict[str, Any] = {"file": source_name(file)} if len(files) > 1 else {}
        for k, row in zip(chosen, rows_of_values(table, readings, chosen), strict=True):
            judged: dict[str, Any] = {"figure": float(figures[k]), "p_value": float(p_values[k]), "odd": bool(odd[k])}
            yield OddValue(**row, **judged, **several)


def _learned(request: Odd, work: Work) -> tuple[LanguageModel, set[str], float]:
    """Return a model that was trained and calibrated on the good lines, their forms, and the share of the last ones
    whose forms the others do not have."""
    [good], files = listed(request.good), listed(request.files)
    sources = [good, *files]
    kinds = dict(zip(sources, work.check(sources), strict=True))
    masks, rate, hide = request.mask, request.false_alarms, Masks(request.mask)
    vocabulary_asked_for(request.vocabulary)
    with work.progress(f"reading {good}"):
        lines = normal_lines([good], request, work)
        for file in files:  # before minutes of training, not after them
            if kinds[file] in ("file", "folder"):  # which can be read again
                work.check_filled(file, [piece[:1] for piece in Reader(request).read([file])])
    needed = max(LEAST, math.ceil(1 / rate) - 1)
    if len(lines) < needed:
        has = f"{source_name(good)} has {len(lines):,}"
        raise OptionError(f"a false-alarm rate of {rate:g} needs at least {needed:,} good lines; {has}")
    forms = [*map(hide, lines)]
    with tempfile.TemporaryDirectory() as temporary:
        name = Path(good).name if good != "-" else "lines"  # it is in the model's card
        trained = partial(_trained, work, Path(temporary), name, vocabulary=request.vocabulary, seed=request.seed)
        folder = Path(temporary, "a run") if request.out is None else Path(request.out)
        kept = round(KEPT * len(lines))
        if calibrated_with(kept) * rate >= FOR_ONE_AND_A_HALF:
            model = trained(forms[:-kept], folder, overwrite=request.overwrite, minutes=request.minutes)
            with work.progress("calibrating") as on_progress:
                model, checks = calibrated_and_checked(model, lines[-kept:], masks, (rate,), on_progress)
            checked, unseen = kept // CHECKED, _unseen(forms[-kept:], set(forms[:-kept]))
        else:
            minutes = request.minutes / (BLOCKS + 1)
            model = trained(forms, folder, overwrite=request.overwrite, minutes=minutes)
            alike = {name: model.about["training"]["plan"][name] for name in ALIKE}  # and nothing is measured again
            blocks = np.array_split(np.arange(len(lines)), BLOCKS)
            parts, shares = list[Normal](), list[float]()
            for number, block in enumerate(blocks, 1):
                work.say(f"block {number} of {BLOCKS}: training a model without it, to score it")
                others = [*forms[: block[0]], *forms[block[-1] + 1 :]]
                judge = trained(others, Path(temporary, f"block {number}"), **alike)
                parts.append(judge.normal_costs([lines[k] for k in block], masks=masks))
                shares.append(_unseen([forms[k] for k in block], set(others)))
            own = model.normal_costs(lines[EACH - 1 :: EACH], masks=masks).costs  # of lines held out from its training
            parts = [part.as_sure_as(own) for part in parts]
            model = model.calibrated_by(Normal.joined(parts), masks)
            checks, checked = {rate: _flagged(parts, rate)}, len(lines)
            unseen = float(np.median(shares))  # a log that has just begun has new forms in its first block
        if request.out is not None:
            with writable(request.out) as place:
                model.save(place)
    work.say(*check_report(checks, checked))
    if doubt := model.check_calibrated(rate).holds_roughly(rate):
        work.note(doubt)
    return model.using(request.using), set(forms), unseen


def _trained(
    work: Work, place: Path, name: str, lines: Sequence[str], out: Path, *, overwrite: bool = False, **settings: Any
) -> LanguageModel:
    """Train on `lines`, written to `place`; every tenth of them is held out to find when the model is best."""
    training, validation = place / name, place / "held-out lines"
    training.write_text("\n".join([*(line for k, line in enumerate(lines) if k % EACH != EACH - 1), ""]), "utf-8")
    validation.write_text("\n".join([*lines[EACH - 1 :: EACH], ""]), "utf-8")
    text = TextSettings(validation=validation, lines=True, vocabulary=settings.pop("vocabulary"))
    # the shipped base is for prose, and reading with it takes several times as long
    with work.progress("reading the text and planning"):
        run = begin([training], out, text, TrainingSettings(base="none", **settings), overwrite=overwrite)
    run.take_notes()  # which would be the same for each part of the lines
    work.train(run, kept=False)
    return complete_card(out)


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
        """`good` are the forms of all good lines, empty if they are not known; keep `most` of the other lines."""
        self._hide, self._good, self._most = hide, good, most
        self._known, self._words = {word for form in good for word in re.findall(r"\w+", form)}, Counter[str]()
        self.odd: dict[tuple[str, str], Group] = {}  # in the order of the lines
        self._others: dict[tuple[str, str], Group] = {}
        self.lines = self.new = 0

    def add(self, file: str, line: OddLine, costs: tuple[float, float]) -> None:
        """Take a `line` without the costs of its tokens; `costs` are its bits, and its bits per character."""
        if not line.text:
            return
        form = self._hide(line.text)
        self.lines += 1
        new = bool(self._good) and form not in self._good
        if new and self.new < LOOKED_INTO:
            self._words.update({*re.findall(r"\w+", form)} - self._known)
        self.new += new
        groups = self.odd if line.odd else self._others
        same = groups.setdefault((file, form), Group(file, line, costs))
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
