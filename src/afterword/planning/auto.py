"""The default plan: every number follows from the text, the time and this machine's measured speed.

A number that the user set is kept, and the other numbers are fitted to it.
"""

from __future__ import annotations

import dataclasses
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from afterword.learning.batches import MOST_EXAMINED, steps_per_pass
from afterword.learning.device import chosen_device, embedding_size, precisions_to_try
from afterword.learning.recipe import Recipe
from afterword.learning.validation import HeldOut, Measured, learn_ngram
from afterword.model.arrays import check_threads_fit
from afterword.model.network.cells import CELLS
from afterword.model.ngram.tables import HIGHEST_ORDER, Ngram
from afterword.planning import tuning
from afterword.planning.base_choice import SCRATCH, SIZES, StartingPoint
from afterword.planning.expectation import Expectation, expectation, expectation_from_base
from afterword.planning.machine import StepTime, StepTimes, available_threads, check_memory
from afterword.planning.training_plan import (
    AS_ASKED,
    DEFAULT_MINUTES,
    Plan,
    TrainingSettings,
    numbers_set,
)
from afterword.planning.tuning import Choice, Choices
from afterword.text.encoded import EncodedCorpus

FIRST_MEASURED = 256  # units, at most, if the size is open
SAMPLE = 50_000  # held-out tokens for the expectation
LEAST_SMALLER = 1.5  # times fewer units, at least, in the network with which a run begins anew
BUSY = 1.5  # times a step's time alone, from which the user reads of it; on a free machine it is 1.0 to 1.2
TAUGHT = 8 / 7  # times a step's time without a teacher
MOST_THREADS = 8  # used without measuring, or tried
SAME_FOR_ALL: Choices = {
    "recipe": ("auto", ""),
    "residual": (True, ""),
    "input": ("embedding", ""),
    "windows": (False, ""),
    "locked_dropout": (True, ""),
    "optimizer": ("muon", ""),
    "keep": ("best", ""),
    "num_layers": (1, "a second layer costs more time than it is worth, in runs of every length that was tried"),
    "schedule": ("cosine", "to zero at the last step"),
    "weight_decay": (0.01, "ten times as much was worse"),
    "clip": (1.0, "the gradient's norm, against rare jumps"),
    "reset_probability": (0.05, "probability that a lane restarts at a step, so that beginnings are learned too"),
    "ngram": (HIGHEST_ORDER, "tokens: n-grams know by heart what the LSTM learns slowly; 9 are hardly better"),
    "checkpoint_every": (None, "once per minute, so that at most a minute is repeated"),
    "seed": (0, "of all random numbers"),
}


def make_plan(encoded: EncodedCorpus, settings: TrainingSettings, start: StartingPoint = SCRATCH) -> Plan:
    """Plan a run on `encoded`, which has the tokens of the base that it starts from, if any.

    Raises OptionError for a network that does not fit in memory.
    """
    check_threads_fit(1 + min(available_threads(), MOST_THREADS))  # OpenMP ends the process without a thread
    with ThreadPoolExecutor(1) as other:  # it counts, mostly in NumPy, while PyTorch loads, mostly in Python
        counting = other.submit(lambda: start.ngram or learn_ngram(encoded, HIGHEST_ORDER))
        planner = Planner(encoded, settings, start)
        check_memory(planner.recipe(planner.first), encoded.tokenizer)
        ngram = counting.result()
    return planner.plan(ngram)


def smaller_recipe(encoded: EncodedCorpus, settings: TrainingSettings, recipe: Recipe, pace: float) -> Recipe | None:
    """Return a recipe for a smaller network, if it suits the minutes of `settings` better than `recipe`.

    A step of `recipe` takes `pace` seconds, because other processes take part of the machine's time. Returns None if
    the network should stay.
    """
    return Planner(encoded, settings).slowed(recipe, pace)


class Planner:
    """The numbers of a run that are known already, and the times from which the others follow."""

    def __init__(self, encoded: EncodedCorpus, settings: TrainingSettings, start: StartingPoint = SCRATCH) -> None:
        self._encoded, self._settings, self._start, self._base = encoded, settings, start, start.base
        self._tokens = len(encoded.training)
        self._device = chosen_device(settings.device)
        self._asked = numbers_set(settings)
        timed = settings.steps is None and settings.epochs is None
        self._minutes = (settings.minutes or DEFAULT_MINUTES) if timed else None
        self._fixed = SAME_FOR_ALL | self._of_machine() | self._of_text() | self._of_base() | self._asked
        (batch_size, _), (seq_length, _) = self._fixed["batch_size"], self._fixed["seq_length"]
        self._steps_per_pass = steps_per_pass(encoded, batch_size, seq_length)
        self._limit = settings.limit if self._base is None else tuning.limit_from_base(self._tokens, encoded.lines)
        self._most_steps = tuning.most_steps(self._steps_per_pass, self._limit)
        self._fixed |= {"minutes": (self._minutes, ""), "most_steps": (self._most_steps if timed else None, "")}
        open_size = min(FIRST_MEASURED, tuning.largest_size(self._tokens))
        self.first, _ = self._fixed.get("hidden_size", (open_size, ""))
        self._times = StepTimes(encoded, self.first, self.recipe)
        self._load: float | None = None  # the time of a step ÷ its time alone, if a run has measured it

    def plan(self, ngram: Ngram) -> Plan:
        """Return the plan. `ngram` is the training text's, of `HIGHEST_ORDER`."""
        start, encoded, is_timed = self._start, self._encoded, self._minutes is not None
        # the cost of held-out text to base and n-gram as they are
        untouched = start.untrained.with_ngram(ngram, encoded.tokenizer) if start.untrained else None
        if is_timed:
            self._choose_fastest()
        size, why = self._measured_size()
        if self._base is not None:
            taught = self._steps(size, alone=True) / math.ceil(self._steps_per_pass)
            self._fixed["distillation"] = tuning.distillation(0.0 if untouched is None else untouched.gain, taught)
        choices = self._numbers(size, why)
        if is_timed:
            steps, passes = choices["steps"]
            choices["steps"] = steps, f"{passes}, at {1000 * self._step_time(size).now:.0f} ms per step here"
        recipe = _recipe(choices)
        check_memory(recipe, encoded.tokenizer)
        reasons = {"base": start.why} | {name: choices[name][1] for name in vars(recipe) if name in choices}
        return Plan(
            recipe,
            {name: reason for name, reason in reasons.items() if reason},
            self._expected(self._cost_before(recipe, ngram, untouched)),
            [*start.problems, *self._notes(recipe)],
            self._base,
            ngram if recipe.ngram == HIGHEST_ORDER else None,
        )

    def slowed(self, recipe: Recipe, pace: float) -> Recipe | None:
        """Return a recipe for a machine on which a step of `recipe` takes `pace` seconds, if its network is smaller."""
        self._times.measure(recipe.hidden_size)
        self._load = pace / self._times(recipe.hidden_size).alone
        size, why = self._measured_size()
        return _recipe(self._numbers(size, why)) if size * LEAST_SMALLER <= recipe.hidden_size else None

    def _measured_size(self) -> Choice[int]:
        """Return the units of the run, after measuring the sizes that may suit it."""
        size, why = self._size()
        while self._minutes is not None and self._times.measure(size):
            size, why = self._size()
        return size, why

    def _numbers(self, size: int, why: str) -> Choices:
        """Return every number of a run of `size` units; `why` is the reason for that size."""
        choices = self._choices(size, self._steps(size)) | {"hidden_size": (size, why)}
        choices |= {"dropout": self._dropout(self._steps(size, alone=True))} | self._asked
        if self._limit is tuning.OF_TEXT:
            per_token = tuning.weights(size, choices["num_layers"][0]) / self._tokens
            dropped = tuning.weight_dropout(choices["dropout"][0], choices["steps"][0], per_token)
            rate = tuning.learning_rate(size, dropped[0])
            choices |= {"weight_dropout": dropped, "learning_rate": rate} | self._asked
        return choices

    def recipe(self, size: int) -> Recipe:
        """Return the recipe of `size` units, to measure a step."""
        return _recipe(self._choices(size, steps=1))

    def _of_machine(self) -> Choices:
        by_hand = self._settings.device != "auto"
        found = "a GPU was found" if self._device == "cuda" else "the processor"
        return {
            "device": (self._device, AS_ASKED if by_hand else found),
            "threads": (min(available_threads(), MOST_THREADS), f"all processors, up to {MOST_THREADS}"),
        }

    def _of_base(self) -> Choices:
        """Return what a base fixes, and distillation, which is assumed until it is decided."""
        if self._base is None:
            return {}
        sizes: Choices = {name: (getattr(self._base.model.config, name), "from the base") for name in SIZES}
        others = {name: (getattr(self._base.model.config, name), "") for name in ("cell", "residual")}
        as_usual = not {"dropout", "schedule"} & self._asked.keys()
        if self._minutes is not None and as_usual and len(self._encoded.validation):
            why = "if time is left: from the base again; the model is the mean of both trainings"
            others["second_training"] = True, why
        return sizes | others | {"distillation": (tuning.MOST_DISTILLATION, "")}

    def _of_text(self) -> Choices:
        tokens = self._tokens
        if self._encoded.lines:
            length = tokens / self._encoded.documents
            blind = 0, "an n-gram soon forgets a line's label, and would write lines of any kind"
            pieces = 256, "longer lines are read in pieces"
            of_lines: Choices = {"seq_length": pieces, "batch_size": tuning.lines_per_step(length)}
            return of_lines | ({"ngram": blind} if self._encoded.labels else {})
        seq_length = max(1, min(64, tokens - 1))
        why = "length of truncated backpropagation, in tokens: more gained nothing, since the state itself is carried"
        lanes = tuning.lanes(tokens, self._settings.seq_length or seq_length, from_base=self._base is not None)
        return {"seq_length": (seq_length, why), "batch_size": lanes}

    def _choose_fastest(self) -> None:
        """Choose the fastest precision, or number of threads.

        A small network is slower on all of many processors than on some.
        """
        candidates: list[Choices] = []
        if self._device == "cuda":
            tried = precisions_to_try("cuda", self.first)
            candidates = [{"precision": (each, f"the fastest of {', '.join(tried)} here")} for each in tried]
        elif self._settings.threads is None:
            most = available_threads()
            counts = sorted({min(most, n) for n in (most, MOST_THREADS, 4)})
            candidates = [{"threads": (n, f"the fastest of {', '.join(map(str, counts))}")} for n in counts]
        if len(candidates) > 1:
            choices = self._choices(self.first, steps=1)
            self._fixed |= candidates[self._times.fastest(self.first, [_recipe(choices | one) for one in candidates])]

    def _size(self) -> Choice[int]:
        """Return the units of the run, as if nothing else ran here: a network cannot grow when other programs stop.

        If other programs keep running, the run begins anew with a smaller network (`slowed`).
        """
        return self._fixed.get("hidden_size") or self._size_by_rule()

    def _size_by_rule(self) -> Choice[int]:
        if self._minutes is None:
            return tuning.size_untimed(self._tokens)
        tokens_per_step = self._tokens / self._steps_per_pass

        def tokens_read(size: int) -> float:
            return tokens_per_step * self._steps_in_time(size, alone=True)

        return tuning.size_in_time(self._tokens, tokens_read, self._fixed["num_layers"][0])

    def _step_time(self, size: int) -> StepTime:
        return self._times(size) * (TAUGHT if self._fixed.get("distillation", (0.0, ""))[0] else 1.0)

    def _steps_in_time(self, size: int, alone: bool) -> float:
        step = self._step_time(size)
        seconds = step.alone * self._load if self._load else step.alone if alone else step.now
        return (self._minutes or 0.0) * 60 * (1 - tuning.EVALUATION_SHARE) / seconds

    def _steps(self, size: int, alone: bool = False) -> int:
        """Return the number of steps of a run, with the other processes of now, or `alone`."""
        if self._settings.steps is not None:
            return self._settings.steps
        if self._minutes is None:
            return max(1, round((self._settings.epochs or 1) * self._steps_per_pass))
        return max(1, int(min(self._steps_in_time(size, alone), self._most_steps)))

    def _choices(self, size: int, steps: int) -> Choices:
        """Return every number of a run of `steps` steps and of `size` units, unless the user set another size."""
        if self._base is None:
            rate = tuning.learning_rate(size)
        else:
            lanes = 8 if self._encoded.lines else self._fixed["batch_size"][0]  # lines are not lanes
            rate = tuning.learning_rate_from_base(size, self._tokens, self._encoded.training_characters, lanes)
        precision = precisions_to_try(self._device, size)[0]
        short = "a shorter one is not faster" if precision == "float32" else "fast in hardware here"
        wide = "required by the GPU's fast kernel" if self._device == "cuda" else "twice as many were worse"
        return {
            "hidden_size": (size, ""),
            "embedding_size": (embedding_size(self._device, size), wide),
            "learning_rate": rate,
            "precision": (precision, short),
            "steps": (steps, f"{self._passes(steps)} over the {self._encoded.kind}"),
            "dropout": self._dropout(steps),
            **tuning.of_steps(steps, self._tokens / self._steps_per_pass, len(self._encoded.validation)),
            **self._fixed,
        }

    def _passes(self, steps: int) -> str:
        return f"{round(steps / self._steps_per_pass, 1):g} passes"

    def _dropout(self, steps: int) -> Choice[float]:
        return tuning.dropout(steps / self._steps_per_pass, from_base=self._base is not None)

    def _expected(self, before: float | None) -> Expectation | None:
        """Return the expected cost of the run, if such runs have been tried.

        before: the cost of held-out text to what the run begins from.
        """
        if before is None:
            return None
        passes = self._steps(self._size()[0]) / self._steps_per_pass
        if self._base is None:
            return expectation(before, self._encoded.training_characters, passes * self._tokens)
        return expectation_from_base(before, passes * self._encoded.training_characters)

    def _cost_before(self, recipe: Recipe, ngram: Ngram, untouched: Measured | None) -> float | None:
        """Return the cost of held-out text to what a run begins from: base and n-gram as they are, or the n-gram alone.

        Returns None if no such run has been tried.
        """
        asked = self._settings.learning_rate is not None or recipe.schedule == "constant"
        if asked or recipe.ngram <= HIGHEST_ORDER // 2:
            return None
        if self._base is not None:
            return None if untouched is None else untouched.cost
        near = 1 / 2 <= recipe.hidden_size / self._size_by_rule()[0] <= 2
        if not near or "an expected cost" not in CELLS[recipe.cell].claimed_by or recipe.num_layers > 2:
            return None
        sample = dataclasses.replace(recipe, validation_tokens=min(recipe.validation_tokens, SAMPLE))
        return HeldOut(self._encoded, sample, ngram).ngram_cost

    def _notes(self, recipe: Recipe) -> list[str]:
        notes = []
        characters = self._encoded.training_characters
        if characters < self._settings.few:
            expect = "pieces of the text by heart and made-up words between them"
            if self._base is not None:  # from 2 kB, 0.3 % is copied in runs of 20 characters; 1 % of words are made up
                expect = f"what it writes to be more like {self._base.name} than like the text"
            few = f"{characters:,} characters are few to learn from"
            notes.append(f"{few}: expect {expect}; use 100,000 or more for better results")
        counted = np.bincount(self._encoded.training[:MOST_EXAMINED], minlength=self._encoded.tokenizer.rows)
        if remark := self._encoded.tokenizer.remark(counted):
            notes.append(remark)
        if recipe.minutes is None:
            return notes
        step = self._step_time(recipe.hidden_size)
        minutes = recipe.steps * step.now / (1 - tuning.EVALUATION_SHARE) / 60
        if recipe.steps == recipe.most_steps and minutes < 0.9 * recipe.minutes:
            passes = f"{self._passes(recipe.steps)} over this {self._encoded.kind}"
            why = f"{passes} are enough, and more would learn it by heart"
            if recipe.second_training and (1 + tuning.LEAST_SECOND_TRAINING) * minutes < recipe.minutes:
                why += "; in the time left, a second training begins from the base, and the model is the mean of both"
                minutes = min(2 * minutes, recipe.minutes)
            after = f"{minutes:.0f} min" if minutes >= 2 else f"{max(1, round(60 * minutes))} s"
            notes.append(f"{why}: the run will end after about {after}")
        if step.now > BUSY * step.alone:
            notes.append(
                f"other processes keep this machine busy: a step takes {1000 * step.now:.0f} ms, "
                f"{1000 * step.alone:.0f} of them for computing; the network is chosen as for a free machine, "
                "and the run takes as many steps as it has time for"
            )
        return notes


def _recipe(choices: Choices) -> Recipe:
    """Return the recipe of these numbers."""
    return Recipe(**{name: value for name, (value, _) in choices.items()})
