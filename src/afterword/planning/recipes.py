"""The two recipes, `auto` and `classic`: what each makes of a text's settings, and its plan."""

from __future__ import annotations

from afterword.bases.base import Base
from afterword.errors import OptionError
from afterword.learning.recipe import Recipe
from afterword.planning import auto, classic
from afterword.planning.plan import Plan
from afterword.planning.settings import TrainingSettings
from afterword.text.corpus import TextSettings
from afterword.text.encoded import EncodedCorpus


def text_settings(text: TextSettings, settings: TrainingSettings) -> TextSettings:
    """`text` as the recipe of `settings` reads it. Raises OptionError for what it cannot."""
    return (classic.text_settings if settings.recipe == "classic" else auto.text_settings)(text)


def check_length(characters: int, text: TextSettings, settings: TrainingSettings) -> None:
    """Raise OptionError where a batch of `settings` is larger than a training text of so many characters."""
    if text.lines:
        return
    if settings.recipe == "classic":
        classic.check_length(characters, settings)
    for name in ("seq_length", "batch_size"):
        value = getattr(settings, name)
        if value is not None and value >= characters:
            option = name.replace("_", "-")
            raise OptionError(f"{option} {value} is too large for {characters} characters of training text")


def steps_in(passes: float, encoded: EncodedCorpus, recipe: Recipe) -> int:
    """How many steps of `recipe` take `passes` over the training part."""
    steps_per_pass = classic.steps_per_pass if recipe.recipe == "classic" else auto.steps_per_pass
    return max(1, round(passes * steps_per_pass(encoded, recipe.batch_size, recipe.seq_length)))


def make_plan(encoded: EncodedCorpus, settings: TrainingSettings, base: Base | None = None) -> Plan:
    """Every number of a run of `settings` on `encoded`; with minutes, this machine's speed is measured for it.

    `base` is the one that is asked for, which `planning.base.base_asked_for` gives.
    With loading PyTorch and counting the n-grams that the expectation rests on it takes some three seconds.
    Raises OptionError for a network that the machine cannot hold.
    """
    if settings.recipe == "classic":
        return classic.make_plan(encoded, settings)
    return auto.make_plan(encoded, settings, base)
