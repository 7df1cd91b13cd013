"""The models that `score` reads with: the model itself, the same with nothing held, and those it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from afterword.cli.options import tell_engine
from afterword.cli.output import note
from afterword.errors import OptionError
from afterword.language_model import LanguageModel, load
from afterword.scoring.adapting import AdaptingScorer
from afterword.scoring.costs import LineScore
from afterword.text.decoding import Decoding
from afterword.text.lines import Masks

RATE = 0.01  # of false alarms, by default

Scorer = LanguageModel | AdaptingScorer
Judge = Callable[[list[str]], Sequence[LineScore]]
"""Scores lines."""


@dataclass(frozen=True)
class Asked:
    """The arguments and options of `score`."""

    model: str
    files: tuple[str, ...]
    by_line: bool
    top: int | None
    sort: str | None
    against: tuple[str, ...]
    false_alarms: float | None
    only_odd: bool
    fail: bool
    masks: tuple[str, ...]
    per_character: bool
    html: Path | None
    csv: bool
    using: str
    adapts: bool
    engine: str
    decoding: Decoding
    hold: tuple[str, ...]
    as_json: bool

    @property
    def rate(self) -> float | None:
        """The rate of false alarms, or None if odd lines are not asked for."""
        return RATE if self.false_alarms is None and (self.only_odd or self.fail) else self.false_alarms


@dataclass(frozen=True)
class Scorers:
    """The models that read the texts."""

    model: LanguageModel
    """MODEL, with parts held if that was asked."""
    scorer: Scorer
    """What scores for it: itself, or what adapts in its place."""
    free: LanguageModel | None
    """MODEL with nothing held, if parts of `model` are."""
    others: Sequence[LanguageModel]
    """The models that it is compared with."""
    names: Sequence[str]
    """Of `model` and `others`; for a table, all of the same width."""
    facts: Mapping[str, Any]
    """What JSON says of every row."""
    judges: Sequence[Judge]
    """With --lines: of `model` and `others`."""
    free_judge: Judge | None

    @staticmethod
    def load(asked: Asked, free: LanguageModel) -> Scorers:
        """Load what is `asked` for besides `free`, MODEL with nothing held; print how long engines took to start.

        Raises OptionError if they cannot do what is asked, or cannot be compared.
        """
        model = free.hold(*asked.hold)
        if asked.rate is not None:
            asked = replace(asked, masks=_checked_masks(model, asked.rate, asked.masks))
        elif model.calibration and model.calibration.masks and not asked.masks:
            note("the model is calibrated with masks, but they hide nothing here: add --lines --flag to use them")
        others = [_loaded_other(path, asked) for path in asked.against]
        names = [asked.model, *asked.against]
        _check_comparable(names, [model, *others], asked.by_line)
        facts: dict[str, Any] = {}
        for one in (model, *others):
            facts |= tell_engine(one)
        scorer: Scorer = model
        if asked.adapts:
            scorer = model.adapting()
            facts["adapted"] = scorer.adapts
            if asked.using == "both" and "lstm" not in scorer.adapts:
                note("only the n-gram adapts; for the LSTM: pip install 'afterword[train]'")
        if not asked.as_json:
            names = [name.rjust(max(map(len, names))) for name in names]
        judges = [_judge(scorer, asked), *(_reader(one, asked) for one in others)] if asked.by_line else []
        free_judge = _judge(free, asked) if asked.by_line and asked.hold else None
        return Scorers(model, scorer, free if asked.hold else None, others, names, facts, judges, free_judge)


def _loaded_other(path: str, asked: Asked) -> LanguageModel:
    try:
        return load(path, asked.using, asked.engine)
    except OptionError as error:
        raise OptionError(f"{path}: {error}") from None


def _check_comparable(names: Sequence[str], models: Sequence[LanguageModel], by_line: bool) -> None:
    """Raise OptionError if the models would not predict the same; print a note if the comparison is unfair."""
    name, first = names[0], models[0]
    reads_lines = by_line or first.lines
    for other, model in zip(names[1:], models[1:], strict=True):
        if reads_lines and (model.tokenizer.end is None) != (first.tokenizer.end is None):
            classic, ends = (other, name) if model.tokenizer.end is None else (name, other)
            raise OptionError(f"{classic} is classic, so it does not predict where a line ends, as {ends} does")
        if by_line and not model.labels.keys() <= first.labels.keys():
            raise OptionError(f"{other} knows labels that {name} does not: name {other} first")
    note(*dict.fromkeys(_unfair(names, models, reads_lines)))


def _unfair(names: Sequence[str], models: Sequence[LanguageModel], reads_lines: bool) -> Iterator[str]:
    """Yield what gives some of the models an advantage."""
    if len({model.lines for model in models}) > 1:
        why = f"as {names[0]} does" if reads_lines == models[0].lines else "by --lines"
        trained, reads = ("running text", "lines") if reads_lines else ("lines", "running text")
        for name, model in zip(names, models, strict=True):
            if model.lines != reads_lines:
                yield f"{name} was trained on {trained}, so reading {reads} {why} costs it more"
    if len({model.tokenizer.lowercase for model in models}) > 1:
        for name, model in zip(names, models, strict=True):
            if model.tokenizer.lowercase:
                yield f"{name} reads all text in lower case, so it has less to predict"


def _checked_masks(model: LanguageModel, rate: float, masks: Sequence[str]) -> tuple[str, ...]:
    """Return the masks of the calibration; print a note if the rate holds only roughly.

    Raises OptionError if `model` cannot find odd lines at that rate, or for other `masks`.
    """
    calibration = model.check_calibrated(rate)
    if masks and masks != calibration.masks:
        raise OptionError("the model was calibrated with other masks: leave out --mask, or calibrate it again")
    if doubt := calibration.holds_roughly(rate, model.unit_scored):
        note(doubt)
    return calibration.masks


def _judge(scorer: Scorer, asked: Asked) -> Judge:
    """Return the function that scores lines, or that finds odd lines if they are requested."""
    if isinstance(scorer, LanguageModel) and asked.rate is not None:
        return partial(scorer.odd_lines, false_alarms=asked.rate)
    return _reader(scorer, asked)


def _reader(scorer: Scorer, asked: Asked) -> Judge:
    """Return the function that scores masked lines, without their labels unless odd lines are requested."""
    read: Judge = scorer.score_lines
    if isinstance(scorer, LanguageModel) and scorer.labels and asked.rate is None:
        if asked.masks:
            raise OptionError("a model of labelled lines reads whole lines: leave out --mask")
        read = scorer.classify
    if not asked.masks:
        return read
    hide = Masks(asked.masks)

    def masked(lines: list[str]) -> list[LineScore]:
        scores = read([*map(hide, lines)])
        return [replace(score, text=line) for score, line in zip(scores, lines, strict=True)]

    return masked
