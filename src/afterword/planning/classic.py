"""The plan of the founding recipe, as docs/classic.md describes it, except for the numbers that the user sets."""

from __future__ import annotations

import dataclasses
import math

from afterword.errors import OptionError
from afterword.learning.batches import steps_per_pass
from afterword.learning.device import chosen_device
from afterword.learning.recipe import Recipe
from afterword.model.network.cells import check_claimed
from afterword.planning.machine import available_threads, check_memory, step_time
from afterword.planning.training_plan import AS_ASKED, NONE, Plan, TrainingSettings, numbers_set
from afterword.planning.tuning import of_steps
from afterword.text.corpus import TextSettings
from afterword.text.encoded import EncodedCorpus

WINDOW = 50  # characters
SHOWN_NUMBERS = ["base", "num_layers", "hidden_size", "batch_size", "seq_length"]
SHOWN_NUMBERS += ["dropout", "learning_rate", "steps", "precision"]


def text_settings(text: TextSettings) -> TextSettings:
    """Return `text` as this recipe reads it: in lower case, and all of it unless the user holds a part out."""
    if text.lines:
        raise OptionError(f"the classic recipe reads running text: leave `{'labels' if text.labels else 'lines'}` out")
    if text.vocabulary not in (None, "char", "classic"):
        raise OptionError("the classic recipe reads characters: leave `vocabulary` out")
    unwrap = "no" if text.unwrap == "auto" else text.unwrap
    return dataclasses.replace(text, lowercase=True, vocabulary="classic", unwrap=unwrap)


def make_plan(encoded: EncodedCorpus, settings: TrainingSettings) -> Plan:
    """Plan one pass over all windows, or as many as were asked for; minutes and steps only shorten it.

    Raises OptionError for options that the recipe does not have, and for a network that does not fit in memory.
    """
    recipe = recipe_without_steps(settings)
    check_memory(recipe, encoded.tokenizer)
    per_pass = steps_per_pass(encoded, recipe.batch_size, recipe.seq_length, windows=True)
    most = math.ceil((settings.epochs or 1) * per_pass)
    steps = settings.steps or most
    if recipe.minutes is not None:
        steps = max(1, int(recipe.minutes * 60 / step_time(encoded, recipe).now))
    steps = min(steps, most)
    following = of_steps(steps, len(encoded.training) / per_pass, len(encoded.validation))
    evaluation = {name: following[name][0] for name in ("validation_tokens", "evaluate_every", "report_every")}
    recipe = dataclasses.replace(recipe, steps=steps, most_steps=most, **evaluation)
    by_hand = {*numbers_set(settings), *(["base"] if settings.base == NONE else [])}
    return Plan(recipe, {name: AS_ASKED if name in by_hand else "as in the founding recipe" for name in SHOWN_NUMBERS})


def recipe_without_steps(settings: TrainingSettings) -> Recipe:
    """Return the recipe without its steps and the numbers that follow from them."""
    if settings.embedding_size is not None:
        raise OptionError("the classic recipe has no embedding: leave `embedding_size` out")
    if settings.ngram:
        raise OptionError("the classic recipe has no n-gram: leave `ngram` out")
    check_claimed(settings.cell, "the classic recipe")
    if settings.schedule == "cosine":
        raise OptionError("the classic recipe has a constant rate: leave `schedule` cosine out")
    return Recipe(
        recipe="classic",
        steps=0,
        most_steps=None,
        minutes=settings.minutes,
        num_layers=settings.num_layers or 2,
        hidden_size=settings.hidden_size or 300,
        embedding_size=1,
        residual=False,
        input="number",
        windows=True,
        batch_size=settings.batch_size or 30,
        seq_length=settings.seq_length or WINDOW,
        dropout=settings.dropout if settings.dropout is not None else 0.2,
        locked_dropout=False,
        reset_probability=0.0,
        ngram=0,
        optimizer="keras-adam",
        schedule="constant",
        learning_rate=settings.learning_rate or 1e-3,
        warmup=0,
        weight_decay=0.0,
        clip=None,
        averaging=None,
        keep="last",
        precision="float32",
        evaluate_every=0,
        validation_tokens=0,
        report_every=0,
        checkpoint_every=settings.checkpoint_every,
        seed=settings.seed,
        threads=settings.threads or available_threads(),
        device=chosen_device(settings.device),
    )
