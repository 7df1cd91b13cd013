"""Measure how well a model predicts a text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY
from typing import Annotated

from msgspec import UNSET, UnsetType

from afterword.language_model import LanguageModel, ModelLike
from afterword.operations.judged import (
    Facts,
    JudgedLine,
    ScoredText,
    Scorer,
    judge_of,
    ranking,
    scored_lines,
    several,
    tracked,
)
from afterword.operations.operation import Request, Sources, argument, operation, path_names
from afterword.operations.options import Engine, Holding, LineByLine, Predicting
from afterword.operations.work import Part, Work
from afterword.scoring.costs import LineScore, total
from afterword.scoring.costs import Score as TextScore
from afterword.settings import OnProgress, setting, settings_class
from afterword.text.decoding import Decoding
from afterword.wording import count_of


@settings_class()
class Score(LineByLine, Predicting, Holding, Engine, Decoding, Request):
    """Print how well a model predicts a text, in bits per character. Fewer are better.

    MODEL is a model's folder, the folder of its run, the name of a base, or hf://USER/NAME. FILE is a text, also
    .gz, or - for standard input. A model of running text reads each file from start to end. A model of lines reads each
    line from a fresh state, and the end of a line counts as one character.

    With `lines`, a model of labelled lines also prints the likeliest label of each line and its probability. If a line
    begins with a known label and a tab, that label is its given label, and the rest is classified. If all lines have
    a given label, the accuracy is printed. The bits are those of the line without its label: -log2 of the sum of
    P(label, line) over all labels.

    With `adapt`, the model learns from the text as it reads it: it scores each part before it learns from it. Files
    are read one after the other. The saved model does not change. The n-gram model always learns; the LSTM learns if
    PyTorch is installed.

    With `hold`, parts of the network are held at a value, and the cost with nothing held is printed too.
    Layers and units are counted from 0.
    """

    example = "score book other.txt"
    first = ("lines", "top", "adapt", "mask", "using", "hold", "engine", "encoding")

    model: Annotated[ModelLike, argument("the model that reads")]
    files: Annotated[Sources, argument("the texts", metavar="FILE", least=1, served="text")]
    _: KW_ONLY
    adapt: bool = setting("keep learning from the text as it is scored", default=False)


class Scored(ScoredText, kw_only=True):
    """The cost of a whole text, with parts held and with nothing held."""

    free_bits_per_character: float | UnsetType = UNSET
    engine: str | UnsetType = UNSET


class ScoredLine(JudgedLine, kw_only=True):
    """The cost of a line and its end; with a model of labelled lines, its likeliest label and its given one."""

    bits: float
    bits_per_character: float
    label: str | UnsetType = UNSET
    label_probability: float | UnsetType = UNSET
    given_label: str | UnsetType | None = UNSET
    free_bits_per_character: float | UnsetType = UNSET
    engine: str | UnsetType = UNSET


@operation(Score, path="/v1/score")
def score(request: Score, work: Work) -> Iterator[Scored | ScoredLine]:
    work.check(path_names(request.files))
    free = work.model(request.model, request.using, request.engine)
    model = free.hold(*request.hold)
    facts = work.engine_of(model)
    scorers: list[Scorer] = [model] if model is free else [model, free]
    if request.adapt:
        adapting = scorers[0] = model.adapting()
        if request.using == "both" and "lstm" not in adapting.adapts:
            work.note("only the n-gram adapts; for the LSTM: pip install 'afterword[train]'")
    yield from (_by_line if request.lines else _whole)(request, work, model, scorers, facts)


def _whole(
    request: Score, work: Work, model: LanguageModel, scorers: Sequence[Scorer], facts: Facts
) -> Iterator[Scored]:
    """Yield the cost of each text, read as one text or line by line, as the model was trained."""
    files = path_names(request.files)
    for file in files:
        with work.progress(f"scoring {file}", "bytes") as on_progress:
            last: list[TextScore | None] = [None] * len(scorers)
            costs: list[TextScore] = []
            parts = work.parts(file, request, model.lines, model.unwraps)
            for part, on_part in tracked(file, parts, on_progress):
                new = [_cost(one, part, on_part, after) for one, after in zip(scorers, last, strict=True)]
                costs, last = [*map(total, zip(costs, new, strict=True))] if costs else new, [*new]
        several = {"file": file} if len(files) > 1 else {}
        yield Scored.of(costs[0], **several, **costs[0].apart, **_free(costs), **facts)


def _free(costs: Sequence[TextScore] | Sequence[LineScore]) -> Facts:
    """Return the cost with nothing held, if parts are held."""
    return {"free_bits_per_character": costs[1].bits_per_character} if len(costs) > 1 else {}


def _cost(scorer: Scorer, part: Part, on_progress: OnProgress, after: TextScore | None) -> TextScore:
    if isinstance(part, str):
        return scorer.score(part, on_progress=on_progress, after=after)
    return total(scorer.score_lines(part, on_progress=on_progress))


def _by_line(
    request: Score, work: Work, model: LanguageModel, scorers: Sequence[Scorer], facts: Facts
) -> Iterator[Scored | ScoredLine]:
    """Yield the cost of each line, and at the end that of all lines."""
    judges = [judge_of(one, request.mask) for one in scorers]
    whole: list[TextScore] = []

    def judged(lines: list[str]) -> list[Sequence[LineScore]]:
        scores = [judge(lines, on_progress=work.still_wanted) for judge in judges]
        whole[:] = [total([*whole, *scores[0]])]
        return scores

    files, labelled = path_names(request.files), bool(model.labels) and not request.adapt
    more = dict.fromkeys(("label", "label_probability", "given_label") if labelled else ())
    work.rows(ScoredLine, {**more, **_free([TextScore()] * len(scorers)), **several(files), **facts})
    each = scored_lines(files, request, work, judged, streams=request.top is None)
    found: Iterator[ScoredLine] = (ScoredLine.of(one[0], **_free(one), **place, **facts) for place, one in each)
    if labelled:
        found = _with_accuracy(found, work)
    yield from found if request.top is None else ranking(found, "bits_per_character", request.top, model.lines)
    yield Scored.of(whole[0], **whole[0].apart)


def _with_accuracy(rows: Iterator[ScoredLine], work: Work) -> Iterator[ScoredLine]:
    """Yield `rows` unchanged. Then, if all lines have a given label, report how often the likeliest label was right.

    Also report how often the commonest label was given: a model that has learned nothing reaches that.
    """
    given, right = Counter[object](), 0
    for row in rows:
        yield row
        if row.text or row.given_label is not None:
            given[row.given_label] += 1
        right += row.label == row.given_label
    if given and None not in given:
        [(label, often)], lines = given.most_common(1), given.total()
        baseline = f"always {label!r} would be right for {often / lines:.1%}"
        work.say(f"the label is right for {right / lines:.1%} of {count_of(lines, 'line')}; {baseline}")
