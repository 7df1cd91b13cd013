"""Print what a model is and what it was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY
from typing import Annotated, Any

from afterword import __version__
from afterword.errors import OptionError
from afterword.language_model import LanguageModel, ModelLike, saved_model
from afterword.operations.operation import Record, Request, argument, operation
from afterword.operations.work import Work
from afterword.runs.environment import system
from afterword.runs.record import bits
from afterword.settings import setting, settings_class
from afterword.wording import aligned, readable


@settings_class()
class Info(Request):
    """Print what a model is and what it was trained on.

    MODEL is its folder, the folder of its run, the name of a base, or hf://USER/NAME. A bug report should contain
    what `system` prints.
    """

    example = "info book"

    model: Annotated[ModelLike | None, argument("the model")] = None
    _: KW_ONLY
    system: bool = setting("print the versions and this machine's properties instead", default=False)


class About(Record):
    """The facts about a model, as `LanguageModel.info` returns them, or about this machine."""

    facts: dict[str, Any]
    absent: str | None = None
    """The text for a fact that is None; without one, it is left out."""

    def to_dict(self) -> dict[str, Any]:
        return self.facts

    def __str__(self) -> str:
        known = {name: self.absent if fact is None else fact for name, fact in self.facts.items()}
        return aligned([*_facts(known)], "<<")


@operation(Info)
def info(request: Info, work: Work) -> About:
    if request.system == (request.model is not None):
        raise OptionError("info needs one of the two: `model` or `system`")
    if request.model is None:
        return About(facts={"afterword": __version__, **system()}, absent="not installed")
    model = request.model
    saved = model.saved if isinstance(model, LanguageModel) else saved_model(model, of_text=False)[0]
    work.note(*saved.notes)
    return About(facts=saved.info())


def _facts(facts: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name and value of each known fact; nested facts are named after the outer one too."""
    for key, value in facts.items():
        name = f"{above}{key}".replace("_", " ")
        if key == "labels" and value is not None:  # their names may contain anything
            yield name, ", ".join(f"{label} ({count:,})" for label, count in value.items())
        elif above == "validation " and isinstance(value, float):  # in JSON also in nats
            if key != "nats_per_character":
                apart = key in ("lstm", "ngram")
                yield name + " bits per character" * apart, f"{bits(value) if apart else value:.3f}"
        elif name == "ngram weight":
            yield name, f"{value:.0%} of each prediction"
        elif isinstance(value, Mapping):
            yield from _facts(value, f"{name} ")
        elif value is not None:
            yield name, readable(value)
