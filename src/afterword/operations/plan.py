"""Print what train would do with a text, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, asdict
from typing import Annotated, Any

from afterword.errors import OptionError
from afterword.operations.operation import Record, Request, Sources, argument, operation, path_names
from afterword.operations.work import Work
from afterword.planning.expectation import Expectation
from afterword.planning.training_plan import TrainingSettings
from afterword.runs.begin import Preview, preview
from afterword.runs.in_words import in_bits, summary
from afterword.runs.record import bits
from afterword.settings import settings_class, settings_from
from afterword.text.corpus import TextSettings
from afterword.wording import aligned, readable


@settings_class()
class Plan(TextSettings, TrainingSettings, Request):
    """Print every setting that train would use with TEXT and these options, and the reason for each.

    This reads the text and measures the machine for some seconds. It writes nothing and trains nothing.
    """

    example = "plan book.txt --minutes 10"
    first = ("minutes", "base", "lines", "labels", "validation", "vocabulary", "recipe", "hidden_size")

    texts: Annotated[Sources, argument("the texts", metavar="TEXT", least=0)] = ()
    _: KW_ONLY


class Planned(Record, kw_only=True):
    """The run that `train` would start; figures are bits per character."""

    text: dict[str, Any]
    base: dict[str, Any] | None
    plan: dict[str, Any]
    reasons: dict[str, str]
    expected: dict[str, float] | None
    notes: list[str]
    printed: list[str]
    """The lines of the printed plan."""
    planning_seconds: float

    def __str__(self) -> str:
        return "\n".join(self.printed)


@operation(Plan)
def plan(request: Plan, work: Work) -> Planned:
    if not (texts := path_names(request.texts)):
        raise OptionError("missing `texts`: name a text file, as in: afterword plan book.txt --minutes 5")
    with work.progress("reading the text and planning"):
        asked = vars(request)
        found = preview(texts, settings_from(TextSettings, asked), settings_from(TrainingSettings, asked))
    work.note(*found.notes)
    return show_plan(found)


def show_plan(found: Preview) -> Planned:
    """Return the plan, for people and programs."""
    plan, encoded = found.plan, found.encoded
    return Planned(
        text={
            "characters": encoded.training_characters,
            "held_out": encoded.validation_characters,
            "tokens": len(encoded.training),
            "vocabulary": encoded.tokenizer.kind,
            "lines": encoded.lines,
            "unwrapped": encoded.unwrapped,
        },
        base=None if plan.base is None else {"name": plan.base.name, "fingerprint": plan.base.fingerprint},
        plan=asdict(plan.recipe),
        reasons=plan.reasons,
        expected=None if plan.expected is None else _figures(plan.expected),
        notes=found.notes,
        printed=[*_lines(found)],
        planning_seconds=round(found.planning_seconds, 3),
    )


def _lines(found: Preview) -> Iterator[str]:
    plan = found.plan
    first, second = summary(found.encoded, plan.recipe, plan.base.name if plan.base else None)
    yield from (first, second, "")
    values = {**vars(plan.recipe), "base": plan.base.name if plan.base else "none"}
    rows = [(name.replace("_", "-"), readable(values[name]), why) for name, why in plan.reasons.items()]
    yield from aligned(rows, "<><").splitlines()
    if plan.expected is not None:
        yield from ("", f"expected: {in_bits(plan.expected)} on held-out text")


def _figures(expected: Expectation) -> dict[str, float]:
    named = {"bits_per_character": expected.likely, "low": expected.low, "high": expected.high}
    return {name: bits(nats) for name, nats in named.items()}
