"""A plan: a recipe with all its numbers, a reason for each, and what to expect of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from afterword.bases.base import Base
from afterword.learning.recipe import Recipe
from afterword.model.ngram import Ngram
from afterword.planning.expectation import Expectation
from afterword.planning.rules import Choice, Choices
from afterword.planning.settings import TrainingSettings

AS_ASKED = "as you asked"


@dataclass(frozen=True)
class Plan:
    """A recipe, and why it is as it is."""

    recipe: Recipe
    reasons: dict[str, str]
    """Of a number's name, why it is so; of those that somebody may ask about."""
    expected: Expectation | None = None
    """What the model will cost on held-out text, as it will be used; None where nothing is known to say it by."""
    outlook: dict[float, Expectation] = dataclasses.field(default_factory=dict)
    """What other numbers of minutes would bring."""
    notes: list[str] = dataclasses.field(default_factory=list)
    """What a user should know beforehand."""
    base: Base | None = None
    """The model whose weights the run begins with."""
    ngram: Ngram | None = None
    """The n-gram that the expectation rests on, and the run will be mixed with."""


def asked(settings: TrainingSettings) -> Choices:
    """The numbers of the recipe that were set by hand."""
    own = {field.name for field in dataclasses.fields(Recipe)} - {"recipe", "minutes", "device"}
    return {
        field.name: Choice(getattr(settings, field.name), AS_ASKED)
        for field in dataclasses.fields(settings)
        if field.name in own and getattr(settings, field.name) != field.default
    }


def recipe_of(choices: Choices) -> Recipe:
    """The recipe of these numbers."""
    return Recipe(**{name: choice.value for name, choice in choices.items()})


def reasons(choices: Choices) -> dict[str, str]:
    """Why each number is so, where there is something to say, in the order of a recipe."""
    order = [field.name for field in dataclasses.fields(Recipe)]
    return {name: choices[name].reason for name in order if choices[name].reason}
