"""The two recipes, `auto` and `classic`: the settings of the text under each, and its plan."""

from __future__ import annotations

from dataclasses import replace

from afterword.errors import OptionError
from afterword.learning.recipe import Recipe
from afterword.planning import auto, classic
from afterword.planning.base_choice import SCRATCH, Begun
from afterword.planning.training_plan import AUTO, NONE, Plan, TrainingSettings
from afterword.text.corpus import TextSettings
from afterword.text.encoded import EncodedCorpus


def text_settings(text: TextSettings, settings: TrainingSettings) -> TextSettings:
    """Return `text` as the recipe of `settings` reads it. Raises OptionError for a text that it cannot read."""
    return (classic.text_settings if settings.recipe == "classic" else auto.text_settings)(text)


def without_base(settings: TrainingSettings) -> TrainingSettings:
    """Return `settings` without a base, for a table. Raises OptionError if a base or the classic recipe is given."""
    if settings.recipe == "classic":
        raise OptionError("the classic recipe learns from text: leave it or --series out")
    if settings.base not in (AUTO, NONE):
        raise OptionError(f"base {settings.base}: a model of series begins from scratch; leave it or --series out")
    return replace(settings, base=NONE)


def check_length(characters: int, text: TextSettings, settings: TrainingSettings) -> None:
    """Raise OptionError if a batch of `settings` is larger than a training text of this number of characters."""
    window = classic.WINDOW if settings.recipe == "classic" else None
    for option, value in (("seq-length", settings.seq_length or window), ("batch-size", settings.batch_size)):
        if value is not None and value >= characters and not text.lines:
            raise OptionError(f"{option} {value} is too large for {characters} characters of training text")


def steps_in(passes: float, encoded: EncodedCorpus, recipe: Recipe) -> int:
    """Return the number of steps of `recipe` in `passes` over the training part."""
    steps_per_pass = classic.steps_per_pass if recipe.recipe == "classic" else auto.steps_per_pass
    return max(1, round(passes * steps_per_pass(encoded, recipe.batch_size, recipe.seq_length)))


def make_plan(encoded: EncodedCorpus, settings: TrainingSettings, begun: Begun = SCRATCH) -> Plan:
    """Plan a run of `settings` on `encoded`; for a number of minutes, measure this machine's speed.

    Loading PyTorch and counting n-grams for the expectation takes some three seconds. Raises OptionError for a network
    that does not fit in memory.
    """
    if settings.recipe == "classic":
        return classic.make_plan(encoded, settings)
    return auto.make_plan(encoded, settings, begun)
