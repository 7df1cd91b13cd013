"""From the corpus, the time and this machine's measured speed to a recipe with all its numbers, and a reason for each.

The rules themselves stand in `rules`, and `speed` measures. A number that was set by hand is taken, and the rest is
fitted around it.
"""

from __future__ import annotations

import dataclasses
import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from afterword.errors import OptionError
from afterword.learning.batches import training_batches
from afterword.learning.device import chosen, embedding_size, gpu_memory, precisions_to_try
from afterword.learning.lines import Lines
from afterword.learning.ngram import learn_ngram
from afterword.learning.recipe import Device, Recipe
from afterword.model.config import Config
from afterword.model.ngram import HIGHEST_ORDER, Ngram
from afterword.planning import rules
from afterword.planning.settings import TrainingSettings
from afterword.planning.speed import StepTime, available_threads, step_time
from afterword.text.encoded import EncodedCorpus

DEFAULT_MINUTES = 5.0
MOST_VALIDATION_TOKENS = 200_000
EVALUATIONS = 6  # at least, in a run: few and large, so that the best is not the luckiest
EVALUATION_SHARE = 0.06  # of the run's time, at most
SLOWEST_MEASURED = 0.15  # seconds: the times of longer steps are reckoned from shorter ones
OUTLOOK = (5, 30)  # times the minutes
LITTLE_TEXT = 50_000  # characters
FIRST_MEASURED = 256  # units
GROWTH = 1.7  # a step's time grows by about this power of the units
SAMPLE = 50_000  # held-out tokens that the expectation reads
MOST_COUNTED = 2**22  # tokens of lines that are laid out to see how many steps a pass over all of them takes
BUSY = 1.5  # times what a step takes alone, where a user should know; on a free machine it is 1.0 to 1.2
MOST_THREADS = 8  # that are taken unmeasured, or tried


@dataclass(frozen=True)
class Plan:
    """A recipe, and why it is as it is."""

    recipe: Recipe
    reasons: dict[str, str]
    """Of a number's name, why it is so; of those that somebody may ask about."""
    expected: float | None
    """Nats a held-out character, of the model as it will be used; None where nothing is held out to say it by."""
    outlook: dict[float, float]
    """What other numbers of minutes would bring, in nats a character."""
    notes: list[str]
    """What a user should know beforehand."""
    ngram: Ngram | None
    """The n-gram that the expectation rests on, and the run will be mixed with."""


def plan(encoded: EncodedCorpus, settings: TrainingSettings) -> Plan:
    """Every number of a run of `settings` on `encoded`; with minutes, this machine's speed is measured for it.

    With loading PyTorch and counting the n-grams that the expectation rests on it takes some three seconds.
    Raises OptionError for a network that the machine cannot hold.
    """
    return (_plan_classic if settings.recipe == "classic" else _plan_auto)(encoded, settings)


def _plan_auto(encoded: EncodedCorpus, settings: TrainingSettings) -> Plan:
    if settings.hidden_size is not None:  # before anything takes time
        config = Config(
            encoded.tokenizer.rows,
            encoded.tokenizer.shared_row_tokens,
            settings.embedding_size or rules.EMBEDDING,
            settings.hidden_size,
            settings.num_layers or 1,
        )
        _check_memory(config, settings.batch_size or 8, settings.seq_length or 64, "cpu")
    ngram = _learn_ngram_and_load(encoded)
    draft = auto(encoded, settings)
    times = _StepTimes(encoded, draft, settings)
    if draft.minutes is not None:
        draft = times.choose_way()
    tokens = len(encoded.training)
    a_pass = steps_in(1, encoded, draft)
    most_steps = math.ceil(rules.MOST_PASSES * a_pass)

    def steps_in_time(size: int, minutes: float, alone: bool = False) -> float:
        seconds = times(size).alone if alone else times(size).now
        return minutes * 60 * (1 - EVALUATION_SHARE) / seconds

    def size_in(minutes: float | None) -> int:
        if settings.hidden_size is not None:
            return settings.hidden_size
        return size_by_rule(minutes)

    def size_by_rule(minutes: float | None) -> int:
        if minutes is None:
            return min(rules.largest_size(tokens), rules.UNTIMED_SIZE)
        # as for a free machine: others may end any time, and a network stays as small as it was begun
        return rules.size_for(
            tokens, lambda size: steps_in_time(size, minutes, alone=True) * tokens / a_pass, draft.num_layers
        )

    def steps_of(size: int, minutes: float | None, alone: bool = False) -> int:
        if settings.steps is not None:
            return settings.steps
        if minutes is None:
            return steps_in(settings.epochs or 1, encoded, draft)
        return max(1, int(min(steps_in_time(size, minutes, alone), most_steps)))

    size = size_in(draft.minutes)
    while draft.minutes is not None and times.measure(size) and size != (size := size_in(draft.minutes)):
        pass
    recipe = sized(draft, size, settings)
    config = recipe.config(encoded.tokenizer)
    _check_memory(config, recipe.batch_size, recipe.seq_length, recipe.device)
    steps = steps_of(size, recipe.minutes)
    passes = steps / a_pass
    recipe = dataclasses.replace(
        recipe,
        most_steps=None if recipe.minutes is None else most_steps,
        dropout=rules.dropout(steps_of(size, recipe.minutes, alone=True) / a_pass)
        if settings.dropout is None
        else settings.dropout,
    )
    recipe = with_steps(recipe, steps, encoded)
    alone = _cost_of(ngram, encoded, recipe)

    def expected(minutes: float | None) -> float | None:
        read = steps_of(size_in(minutes), minutes) * tokens / a_pass
        return alone and alone * rules.expected_ratio(tokens, read, mixed=recipe.ngram > HIGHEST_ORDER // 2)

    outlook = {} if recipe.minutes is None else {recipe.minutes * k: expected(recipe.minutes * k) for k in OUTLOOK}
    # of other cells and rates, and of sizes far from the rule's, nothing is known
    near = 1 / 2 <= size / size_by_rule(recipe.minutes) <= 2 and settings.learning_rate is None
    known = near and recipe.cell == "lstm" and recipe.num_layers <= 2
    return Plan(
        recipe,
        _reasons(recipe, settings, encoded, passes, times),
        expected(recipe.minutes) if known else None,
        {minutes: cost for minutes, cost in outlook.items() if known and cost is not None},
        _notes(encoded, recipe, times),
        ngram if recipe.ngram == HIGHEST_ORDER else None,
    )


def _learn_ngram_and_load(encoded: EncodedCorpus) -> Ngram:
    """Count the n-grams while PyTorch is loaded: each takes seconds, the one of sorting, the other of Python."""
    with ThreadPoolExecutor(1) as other:
        counting = other.submit(learn_ngram, encoded, HIGHEST_ORDER)
        import torch

        torch.optim.SGD([torch.zeros(1)], lr=1.0)  # the first optimizer that is made loads half of PyTorch
        return counting.result()


def _plan_classic(encoded: EncodedCorpus, settings: TrainingSettings) -> Plan:
    recipe = classic(encoded, settings)
    config = recipe.config(encoded.tokenizer)
    _check_memory(config, recipe.batch_size, recipe.seq_length, recipe.device)
    assert recipe.most_steps is not None
    steps = settings.steps or recipe.most_steps
    if recipe.minutes is not None:
        steps = max(1, int(recipe.minutes * 60 / step_time(encoded, recipe).now))
    recipe = with_steps(recipe, min(steps, recipe.most_steps), encoded)
    names = ("num_layers", "hidden_size", "batch_size", "seq_length", "dropout", "learning_rate", "steps", "precision")
    asked = dataclasses.asdict(settings)
    reasons = {n: "as the founding recipe has it" if asked.get(n) is None else "as you asked" for n in names}
    return Plan(recipe, reasons, None, {}, [], None)


class _StepTimes:
    """How long a step of each size takes here: measured, or reckoned from the nearest size that was."""

    def __init__(self, encoded: EncodedCorpus, draft: Recipe, settings: TrainingSettings) -> None:
        self._encoded, self._draft, self._settings = encoded, draft, settings
        self.measured: dict[int, StepTime] = {}
        self._first = min(FIRST_MEASURED, settings.hidden_size or rules.largest_size(len(encoded.training)))

    def choose_way(self) -> Recipe:
        """The draft in the precision, and with as many threads, as are fastest.

        On many processors a small network is slowed down by them all.
        """
        draft, settings = self._draft, self._settings
        first = sized(draft, self._first, settings)
        if draft.device == "cuda":
            ways = [dataclasses.replace(first, precision=each) for each in precisions_to_try("cuda", first.hidden_size)]
        else:
            most = available_threads()
            threads = {settings.threads} if settings.threads else {min(most, n) for n in (most, MOST_THREADS, 4)}
            ways = [dataclasses.replace(first, threads=n) for n in sorted(threads)]
        if len(ways) > 1:
            measured = [step_time(self._encoded, way) for way in ways]
            best = min(range(len(ways)), key=lambda k: measured[k].now)
            fastest, self.measured[first.hidden_size] = ways[best], measured[best]
            self._draft = dataclasses.replace(draft, threads=fastest.threads, precision=fastest.precision)
        return self._draft

    def measure(self, size: int) -> bool:
        """Measure `size`, unless it was measured or would take too long; whether that was done."""
        if size in self.measured or self(size).alone > SLOWEST_MEASURED:
            return False
        self.measured[size] = step_time(self._encoded, sized(self._draft, size, self._settings))
        return True

    def __call__(self, size: int) -> StepTime:
        if not self.measured:
            first = sized(self._draft, self._first, self._settings)
            self.measured[self._first] = step_time(self._encoded, first)
        nearest = min(self.measured, key=lambda known: abs(math.log(known / size)))
        return self.measured[nearest] * math.pow(size / nearest, GROWTH)


def sized(draft: Recipe, size: int, settings: TrainingSettings) -> Recipe:
    """The draft with a layer's units, and what goes with them."""
    return dataclasses.replace(
        draft,
        hidden_size=size,
        embedding_size=settings.embedding_size or embedding_size(draft.device, size),
        learning_rate=settings.learning_rate or rules.learning_rate(size),
        precision=draft.precision if draft.device == "cuda" else precisions_to_try("cpu", size)[0],
    )


def _cost_of(ngram: Ngram, encoded: EncodedCorpus, recipe: Recipe) -> float | None:
    """What a held-out character costs the n-gram alone, by a sample of them."""
    from afterword.learning.validation import HeldOut

    sample = min(recipe.validation_tokens, SAMPLE)
    return HeldOut(encoded, dataclasses.replace(recipe, validation_tokens=sample), ngram).ngram_cost


def _reasons(
    recipe: Recipe, settings: TrainingSettings, encoded: EncodedCorpus, passes: float, times: _StepTimes
) -> dict[str, str]:
    """Of each number that the plan chose or took over, why it is so, by name."""
    tokens = len(encoded.training)
    size, most, timed = recipe.hidden_size, rules.largest_size(tokens), recipe.minutes is not None
    if size >= most:
        of_size = f"a text of {tokens:,} tokens feeds no more"
    elif not timed:
        of_size = f"where no time is given; the text could feed {most}"
    elif recipe.steps == recipe.most_steps:
        of_size = f"the most that take {rules.MOST_PASSES:g} passes in {recipe.minutes:g} min"
    elif passes * tokens >= 0.9 * rules.TOKENS_A_WEIGHT * rules.weights(size, recipe.num_layers):
        of_size = f"the most that still read {rules.TOKENS_A_WEIGHT:g} tokens a weight in {recipe.minutes:g} min"
    else:
        of_size = "the fewest, for so little time"
    pace = f", at {1000 * times(size).now:.0f} ms a step here" if timed else ""
    tried = recipe.device == "cuda" or available_threads() > 4
    why = {
        "num_layers": "a second layer takes longer than it brings in, at every time that was tried",
        "hidden_size": of_size,
        "embedding_size": "twice as many made it worse"
        if recipe.device == "cpu"
        else "what the GPU's fast kernel takes",
        "batch_size": "lines: about as many tokens a step as running text has"
        if encoded.lines
        else "lanes: fewer for a short text, so that a pass over it has steps enough",
        "seq_length": "longer lines are read in pieces"
        if encoded.lines
        else "a longer way back for the gradient brought nothing; the state itself is carried on",
        "learning_rate": "0.02 for 256 units, falling as the root of their number",
        "warmup": "steps to the highest rate: a hundred or a tenth",
        "schedule": "to zero at the last step",
        "weight_decay": "ten times as much was worse",
        "clip": "the gradient's norm, against rare jumps",
        "dropout": f"the text is read {passes:.1f} times: the oftener, the more",
        "reset_probability": "of a lane at a step, so that beginnings are learned too",
        "averaging": f"the weights that are kept look back over about {1 / (1 - (recipe.averaging or 0)):,.0f} steps",
        "steps": f"{passes:.1f} passes over the text" + pace,
        "ngram": "knows by heart what the LSTM learns slowly; 9 tokens bring hardly more",
        "evaluate_every": f"steps; {EVALUATION_SHARE:.0%} of the time at most goes into looking at the held-out text",
        "checkpoint_every": "by the minute, so that no more than that is done again",
        "precision": "multiplied in hardware here"
        if recipe.precision != "float32"
        else "nothing shorter is faster here",
        "device": "a GPU was found" if recipe.device == "cuda" else "the processor",
        "threads": "the fastest of those tried" if timed and tried else "the processors, up to 8",
        "seed": "of everything that is drawn",
    }
    asked, given = dataclasses.asdict(settings), {"seed": settings.seed != 0, "device": settings.device != "auto"}
    return {
        name: "as you asked" if given.get(name, asked.get(name) is not None) else reason for name, reason in why.items()
    }


def _notes(encoded: EncodedCorpus, recipe: Recipe, times: _StepTimes) -> list[str]:
    notes = []
    if encoded.training_characters < LITTLE_TEXT:
        notes.append(
            f"{encoded.training_characters:,} characters are little to learn from: expect pieces of the text by heart "
            "and made-up words between them; some 100,000 and more do better"
        )
    if recipe.minutes is not None and recipe.steps == recipe.most_steps:
        minutes = recipe.steps * times(recipe.hidden_size).now / (1 - EVALUATION_SHARE) / 60
        if minutes < 0.9 * recipe.minutes:
            after = f"{minutes:.0f} min" if minutes >= 2 else f"{max(1, round(60 * minutes))} s"
            notes.append(
                f"{rules.MOST_PASSES:g} passes over this text are enough, more would learn it by heart: "
                f"the run will end after about {after}"
            )
    if recipe.minutes is not None and (step := times(recipe.hidden_size)).now > BUSY * step.alone:
        notes.append(
            f"other processes keep this machine busy: a step takes {1000 * step.now:.0f} ms, and computes for "
            f"{1000 * step.alone:.0f} of them; the network is chosen as for a free machine, and the run takes as many "
            "steps as it finds time for"
        )
    return notes


def auto(encoded: EncodedCorpus, settings: TrainingSettings) -> Recipe:
    """What anyone gets by default, as far as neither a size nor a number of steps is in it."""
    tokens, device = len(encoded.training), chosen(settings.device)
    timed = settings.steps is None and settings.epochs is None
    seq_length = settings.seq_length or (256 if encoded.lines else max(1, min(64, tokens - 1)))
    lanes = rules.lines_a_step(tokens / encoded.documents) if encoded.lines else rules.lanes(tokens, seq_length)
    draft = Recipe(
        recipe="auto",
        steps=0,
        most_steps=None,
        minutes=(settings.minutes or DEFAULT_MINUTES) if timed else None,
        num_layers=settings.num_layers or 1,
        hidden_size=0,
        embedding_size=0,
        residual=True,
        input="embedding",
        windows=False,
        batch_size=settings.batch_size or lanes,
        seq_length=seq_length,
        dropout=settings.dropout or 0.0,  # `plan` fits it to the number of passes
        locked_dropout=True,
        reset_probability=0.05,
        ngram=HIGHEST_ORDER if settings.ngram is None else settings.ngram,
        optimizer="muon",
        schedule="cosine",
        learning_rate=0.0,
        warmup=100,
        weight_decay=0.01,
        clip=1.0,
        averaging=0.9998,
        keep="best",
        precision=precisions_to_try(device, FIRST_MEASURED)[0],
        evaluate_every=0,
        validation_tokens=0,
        report_every=0,
        checkpoint_every=settings.checkpoint_every,
        seed=settings.seed,
        threads=settings.threads or min(available_threads(), MOST_THREADS),
        cell=settings.cell,
        device=device,
    )
    return sized(draft, settings.hidden_size or FIRST_MEASURED, settings)


def classic(encoded: EncodedCorpus, settings: TrainingSettings) -> Recipe:
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
        device=chosen(settings.device),
    )
    return dataclasses.replace(recipe, most_steps=steps_in(settings.epochs or 1, encoded, recipe))


def steps_in(epochs: float, encoded: EncodedCorpus, recipe: Recipe) -> int:
    """How many steps take `epochs` passes over the training part."""
    if recipe.windows:
        windows = len(encoded.training) - recipe.seq_length
        return max(1, math.ceil(epochs * math.ceil(windows / recipe.batch_size)))
    if encoded.lines:
        part = encoded.beginning(MOST_COUNTED)
        batches = training_batches(part, recipe)
        assert isinstance(batches, Lines)
        in_one = batches.steps_in_epoch * len(encoded.training) / len(part.training)
    else:
        in_one = len(encoded.training) / (recipe.batch_size * recipe.seq_length)
    return max(1, round(epochs * in_one))


def with_steps(recipe: Recipe, steps: int, encoded: EncodedCorpus) -> Recipe:
    """The recipe with its number of steps and all that follows from it.

    An evaluated token costs about a third of a learned one. So the part of the validation text that is read, and how
    often, follow from the tokens that the run learns from, and need no clock.
    """
    tokens_a_step = len(encoded.training) / steps_in(1, encoded, recipe)
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


def _check_memory(config: Config, batch_size: int, seq_length: int, device: Device) -> None:
    """Raise OptionError for a network that the memory it learns in, the machine's or its GPU's, cannot hold."""
    if device == "cuda":
        memory, place = gpu_memory(), "its GPU"
    elif hasattr(os, "sysconf"):
        memory, place = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), "this machine"
    else:
        return
    weights = 5 * 4 * config.parameters  # the weights, their gradient, two moments and the average, in float32
    numbers_a_token = 10 * config.hidden_size * config.num_layers + config.vocabulary_size
    activations = 4 * batch_size * seq_length * numbers_a_token
    if weights + activations > memory:
        raise OptionError(
            f"{config.num_layers} layers of {config.hidden_size} units in batches of {batch_size} × "
            f"{seq_length} need about {(weights + activations) / 2**30:,.0f} GiB and {place} has "
            f"{memory / 2**30:,.0f}: make hidden-size, num-layers, batch-size or seq-length smaller"
        )
