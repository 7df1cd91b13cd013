"""Compare how well several models predict the same text."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY
from typing import Annotated, ClassVar

from msgspec import UNSET, UnsetType

from afterword.errors import OptionError
from afterword.language_model import LanguageModel, ModelLike, name_of
from afterword.operations.judged import Facts, JudgedLine, ScoredText, judge_of, ranking, scored_lines, several, tracked
from afterword.operations.operation import Request, Sources, argument, operation, path_names
from afterword.operations.options import Engine, LineByLine, Predicting
from afterword.operations.work import Work
from afterword.scoring.comparing import FEWEST, SHORTEST, Comparison
from afterword.scoring.costs import LineScore
from afterword.settings import setting, settings_class
from afterword.text.decoding import Decoding
from afterword.wording import count_of


@settings_class()
class Compare(LineByLine, Predicting, Engine, Decoding, Request):
    """Compare how well several models predict the same text.

    Every model reads the text as the first was trained to read it. Each model gets a row: its bits per character, the
    difference from the first model's, and the margin of error (95 %), computed from how the difference varies along the
    text.

    With `lines`, each line gets a row: its bits under each model, the likelihood ratio, and the likeliest model. The
    ratio compares the first model with the likeliest of the others, in bits: at 10, the line is 1,024 times as likely
    under the first.
    """

    example = "compare book english --file other.txt"
    first = ("file", "lines", "top", "mask", "using", "engine", "encoding")

    model: Annotated[ModelLike, argument("the model that the others are compared with")]
    others: Annotated[ModelLike | Sequence[ModelLike], argument("the other models", metavar="MODEL2", least=1)]
    _: KW_ONLY
    file: Sources = setting("a text to read (repeatable)", default=())


class ComparedText(ScoredText, kw_only=True):
    """The cost of the text for one model, compared with the first one."""

    rows: ClassVar = "models"
    few: ClassVar = True
    in_json: ClassVar = (*ScoredText.in_json, "characters", "tokens", "bits_per_byte", "perplexity")

    engine: str | UnsetType = UNSET
    model: str
    difference: float
    """The difference from the first model, in bits per character."""
    margin_of_error: float | None
    blocks: int


class ComparedLine(JudgedLine, kw_only=True):
    """The cost of a line under each model."""

    bits: dict[str, float]
    """The bits under each model, by its name."""
    ratio_bits: float
    best: str
    engine: str | UnsetType = UNSET


@operation(Compare)
def compare(request: Compare, work: Work) -> Iterator[ComparedText | ComparedLine]:
    if not (files := path_names(request.file)):
        raise OptionError("missing text: name one with `file`")
    work.check(files)
    others = [request.others] if isinstance(request.others, str | os.PathLike | LanguageModel) else request.others
    given = [request.model, *others]
    names = [name_of(one) for one in given]
    for k, one in enumerate(given):
        if isinstance(one, LanguageModel) and names[k] in names[:k] and one not in given[:k]:
            names[k] += f" ({k + 1})"  # such as the same model with a part held
    if len(set(names)) < len(names):
        raise OptionError("a model is named twice: name each once")
    models = [_loaded(one, request, work) for one in given]
    _check_comparable(names, models, request.lines, work)
    facts: Facts = {name: fact for model in models for name, fact in work.engine_of(model).items()}
    yield from (_by_line if request.lines else _whole)(request, work, names, models, facts)


def _loaded(model: ModelLike, request: Compare, work: Work) -> LanguageModel:
    try:
        return work.model(model, request.using, request.engine)
    except OptionError as error:
        raise OptionError(f"{name_of(model)}: {error.message}") from None


def _whole(
    request: Compare, work: Work, names: Sequence[str], models: Sequence[LanguageModel], facts: Facts
) -> Iterator[ComparedText]:
    for file in (files := path_names(request.file)):
        comparison = Comparison(models)
        with work.progress(f"scoring {file}", "bytes") as on_progress:
            parts = work.parts(file, request, models[0].lines, models[0].unwraps)
            for part, on_part in tracked(file, parts, on_progress):
                comparison.read(part, on_part)
        place = {"file": file} if len(files) > 1 else {}
        results = comparison.result()
        apart = {name: None for cost, _ in results for name in cost.apart}
        work.rows(ComparedText, {**apart, **place, **facts})
        for name, (cost, difference) in zip(names, results, strict=True):
            figures = {one: getattr(difference, one) for one in ("margin_of_error", "blocks")}
            figures |= {"difference": difference.bits_per_character, **cost.apart, **place, **facts}
            yield ComparedText.of(cost, model=name, **figures)
        if difference.margin_of_error is None:
            needed = f"{FEWEST} blocks of {SHORTEST} characters"
            work.note(f"a margin of error needs {needed}, and this text has {difference.blocks}")


def _by_line(
    request: Compare, work: Work, names: Sequence[str], models: Sequence[LanguageModel], facts: Facts
) -> Iterator[ComparedLine]:
    judges = [judge_of(model, request.mask) for model in models]
    likeliest = dict.fromkeys(names, 0)  # of lines that are not empty

    work.rows(ComparedLine, {"bits": dict.fromkeys(names), **several(path_names(request.file)), **facts})

    def judged(lines: list[str]) -> list[Sequence[LineScore]]:
        first = judges[0](lines, on_progress=work.still_wanted)
        texts = [one.text for one in first]  # without their labels, if the first model knows labels
        return [first, *(judge(texts, on_progress=work.still_wanted) for judge in judges[1:])]

    def rows() -> Iterator[ComparedLine]:
        each = scored_lines(path_names(request.file), request, work, judged, streams=request.top is None)
        for place, scores in each:
            text, bits = scores[0].text, {name: one.bits for name, one in zip(names, scores, strict=True)}
            best = min(names, key=bits.__getitem__)
            ratio = min(bits[name] for name in names[1:]) - bits[names[0]]
            likeliest[best] += bool(text)
            yield ComparedLine(text=text, bits=bits, ratio_bits=ratio, best=best, **place, **facts)

    yield from rows() if request.top is None else ranking(rows(), "ratio_bits", request.top, models[0].lines)
    for name, number in likeliest.items():
        work.say(f"{name} is likeliest for {number:,} of {count_of(sum(likeliest.values()), 'line')}")


def _check_comparable(names: Sequence[str], models: Sequence[LanguageModel], by_line: bool, work: Work) -> None:
    """Raise OptionError if the models would not predict the same; note if the comparison is unfair."""
    name, first = names[0], models[0]
    reads_lines = by_line or first.lines
    for other, model in zip(names[1:], models[1:], strict=True):
        if reads_lines and (model.tokenizer.end is None) != (first.tokenizer.end is None):
            classic, ends = (other, name) if model.tokenizer.end is None else (name, other)
            raise OptionError(f"{classic} is classic, so it does not predict where a line ends, as {ends} does")
        if by_line and not model.labels.keys() <= first.labels.keys():
            raise OptionError(f"{other} knows labels that {name} does not: name {other} first")
    work.note(*dict.fromkeys(_unfair(names, models, reads_lines)))


def _unfair(names: Sequence[str], models: Sequence[LanguageModel], reads_lines: bool) -> Iterator[str]:
    """Yield a note for each model that is at an advantage or a disadvantage."""
    if len({model.lines for model in models}) > 1:
        why = f"as {names[0]} does" if reads_lines == models[0].lines else "by `lines`"
        trained, reads = ("running text", "lines") if reads_lines else ("lines", "running text")
        for name, model in zip(names, models, strict=True):
            if model.lines != reads_lines:
                yield f"{name} was trained on {trained}, so reading {reads} {why} costs it more"
    if not reads_lines and len({model.unwraps for model in models}) > 1:
        way = "joins wrapped lines" if models[0].unwraps else "keeps all lines"
        yield f"{names[0]} {way}, so all models read the text in this way; not all were trained that way"
    if len({model.tokenizer.lowercase for model in models}) > 1:
        for name, model in zip(names, models, strict=True):
            if model.tokenizer.lowercase:
                yield f"{name} reads all text in lower case, so it has less to predict"
