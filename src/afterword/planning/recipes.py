"""The two recipes, `auto` and `classic`: the settings of the text under each, and its plan."""

from __future__ import annotations

from afterword.errors import OptionError
from afterword.planning import auto, classic
from afterword.planning.base_choice import SCRATCH, StartingPoint
from afterword.planning.training_plan import Plan, TrainingSettings
from afterword.text.corpus import TextSettings
from afterword.text.encoded import EncodedCorpus

HELD_OUT = "0.1"  # fraction of the text under auto, if nothing else is held out


def text_settings(text: TextSettings, settings: TrainingSettings) -> TextSettings:
    """Return `text` as the recipe of `settings` reads it. Raises OptionError for a text that it cannot read."""
    if settings.recipe == "classic":
        return classic.text_settings(text)
    if text.vocabulary == "classic":
        raise OptionError("`vocabulary` classic belongs to the classic recipe: give `recipe` classic")
    return text.holding_out(HELD_OUT)


def check_batch(characters: int, text: TextSettings, settings: TrainingSettings) -> None:
    """Raise OptionError if a batch of `settings` is larger than a training text of this number of characters."""
    window = classic.WINDOW if settings.recipe == "classic" else None
    for option, value in (("seq_length", settings.seq_length or window), ("batch_size", settings.batch_size)):
        if value is not None and value >= characters and not text.lines:
            raise OptionError(f"`{option}` {value} is too large for {characters} characters of training text")


def make_plan(encoded: EncodedCorpus, settings: TrainingSettings, start: StartingPoint = SCRATCH) -> Plan:
    """Plan a run of `settings` on `encoded`; for a number of minutes, measure this machine's speed.

    Loading PyTorch and counting n-grams for the expectation takes some three seconds. Raises OptionError for a network
    that does not fit in memory.
    """
    if settings.recipe == "classic":
        return classic.make_plan(encoded, settings)
    return auto.make_plan(encoded, settings, start)
