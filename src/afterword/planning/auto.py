"""The default plan: every number follows from the text, the time and this machine's measured speed.

A number that the user set is kept, and the other numbers are fitted to it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from afterword.errors import OptionError
from afterword.learning.batches import Lines
from afterword.learning.device import chosen_device, embedding_size, precisions_to_try
from afterword.learning.recipe import Recipe
from afterword.learning.validation import HeldOut, Measured, learn_ngram
from afterword.model.arrays import check_threads_fit
from afterword.model.ngram.tables import HIGHEST_ORDER, Ngram
from afterword.planning import tuning
from afterword.planning.base_choice import SCRATCH, SIZES, Begun
from afterword.planning.expectation import Expectation, expectation, expectation_from_base
from afterword.planning.machine import StepTime, StepTimes, available_threads, check_memory
from afterword.planning.training_plan import (
    AS_ASKED,
    DEFAULT_MINUTES,
    CorpusSettings,
    Plan,
    TrainingSettings,
    asked,
    reasons,
    recipe_of,
)
from afterword.planning.tuning import Choice, Choices
from afterword.text.encoded import EncodedCorpus

HELD_OUT = "0.1"  # fraction of the text, if nothing else is held out
OUTLOOK = (5, 30)  # times the minutes
LITTLE_TEXT = 50_000  # characters
FIRST_MEASURED = 256  # units, at most, if the size is open
SAMPLE = 50_000  # held-out tokens for the expectation
MOST_COUNTED = 2**22  # tokens that are looked at, to count the steps of a pass over lines, and to remark on a text
BUSY = 1.5  # times a step's time alone, from which the user reads of it; on a free machine it is 1.0 to 1.2
TAUGHT = 8 / 7  # times a step's time without a teacher
MOST_THREADS = 8  # used without measuring, or tried
SAME_FOR_ALL: Choices = {
    "recipe": Choice("auto"),
    "residual": Choice(True),
    "input": Choice("embedding"),
    "windows": Choice(False),
    "locked_dropout": Choice(True),
    "optimizer": Choice("muon"),
    "keep": Choice("best"),
    "num_layers": Choice(1, "a second layer costs more time than it is worth, in runs of every length that was tried"),
    "schedule": Choice("cosine", "to zero at the last step"),
    "weight_decay": Choice(0.01, "ten times as much was worse"),
    "clip": Choice(1.0, "the gradient's norm, against rare jumps"),
    "reset_probability": Choice(0.05, "probability that a lane restarts at a step, so that beginnings are learned too"),
    "ngram": Choice(HIGHEST_ORDER, "tokens: n-grams know by heart what the LSTM learns slowly; 9 are hardly better"),
    "checkpoint_every": Choice(None, "once per minute, so that at most a minute is repeated"),
    "seed": Choice(0, "of all random numbers"),
    "cell": Choice("lstm"),
    "distillation": Choice(0.0),
}


def text_settings(text: CorpusSettings) -> CorpusSettings:
    """Return `text` as this recipe reads it: a tenth is held out, unless another part is."""
    if text.vocabulary == "classic":
        raise OptionError("vocabulary classic belongs to the classic recipe: give `recipe` classic")
    return text.holding_out(HELD_OUT)


def make_plan(encoded: EncodedCorpus, settings: TrainingSettings, begun: Begun = SCRATCH) -> Plan:
    """Plan a run on `encoded`, which has the tokens of the base that it starts from, if any.

    Raises OptionError for a network that does not fit in memory.
    """
    check_threads_fit(1 + min(available_threads(), MOST_THREADS))  # OpenMP ends the process without a thread
    with ThreadPoolExecutor(1) as other:  # it counts, mostly in NumPy, while PyTorch loads, mostly in Python
        counting = other.submit(lambda: begun.ngram or learn_ngram(encoded, HIGHEST_ORDER))
        planner = _Planner(encoded, settings, begun)
        check_memory(planner.recipe(planner.first), encoded.tokenizer)
        if begun.base.value is not None:
            planner.make_learner()
        ngram = counting.result()
    return planner.plan(ngram)


def recipe_to_measure(encoded: EncodedCorpus, settings: TrainingSettings) -> Recipe:
    """Return the recipe of the size that is measured first, of one step unless `settings` set their number."""
    planner = _Planner(encoded, settings)
    return planner.recipe(planner.first)


def steps_per_pass(encoded: EncodedCorpus, batch_size: int, seq_length: int) -> float:
    """Return the number of steps in a pass over the training text."""
    if not encoded.lines:
        return len(encoded.training) / (batch_size * seq_length)
    part = encoded.beginning(MOST_COUNTED)
    assert encoded.tokenizer.end is not None
    lines = Lines(part.training, batch_size, seq_length, boundary=encoded.tokenizer.end, seed=0)
    return lines.steps_in_epoch * len(encoded.training) / len(part.training)


class _Planner:
    """The numbers of a run that are known already, and the times from which the others follow."""

    def __init__(self, encoded: EncodedCorpus, settings: TrainingSettings, begun: Begun = SCRATCH) -> None:
        self._encoded, self._settings, self._begun, self._base = encoded, settings, begun, begun.base.value
        self._tokens = len(encoded.training)
        self._asked = asked(settings)
        self._device = chosen_device(settings.device)
        timed = settings.steps is None and settings.epochs is None
        self._minutes = (settings.minutes or DEFAULT_MINUTES) if timed else None
        self._fixed = SAME_FOR_ALL | self._of_machine() | self._of_text() | self._of_base() | self._asked
        batch_size, seq_length = (self._fixed[name].value for name in ("batch_size", "seq_length"))
        self._steps_per_pass = steps_per_pass(encoded, batch_size, seq_length)
        most_passes = tuning.most_passes(self._tokens, from_base=self._base is not None)
        self._most_steps = math.ceil(most_passes * self._steps_per_pass)
        self._fixed |= {"minutes": Choice(self._minutes), "most_steps": Choice(self._most_steps if timed else None)}
        open_size = Choice(min(FIRST_MEASURED, tuning.largest_size(self._tokens)))
        self.first = self._fixed.get("hidden_size", open_size).value
        self._times = StepTimes(encoded, self.first, self.recipe)

    def plan(self, ngram: Ngram) -> Plan:
        """Return the plan. `ngram` is the training text's, of `HIGHEST_ORDER`."""
        begun, encoded = self._begun, self._encoded
        # the cost of held-out text to base and n-gram as they are
        untouched = begun.untrained.with_ngram(ngram, encoded.tokenizer) if begun.untrained else None
        if self._minutes is not None:
            self._choose_fastest()
        size = self._size(self._minutes)
        while self._minutes is not None and self._times.measure(size.value):
            size = self._size(self._minutes)
        if self._base is not None:
            taught = self._steps(size.value, self._minutes, alone=True) / math.ceil(self._steps_per_pass)
            self._fixed["distillation"] = tuning.distillation(0.0 if untouched is None else untouched.gain, taught)
        steps, alone = (self._steps(size.value, self._minutes, alone) for alone in (False, True))
        choices = self._choices(size, steps) | self._dropout(alone) | self._asked
        if self._minutes is not None:
            pace = f"at {1000 * self._step_time(size.value).now:.0f} ms per step here"
            choices["steps"] = Choice(steps, f"{choices['steps'].reason}, {pace}")
        recipe = recipe_of(choices)
        check_memory(recipe, encoded.tokenizer)
        expected, outlook = self._expectations(recipe, ngram, untouched)
        kept = ngram if recipe.ngram == HIGHEST_ORDER else None
        why = ({"base": begun.base.reason} if begun.base.reason else {}) | reasons(choices)
        notes = [*begun.problems, *self._notes(recipe)]
        return Plan(recipe, why, expected, outlook, notes, self._base, kept)

    def make_learner(self) -> None:
        """Make the learner of the first size, to measure steps, unless none will be measured."""
        if self._minutes is not None:
            from afterword.learning.learner import Learner

            recipe = self.recipe(self.first)
            self._times.learner = Learner(recipe.config(self._encoded.tokenizer), recipe)

    def recipe(self, size: int) -> Recipe:
        """Return the recipe of `size` units, to measure a step."""
        return recipe_of(self._choices(Choice(size), steps=1))

    def _of_machine(self) -> Choices:
        by_hand = self._settings.device != "auto"
        found = "a GPU was found" if self._device == "cuda" else "the processor"
        return {
            "device": Choice(self._device, AS_ASKED if by_hand else found),
            "threads": Choice(min(available_threads(), MOST_THREADS), f"all processors, up to {MOST_THREADS}"),
        }

    def _of_base(self) -> Choices:
        """Return the numbers that a base fixes, and distillation, which is assumed until it is decided."""
        if self._base is None:
            return {}
        config = self._base.config
        return (
            {name: Choice(getattr(config, name), "from the base") for name in SIZES}
            | {name: Choice(getattr(config, name)) for name in ("cell", "residual")}
            | {"distillation": Choice(tuning.MOST_DISTILLATION)}
        )

    def _of_text(self) -> Choices:
        if self._encoded.lines:
            length = self._tokens / self._encoded.documents
            if not self._encoded.is_text:
                seldom = Choice(0, "the same values rarely follow one another twice")
                return tuning.values_per_step(self._tokens, length) | {"ngram": seldom}
            blind = Choice(0, "an n-gram soon forgets a line's label, and would write lines of any kind")
            of_lines: Choices = {"seq_length": tuning.IN_PIECES, "batch_size": tuning.lines_per_step(length)}
            return of_lines | ({"ngram": blind} if self._encoded.labels else {})
        seq_length = Choice(
            max(1, min(64, self._tokens - 1)),
            "length of truncated backpropagation, in tokens: more gained nothing, since the state itself is carried",
        )
        return {
            "seq_length": seq_length,
            "batch_size": tuning.lanes(
                self._tokens, self._settings.seq_length or seq_length.value, from_base=self._base is not None
            ),
        }

    def _choose_fastest(self) -> None:
        """Choose the fastest precision, or number of threads.

        A small network is slower on all of many processors than on some.
        """
        candidates: list[Choices] = []
        if self._device == "cuda":
            tried = precisions_to_try("cuda", self.first)
            candidates = [{"precision": Choice(each, f"the fastest of {', '.join(tried)} here")} for each in tried]
        elif self._settings.threads is None:
            most = available_threads()
            counts = sorted({min(most, n) for n in (most, MOST_THREADS, 4)})
            candidates = [{"threads": Choice(n, f"the fastest of {', '.join(map(str, counts))}")} for n in counts]
        if len(candidates) > 1:
            choices = self._choices(Choice(self.first), steps=1)
            self._fixed |= candidates[self._times.fastest(self.first, [recipe_of(choices | one) for one in candidates])]

    def _size(self, minutes: float | None) -> Choice[int]:
        """Return the units for a run of `minutes`, as on a free machine: a network cannot grow when others stop."""
        return self._fixed.get("hidden_size") or self._size_by_rule(minutes)

    def _size_by_rule(self, minutes: float | None) -> Choice[int]:
        if minutes is None:
            return tuning.size_untimed(self._tokens)
        tokens_per_step = self._tokens / self._steps_per_pass

        def tokens_read(size: int) -> float:
            return tokens_per_step * self._steps_in_time(size, minutes, alone=True)

        return tuning.size_in_time(self._tokens, tokens_read, self._fixed["num_layers"].value)

    def _step_time(self, size: int) -> StepTime:
        return self._times(size) * (TAUGHT if self._fixed["distillation"].value else 1.0)

    def _steps_in_time(self, size: int, minutes: float, alone: bool) -> float:
        step = self._step_time(size)
        seconds = step.alone if alone else step.now
        return minutes * 60 * (1 - tuning.EVALUATION_SHARE) / seconds

    def _steps(self, size: int, minutes: float | None, alone: bool = False) -> int:
        """Return the number of steps of a run, with the other processes of now, or `alone`."""
        if self._settings.steps is not None:
            return self._settings.steps
        if minutes is None:
            return max(1, round((self._settings.epochs or 1) * self._steps_per_pass))
        return max(1, int(min(self._steps_in_time(size, minutes, alone), self._most_steps)))

    def _choices(self, size: Choice[int], steps: int) -> Choices:
        """Return every number of a run of `steps` steps and of `size` units, unless the user set another size."""
        units = size.value
        if self._base is None:
            rate = tuning.learning_rate(units)
        else:
            rate = tuning.learning_rate_from_base(units, self._tokens, self._encoded.training_characters)
        precision = precisions_to_try(self._device, units)[0]
        short = "a shorter one is not faster" if precision == "float32" else "fast in hardware here"
        wide = "required by the GPU's fast kernel" if self._device == "cuda" else "twice as many were worse"
        of_size: Choices = {
            "hidden_size": size,
            "embedding_size": Choice(embedding_size(self._device, units), wide),
            "learning_rate": rate,
            "precision": Choice(precision, short),
        }
        of_steps = tuning.of_steps(steps, self._tokens / self._steps_per_pass, len(self._encoded.validation))
        of_steps["steps"] = Choice(steps, f"{self._passes(steps)} over the {self._encoded.kind}")
        return of_size | of_steps | self._dropout(steps) | self._fixed

    def _passes(self, steps: int) -> str:
        return f"{round(steps / self._steps_per_pass, 1):g} passes"

    def _dropout(self, steps: int) -> Choices:
        return {"dropout": tuning.dropout(steps / self._steps_per_pass, from_base=self._base is not None)}

    def _expectations(
        self, recipe: Recipe, ngram: Ngram, untouched: Measured | None
    ) -> tuple[Expectation | None, dict[float, Expectation]]:
        """Return the expected cost of the run, and of runs of other lengths, as far as such runs have been tried."""
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
        """Return the expected cost as a function of the tokens read, or None if no such run has been tried."""
        if self._settings.learning_rate is not None or recipe.ngram <= HIGHEST_ORDER // 2:
            return None
        characters = self._encoded.training_characters
        if self._base is not None:
            if untouched is None:
                return None
            return lambda tokens: expectation_from_base(untouched.cost, characters * tokens / self._tokens)
        near = 1 / 2 <= recipe.hidden_size / self._size_by_rule(self._minutes).value <= 2
        alike = near and recipe.cell == "lstm" and recipe.num_layers <= 2
        sample = dataclasses.replace(recipe, validation_tokens=min(recipe.validation_tokens, SAMPLE))
        cost = HeldOut(self._encoded, sample, ngram).ngram_cost if alike else None
        return None if cost is None else functools.partial(expectation, cost, characters)

    def _notes(self, recipe: Recipe) -> list[str]:
        notes = []
        characters = self._encoded.training_characters
        if characters < LITTLE_TEXT and self._encoded.is_text:
            expect = "pieces of the text by heart and made-up words between them"
            if self._base is not None:  # from 2 kB, 0.3 % is copied in runs of 20 characters; 1 % of words are made up
                expect = f"what it writes to be more like {self._base.name} than like the text"
            few = f"{characters:,} characters are few to learn from"
            notes.append(f"{few}: expect {expect}; use 100,000 or more for better results")
        counted = np.bincount(self._encoded.training[:MOST_COUNTED], minlength=self._encoded.tokenizer.rows)
        if remark := self._encoded.tokenizer.remark(counted):
            notes.append(remark)
        if recipe.minutes is None:
            return notes
        step = self._step_time(recipe.hidden_size)
        minutes = recipe.steps * step.now / (1 - tuning.EVALUATION_SHARE) / 60
        if recipe.steps == recipe.most_steps and minutes < 0.9 * recipe.minutes:
            after = f"{minutes:.0f} min" if minutes >= 2 else f"{max(1, round(60 * minutes))} s"
            notes.append(
                f"{self._passes(recipe.steps)} over this {self._encoded.kind} are enough, "
                f"and more would learn it by heart: the run will end after about {after}"
            )
        if step.now > BUSY * step.alone:
            notes.append(
                f"other processes keep this machine busy: a step takes {1000 * step.now:.0f} ms, "
                f"{1000 * step.alone:.0f} of them for computing; the network is chosen as for a free machine, "
                "and the run takes as many steps as it has time for"
            )
        return notes
