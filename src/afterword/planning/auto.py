"""The plan that anyone gets by default: every number from the text, the time and this machine's measured speed.

A number that was set by hand is taken, and the rest is fitted around it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from afterword.bases.base import Base
from afterword.errors import OptionError
from afterword.learning.best import Measured
from afterword.learning.device import chosen, embedding_size, precisions_to_try
from afterword.learning.lines import Lines
from afterword.learning.ngram import learn_ngram
from afterword.learning.recipe import Recipe
from afterword.model.ngram import HIGHEST_ORDER, Ngram
from afterword.planning import rules
from afterword.planning.base import base_to_try, decided
from afterword.planning.expectation import Expectation, expectation, expectation_from_base
from afterword.planning.memory import check_memory
from afterword.planning.plan import AS_ASKED, Plan, asked, reasons, recipe_of
from afterword.planning.rules import Choice, Choices
from afterword.planning.settings import TrainingSettings
from afterword.planning.speed import StepTimes, available_threads
from afterword.text.corpus import TextSettings
from afterword.text.encoded import EncodedCorpus

HELD_OUT = "0.1"  # the fraction of the text, where nothing else is held out
DEFAULT_MINUTES = 5.0
OUTLOOK = (5, 30)  # times the minutes
LITTLE_TEXT = 50_000  # characters
FIRST_MEASURED, LARGEST_MEASURED = 256, 1024  # units: where the size is open, and where it is not
SAMPLE = 50_000  # held-out tokens that the expectation reads
SAMPLE_OF_BASE = 20_000  # held-out tokens that a base is judged by
MOST_COUNTED = 2**22  # tokens of lines that are laid out to see how many steps a pass over all of them takes
BUSY = 1.5  # times what a step takes alone, where a user should know; on a free machine it is 1.0 to 1.2
MOST_THREADS = 8  # that are taken unmeasured, or tried
SAME_FOR_ALL: Choices = {
    "recipe": Choice("auto"),
    "residual": Choice(True),
    "input": Choice("embedding"),
    "windows": Choice(False),
    "locked_dropout": Choice(True),
    "optimizer": Choice("muon"),
    "keep": Choice("best"),
    "num_layers": Choice(1, "a second layer takes longer than it brings in, at every time that was tried"),
    "schedule": Choice("cosine", "to zero at the last step"),
    "weight_decay": Choice(0.01, "ten times as much was worse"),
    "clip": Choice(1.0, "the gradient's norm, against rare jumps"),
    "reset_probability": Choice(0.05, "of a lane at a step, so that beginnings are learned too"),
    "ngram": Choice(HIGHEST_ORDER, "knows by heart what the LSTM learns slowly; 9 tokens bring hardly more"),
    "checkpoint_every": Choice(None, "by the minute, so that no more than that is done again"),
    "seed": Choice(0, "of everything that is drawn"),
    "cell": Choice("lstm"),
}


def text_settings(text: TextSettings) -> TextSettings:
    """`text` as this recipe reads it: a tenth is held out, unless another part is."""
    if text.vocabulary == "classic":
        raise OptionError("vocabulary classic belongs to the classic recipe: give --recipe classic")
    return dataclasses.replace(text, validation=text.validation or HELD_OUT)


def make_plan(encoded: EncodedCorpus, settings: TrainingSettings, base: Base | None = None) -> Plan:
    """Every number of a run, which begins from `base` where one is asked for.

    Raises OptionError for a network that the machine cannot hold.
    """
    by_itself = base is None
    begun_from = base_to_try(settings, encoded.tokenizer.kind) if by_itself else Choice(base, AS_ASKED)
    planner = _Planner(encoded, settings, begun_from.value)
    planner.check_memory()  # before anything takes time
    ngram = _learn_ngram_and_load(encoded)
    untouched = None if begun_from.value is None else planner.untouched(begun_from.value, ngram)
    if by_itself and begun_from.value is not None:
        begun_from = decided(begun_from.value, untouched)
        if begun_from.value is None:
            planner, untouched = _Planner(encoded, settings), None
    return planner.plan(ngram, begun_from, untouched)


def draft(encoded: EncodedCorpus, settings: TrainingSettings) -> Recipe:
    """The recipe of the size that is measured first, of one step unless `settings` say how many."""
    planner = _Planner(encoded, settings)
    return planner.recipe(planner.first)


def steps_per_pass(encoded: EncodedCorpus, batch_size: int, seq_length: int) -> float:
    """How many steps a pass over the training text takes."""
    if not encoded.lines:
        return len(encoded.training) / (batch_size * seq_length)
    part = encoded.beginning(MOST_COUNTED)
    assert encoded.tokenizer.end is not None
    lines = Lines(part.training, batch_size, seq_length, boundary=encoded.tokenizer.end, seed=0)
    return lines.steps_in_epoch * len(encoded.training) / len(part.training)


def _learn_ngram_and_load(encoded: EncodedCorpus) -> Ngram:
    """Count the n-grams while PyTorch is loaded: each takes seconds, the one of sorting, the other of Python."""
    with ThreadPoolExecutor(1) as other:
        counting = other.submit(learn_ngram, encoded, HIGHEST_ORDER)
        import torch

        torch.optim.SGD([torch.zeros(1)], lr=1.0)  # the first optimizer that is made loads half of PyTorch
        return counting.result()


class _Planner:
    """What is known of a run's numbers, and the times that the others follow from."""

    def __init__(self, encoded: EncodedCorpus, settings: TrainingSettings, base: Base | None = None) -> None:
        self._encoded, self._settings, self._base = encoded, settings, base
        self._tokens = len(encoded.training)
        self._asked = asked(settings)
        self._device = chosen(settings.device)
        timed = settings.steps is None and settings.epochs is None
        self._minutes = (settings.minutes or DEFAULT_MINUTES) if timed else None
        self._fixed = SAME_FOR_ALL | self._of_machine() | self._of_text() | self._of_base() | self._asked
        batch_size, seq_length = (self._fixed[name].value for name in ("batch_size", "seq_length"))
        self._steps_per_pass = steps_per_pass(encoded, batch_size, seq_length)
        self._most_passes = rules.MOST_PASSES if base is None else rules.MOST_PASSES_FROM_BASE
        self._most_steps = math.ceil(self._most_passes * self._steps_per_pass)
        self._fixed |= {"minutes": Choice(self._minutes), "most_steps": Choice(self._most_steps if timed else None)}
        if "hidden_size" in self._fixed:
            self.first = min(LARGEST_MEASURED, self._fixed["hidden_size"].value)
        else:
            self.first = min(FIRST_MEASURED, rules.largest_size(self._tokens))
        self._times = StepTimes(encoded, self.first, self.recipe)

    def plan(self, ngram: Ngram, base: Choice[Base | None], untouched: Measured | None) -> Plan:
        """The whole of it. `ngram` is of the training text and `HIGHEST_ORDER`.

        `base` is this planner's, with the reason for it, and `untouched` what the held-out text costs the two so far.
        """
        if self._minutes is not None:
            self._choose_way()
        size = self._size(self._minutes)
        while self._minutes is not None and self._times.measure(size.value):
            size = self._size(self._minutes)
        steps, alone = (self._steps(size.value, self._minutes, alone) for alone in (False, True))
        choices = self._choices(size, steps) | {"dropout": self._dropout(alone / self._steps_per_pass)} | self._asked
        if self._minutes is not None:
            pace = f"at {1000 * self._times(size.value).now:.0f} ms per step here"
            choices["steps"] = Choice(steps, f"{choices['steps'].reason}, {pace}")
        recipe = recipe_of(choices)
        self._check_memory(recipe)
        expected, outlook = self._expectations(recipe, ngram, untouched)
        kept = ngram if recipe.ngram == HIGHEST_ORDER else None
        why = ({"base": base.reason} if base.reason else {}) | reasons(choices)
        return Plan(recipe, why, expected, outlook, self._notes(recipe), base.value, kept)

    def check_memory(self) -> None:
        """Raise OptionError for a network that the machine cannot hold, of the size that is set or measured first."""
        size = self._fixed["hidden_size"].value if "hidden_size" in self._fixed else self.first
        self._check_memory(self.recipe(size))

    def untouched(self, base: Base, ngram: Ngram) -> Measured | None:
        """What a sample of the held-out text costs the base as it is, the n-gram, and both; None without such a text.

        The sample has a fixed number of tokens, and nothing depends on the clock.
        """
        from afterword.learning.learner import Learner
        from afterword.learning.validation import HeldOut

        recipe = dataclasses.replace(self.recipe(base.config.hidden_size), validation_tokens=SAMPLE_OF_BASE)
        learner = Learner(recipe.config(self._encoded.tokenizer), recipe)
        learner.start_from(base.weights_for(self._encoded.tokenizer, self._encoded.lines, recipe.seed))
        return HeldOut(self._encoded, recipe, ngram).measure(learner)

    def recipe(self, size: int) -> Recipe:
        """The recipe of `size` units, to measure a step of."""
        return recipe_of(self._choices(Choice(size), steps=1))

    def _check_memory(self, recipe: Recipe) -> None:
        check_memory(recipe.config(self._encoded.tokenizer), recipe.batch_size, recipe.seq_length, recipe.device)

    def _of_machine(self) -> Choices:
        by_hand = self._settings.device != "auto"
        found = "a GPU was found" if self._device == "cuda" else "the processor"
        return {
            "device": Choice(self._device, AS_ASKED if by_hand else found),
            "threads": Choice(min(available_threads(), MOST_THREADS), f"the processors, up to {MOST_THREADS}"),
        }

    def _of_base(self) -> Choices:
        """What a base has already, and the run cannot choose."""
        if self._base is None:
            return {}
        config = self._base.config
        told = ("num_layers", "hidden_size", "embedding_size")
        return {name: Choice(getattr(config, name), "the base's") for name in told} | {
            name: Choice(getattr(config, name)) for name in ("cell", "residual")
        }

    def _dropout(self, passes: float) -> Choice[float]:
        return rules.dropout(passes) if self._base is None else rules.dropout_from_base(passes)

    def _learning_rate(self, units: int) -> Choice[float]:
        return rules.learning_rate(units) if self._base is None else rules.learning_rate_from_base(units, self._tokens)

    def _of_text(self) -> Choices:
        if self._encoded.lines:
            seq_length = Choice(256, "longer lines are read in pieces")
            blind = Choice(0, "an n-gram soon forgets a line's label, and would write lines of any kind")
            return {
                "seq_length": seq_length,
                "batch_size": rules.lines_per_step(self._tokens / self._encoded.documents),
                **({"ngram": blind} if self._encoded.labels else {}),
            }
        seq_length = Choice(
            max(1, min(64, self._tokens - 1)),
            "tokens that the gradient reaches back: more brought nothing, since the state itself is carried on",
        )
        return {
            "seq_length": seq_length,
            "batch_size": rules.lanes(self._tokens, self._settings.seq_length or seq_length.value),
        }

    def _choose_way(self) -> None:
        """Take the precision, or as many threads, as are fastest.

        On many processors a small network is slowed down by them all.
        """
        ways: list[Choices] = []
        if self._device == "cuda":
            tried = precisions_to_try("cuda", self.first)
            ways = [{"precision": Choice(each, f"the fastest of {', '.join(tried)} here")} for each in tried]
        elif self._settings.threads is None:
            most = available_threads()
            counts = sorted({min(most, n) for n in (most, MOST_THREADS, 4)})
            ways = [{"threads": Choice(n, f"the fastest of {', '.join(map(str, counts))}")} for n in counts]
        if len(ways) > 1:
            choices = self._choices(Choice(self.first), steps=1)
            self._fixed |= ways[self._times.fastest(self.first, [recipe_of(choices | way) for way in ways])]

    def _size(self, minutes: float | None) -> Choice[int]:
        """The units for a run of `minutes`, as for a free machine: a network stays as small as it was begun."""
        if "hidden_size" in self._fixed:
            return self._fixed["hidden_size"]
        return self._size_by_rule(minutes)

    def _size_by_rule(self, minutes: float | None) -> Choice[int]:
        if minutes is None:
            return rules.size_untimed(self._tokens)
        tokens_per_step = self._tokens / self._steps_per_pass

        def tokens_read(size: int) -> float:
            return tokens_per_step * self._steps_in_time(size, minutes, alone=True)

        return rules.size_in_time(self._tokens, tokens_read, self._fixed["num_layers"].value)

    def _steps_in_time(self, size: int, minutes: float, alone: bool) -> float:
        seconds = self._times(size).alone if alone else self._times(size).now
        return minutes * 60 * (1 - rules.EVALUATION_SHARE) / seconds

    def _steps(self, size: int, minutes: float | None, alone: bool = False) -> int:
        """How many steps a run has, beside what else keeps the machine busy now, or `alone`."""
        if self._settings.steps is not None:
            return self._settings.steps
        if minutes is None:
            return max(1, round((self._settings.epochs or 1) * self._steps_per_pass))
        return max(1, int(min(self._steps_in_time(size, minutes, alone), self._most_steps)))

    def _choices(self, size: Choice[int], steps: int) -> Choices:
        """Every number of a run of `steps` steps and, as far as it is not asked for otherwise, of `size` units."""
        units, passes = size.value, steps / self._steps_per_pass
        precision = precisions_to_try(self._device, units)[0]
        short = "nothing shorter is faster here" if precision == "float32" else "multiplied in hardware here"
        wide = "what the GPU's fast kernel takes" if self._device == "cuda" else "twice as many made it worse"
        of_size: Choices = {
            "hidden_size": size,
            "embedding_size": Choice(embedding_size(self._device, units), wide),
            "learning_rate": self._learning_rate(units),
            "precision": Choice(precision, short),
        }
        of_steps = rules.of_steps(steps, self._tokens / self._steps_per_pass, len(self._encoded.validation)) | {
            "steps": Choice(steps, f"{passes:.1f} passes over the text"),
            "dropout": self._dropout(passes),
        }
        return of_size | of_steps | self._fixed

    def _expectations(
        self, recipe: Recipe, ngram: Ngram, untouched: Measured | None
    ) -> tuple[Expectation | None, dict[float, Expectation]]:
        """What to expect of the run, and of runs of other minutes, as far as anything is known of such runs."""
        after = self._expected_after(recipe, ngram, untouched)
        if after is None:
            return None, {}

        def expect(minutes: float | None) -> Expectation | None:
            passes = self._steps(self._size(minutes).value, minutes) / self._steps_per_pass
            return after(passes * self._tokens)

        expected, outlook = expect(self._minutes), {}
        if self._minutes is not None and (best := expected) is not None:
            for minutes in (self._minutes * k for k in OUTLOOK):
                then = expect(minutes)
                if then is not None and then.likely < 0.999 * best.likely:
                    outlook[minutes] = best = then
        return expected, outlook

    def _expected_after(
        self, recipe: Recipe, ngram: Ngram, untouched: Measured | None
    ) -> Callable[[float], Expectation | None] | None:
        """What to expect by the tokens that are read; None of runs like which none was tried."""
        if self._settings.learning_rate is not None or recipe.ngram <= HIGHEST_ORDER // 2:
            return None
        if self._base is not None:
            return None if untouched is None else functools.partial(expectation_from_base, untouched.cost)
        near = 1 / 2 <= recipe.hidden_size / self._size_by_rule(self._minutes).value <= 2
        alike = near and recipe.cell == "lstm" and recipe.num_layers <= 2
        cost = self._cost_of(ngram, recipe) if alike else None
        return None if cost is None else functools.partial(expectation, cost, self._encoded.training_characters)

    def _cost_of(self, ngram: Ngram, recipe: Recipe) -> float | None:
        """Nats that a held-out character costs the n-gram alone, by a sample of them; None where none is held out."""
        from afterword.learning.validation import HeldOut

        sample = min(recipe.validation_tokens, SAMPLE)
        return HeldOut(self._encoded, dataclasses.replace(recipe, validation_tokens=sample), ngram).ngram_cost

    def _notes(self, recipe: Recipe) -> list[str]:
        notes = []
        characters = self._encoded.training_characters
        if characters < LITTLE_TEXT:
            notes.append(
                f"{characters:,} characters are little to learn from: expect pieces of the text by heart "
                "and made-up words between them; some 100,000 and more do better"
            )
        if recipe.minutes is None:
            return notes
        step = self._times(recipe.hidden_size)
        minutes = recipe.steps * step.now / (1 - rules.EVALUATION_SHARE) / 60
        if recipe.steps == recipe.most_steps and minutes < 0.9 * recipe.minutes:
            after = f"{minutes:.0f} min" if minutes >= 2 else f"{max(1, round(60 * minutes))} s"
            notes.append(
                f"{self._most_passes:g} passes over this text are enough, more would learn it by heart: "
                f"the run will end after about {after}"
            )
        if step.now > BUSY * step.alone:
            notes.append(
                f"other processes keep this machine busy: a step takes {1000 * step.now:.0f} ms, and computes for "
                f"{1000 * step.alone:.0f} of them; the network is chosen as for a free machine, and the run takes as "
                "many steps as it finds time for"
            )
        return notes
