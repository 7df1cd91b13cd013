"""From the corpus, the time and this machine's measured speed to a recipe with all its numbers."""

from __future__ import annotations

import dataclasses
import math
import os
import statistics
import time

from afterword.errors import OptionError
from afterword.model.config import Config
from afterword.model.ngram import LONGEST
from afterword.text.encoded import EncodedCorpus
from afterword.text.tokenizer import Tokenizer
from afterword.training.batches import Lines, training_batches
from afterword.training.device import chosen, embedding_size, gpu_memory, precisions_to_try
from afterword.training.distributed import ranks_here
from afterword.training.recipe import Device, Recipe, TrainingSettings

DEFAULT_MINUTES = 5.0
MOST_VALIDATION_TOKENS = 200_000
EVALUATIONS = 6  # at least, in a run: few and large, so that the best is not the luckiest
EVALUATION_SHARE = 0.06  # of the run's time, at most


def plan(encoded: EncodedCorpus, tokenizer: Tokenizer, settings: TrainingSettings) -> Recipe:
    """Every number of a run of `settings` on `encoded`; with minutes, the speed is measured first (about 2 s)."""
    device = chosen(settings.device)
    recipe = classic(encoded, tokenizer, settings) if settings.recipe == "classic" else auto(encoded, settings, device)
    recipe = dataclasses.replace(recipe, device=device)
    _check_memory(recipe.config(tokenizer.rows, tokenizer.shared_row_tokens), recipe)
    if recipe.recipe == "auto":
        recipe = dataclasses.replace(recipe, precision=precisions_to_try(device, recipe.hidden_size)[0])
    if settings.steps is not None:
        steps = settings.steps
    elif recipe.minutes is not None:
        seconds = seconds_per_step(encoded, tokenizer, recipe)
        steps = max(1, int(recipe.minutes * 60 * (1 - EVALUATION_SHARE) / seconds))
    else:
        steps = steps_in(settings.epochs or 1, encoded, tokenizer, recipe)
    if recipe.recipe == "auto" and settings.dropout is None:
        recipe = dataclasses.replace(recipe, dropout=dropout_of(steps / steps_in(1, encoded, tokenizer, recipe)))
    return with_steps(recipe, min(steps, recipe.most_steps or steps), encoded, tokenizer)


def dropout_of(epochs: float) -> float:
    """The dropout that a run of so many passes over its text wants: the oftener it reads the same, the more.

    Fitted to trials of 1 to 25 passes; see docs/decisions.md.
    """
    return round(min(0.6, max(0.0, 0.2 + 0.12 * math.log2(max(epochs, 0.1) / 3.3))), 2)


def auto(encoded: EncodedCorpus, settings: TrainingSettings, device: Device = "cpu") -> Recipe:
    """What anyone gets by default, for as many minutes as were asked for; the number of steps is still open."""
    tokens = len(encoded.training)
    timed = settings.steps is None and settings.epochs is None
    large = tokens >= 300_000
    hidden_size = settings.hidden_size or 512
    batch_size = settings.batch_size or (128 if encoded.lines else 16 if large else 8)
    seq_length = settings.seq_length or (256 if encoded.lines else 64)
    if not encoded.lines and settings.batch_size is None and settings.seq_length is None:
        seq_length = max(1, min(seq_length, tokens - 1))
        batch_size = max(1, min(batch_size, tokens // seq_length))
    return Recipe(
        recipe="auto",
        steps=0,
        most_steps=None,
        minutes=(settings.minutes or DEFAULT_MINUTES) if timed else None,
        num_layers=settings.num_layers or 1,
        hidden_size=hidden_size,
        embedding_size=settings.embedding_size or embedding_size(device, hidden_size),
        residual=True,
        input="embedding",
        windows=False,
        batch_size=batch_size,
        seq_length=seq_length,
        dropout=0.2 if settings.dropout is None else settings.dropout,  # `plan` fits it to the number of steps
        locked_dropout=True,
        reset_probability=0.05,
        ngram=LONGEST if settings.ngram is None else settings.ngram,
        optimizer="muon",
        schedule="cosine",
        learning_rate=settings.learning_rate or 0.014,
        warmup=100,
        weight_decay=0.01,
        clip=1.0,
        averaging=0.9998,
        keep="best",
        precision="float32",
        evaluate_every=0,
        validation_tokens=0,
        report_every=0,
        checkpoint_every=settings.checkpoint_every,
        seed=settings.seed,
        threads=settings.threads or available_threads(),
        cell=settings.cell,
    )


def classic(encoded: EncodedCorpus, tokenizer: Tokenizer, settings: TrainingSettings) -> Recipe:
    """The recipe that the project was founded on, as docs/classic.md tells it; numbers set by hand are taken."""
    if settings.embedding_size is not None:
        raise OptionError("embedding-size: the classic recipe has no embedding; leave it out")
    if settings.ngram:
        raise OptionError("ngram: the classic recipe has no n-gram; leave it out")
    if settings.cell != "lstm":
        raise OptionError(f"cell {settings.cell}: the classic recipe is made of LSTM cells; leave it out")
    recipe = Recipe(
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
        seq_length=settings.seq_length or 50,
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
    )
    return dataclasses.replace(recipe, most_steps=steps_in(settings.epochs or 1, encoded, tokenizer, recipe))


def steps_in(epochs: float, encoded: EncodedCorpus, tokenizer: Tokenizer, recipe: Recipe) -> int:
    """How many steps take `epochs` passes over the training part."""
    if recipe.windows:
        in_one = math.ceil((len(encoded.training) - recipe.seq_length) / recipe.batch_size)
        return max(1, math.ceil(epochs * in_one))
    batches = training_batches(encoded, tokenizer, recipe)
    lanes = len(encoded.training) / (recipe.batch_size * recipe.seq_length)
    return max(1, round(epochs * (batches.steps_in_epoch if isinstance(batches, Lines) else lanes)))


def with_steps(recipe: Recipe, steps: int, encoded: EncodedCorpus, tokenizer: Tokenizer) -> Recipe:
    """The recipe with its number of steps and all that follows from it.

    An evaluated token costs about a third of a learned one. So the part of the validation text that is read, and how
    often, follow from the tokens that the run learns from, and need no clock.
    """
    tokens_a_step = len(encoded.training) / steps_in(1, encoded, tokenizer, recipe)
    affordable = 3 * EVALUATION_SHARE * steps * tokens_a_step / EVALUATIONS
    validation_tokens = int(min(len(encoded.validation), MOST_VALIDATION_TOKENS, max(2_000, affordable)))
    every = max(steps / 100, validation_tokens / (3 * EVALUATION_SHARE * tokens_a_step))
    evaluate_every = max(1, min(math.ceil(every), steps))
    return dataclasses.replace(
        recipe,
        steps=steps,
        warmup=min(recipe.warmup, steps // 10),
        averaging=None if recipe.averaging is None else min(recipe.averaging, max(0.9, 1 - 5 / steps)),
        validation_tokens=validation_tokens,
        evaluate_every=evaluate_every,
        report_every=max(1, min(steps // 200, evaluate_every)),
    )


def available_threads() -> int:
    """How many processors this process may use: its part, where torchrun has started several on this machine."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, here // ranks_here())


def _check_memory(config: Config, recipe: Recipe) -> None:
    """Raise OptionError for a network that the memory it learns in, the machine's or its GPU's, cannot hold."""
    if recipe.device == "cuda":
        memory, place = gpu_memory(), "its GPU"
    elif hasattr(os, "sysconf"):
        memory, place = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), "this machine"
    else:
        return
    weights = 5 * 4 * config.parameters  # the weights, their gradient, two moments and the average, in float32
    numbers_a_token = 10 * config.hidden_size * config.num_layers + config.vocabulary_size
    activations = 4 * recipe.batch_size * recipe.seq_length * numbers_a_token
    if weights + activations > memory:
        raise OptionError(
            f"{config.num_layers} layers of {config.hidden_size} units in batches of {recipe.batch_size} × "
            f"{recipe.seq_length} need about {(weights + activations) / 2**30:,.0f} GiB and {place} has "
            f"{memory / 2**30:,.0f}: make hidden-size, num-layers, batch-size or seq-length smaller"
        )


def seconds_per_step(encoded: EncodedCorpus, tokenizer: Tokenizer, recipe: Recipe) -> float:
    """The mean time of real steps of `recipe` on this machine, taken on a network that is then thrown away.

    In the first steps the optimizer does more than later, so they are left out where the network is not too slow.
    """
    import torch

    from afterword.training.learner import Learner
    from afterword.training.optimizer import EARLY, RENEW

    torch.set_num_threads(recipe.threads)
    learner = Learner(recipe.config(tokenizer.rows, tokenizer.shared_row_tokens), recipe)
    batches = training_batches(encoded, tokenizer, recipe)
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < 4 or (len(times) < EARLY + 2 * RENEW and time.perf_counter() < began + 3):
        begin = time.perf_counter()
        learner.learn(batches.next(), 1e-3)
        times.append(time.perf_counter() - begin)
    steady = times[EARLY:] if len(times) == EARLY + 2 * RENEW else times[len(times) // 3 :]
    return statistics.mean(steady)
