"""Measure how much of a model's output is copied from its training text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, replace
from typing import Annotated, Any

from afterword.errors import OptionError
from afterword.generation.copying import LENGTHS, Copies, find_copies, find_lines
from afterword.generation.sampling import Temperature
from afterword.language_model import ModelLike
from afterword.operations.operation import Record, Request, Source, argument, operation
from afterword.operations.work import Work
from afterword.settings import LAST_SEED, setting, settings_class
from afterword.wording import aligned

TEXTS, LINES = 200, 10_000  # how many texts to write: running text, lines
SHOWN_CHARACTERS = 200  # characters of the longest copy


@settings_class()
class Novelty(Temperature, Request):
    """Report how much of a model's output is copied verbatim from its training text.

    RUN is the folder of the model's run, which contains that text. FILE (a text, also .gz, or - for standard input) is
    checked instead of the model's output. The report gives the longest copy, and the fraction of characters inside
    copies of at least 20, 50 and 100 characters. For a model of lines, it also gives the fraction of lines that occur
    in the training text, exactly or except for one character. For comparison, it gives the same figures for the run's
    held-out text, from which the model did not learn.
    """

    example = "novelty book --num 20"
    first = ("num", "seed", "temperature")

    model: Annotated[ModelLike, argument("the folder of the model's run", metavar="RUN")]
    file: Annotated[Source | None, argument("a text to check", metavar="FILE")] = None
    _: KW_ONLY
    num: int | None = setting(
        "how many texts to write (default: 200; of lines, 10,000)", default=None, minimum=1, metavar="N", short="n"
    )
    seed: int = setting("seed of the first text", default=0, minimum=0, maximum=LAST_SEED)


class Copied(Record, kw_only=True):
    """The copies in a text from the training text, and those in the held-out text, if there is one."""

    name: str
    """The name of the judged text in the report for people."""
    learned_from: int
    """Characters of the training text."""
    judged: Copies
    held_out: Copies | None

    def to_dict(self) -> dict[str, Any]:
        return {key: value for key, value in super().to_dict().items() if key != "name"}

    def __str__(self) -> str:
        parts = {self.name: self.judged, **({"held out": self.held_out} if self.held_out else {})}
        of_lines = [["", "lines", "in training text", "but for one character"]]
        of_texts = [["", "characters", *(f"in copies of {length}+" for length in LENGTHS), "longest"]]
        longest = []
        for name, part in parts.items():
            shares = [f"{part.shares[length]:.2%}" for length in LENGTHS]
            of_texts.append([name, f"{part.characters:,}", *shares, f"{len(part.longest):,}"])
            if (lines := part.lines) is not None:
                of_lines.append([name, f"{lines.lines:,}", f"{lines.exact:.1%}", f"{lines.near:.1%}"])
            if part.longest:
                shown = part.longest if len(part.longest) <= SHOWN_CHARACTERS else f"{part.longest[:SHOWN_CHARACTERS]}…"
                place = f"the longest copy, {name}, is at character {part.at:,} of that text:"
                longest.append(f"{place}\n{shown!r}")
        tables = [aligned(rows, "<" + ">" * len(rows[0][1:])) for rows in (of_lines, of_texts) if len(rows) > 1]
        return "\n\n".join([f"the training text has {self.learned_from:,} characters", *tables, *longest])


@operation(Novelty)
def novelty(request: Novelty, work: Work) -> Copied:
    if request.file is not None and request.num is not None:
        raise OptionError("`num` and `file` exclude each other: give `file` to check it, or `num` to check new texts")
    model = work.model(request.model)
    with work.progress("reading the training text"):
        learned = model.learned_from()
    if request.file is not None:
        name = str(request.file)
        text = learned.tokenizer.normalise(work.text(name, unwrap=model.unwraps))
        texts = text.splitlines() if learned.lines else [text]
    else:
        name, texts, num = "written", [], request.num or (LINES if learned.lines else TEXTS)
        with work.progress("writing", "texts") as on_progress:
            for sample in model.samples(num=num, seed=request.seed, temperature=request.temperature):
                texts.append(sample.text)
                on_progress(len(texts) / num, len(texts))
    with work.progress("looking for copies"):
        training = learned.texts("training")
        source = "\n".join(training)

        def part(texts: Sequence[str]) -> Copies:
            return replace(find_copies(texts, source), lines=find_lines(texts, training) if learned.lines else None)

        held_out = part(learned.texts("validation")) if len(learned.validation) else None
        return Copied(name=name, learned_from=len(source), judged=part(texts), held_out=held_out)
