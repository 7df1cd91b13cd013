"""When a run with a time limit will end, and how many steps end it on the minute.

The machine's pace changes as other processes come and go. So the run checks the clock all along, and changes its
number of steps when it would miss its end by more than a little. `run.json` keeps each change, so that a resumed or
repeated run takes the same steps.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from dataclasses import replace

from afterword.learning.optimizer import EARLY
from afterword.learning.recipe import Recipe
from afterword.planning.tuning import EVALUATION_SHARE, LEAST_SECOND_TRAINING


class Clock:
    """Seconds of training. After an interruption, another clock continues from its time."""

    def __init__(self, seconds: float = 0.0) -> None:
        """`seconds` is the training time before."""
        self._zero = time.monotonic() - seconds

    @property
    def now(self) -> float:
        return time.monotonic() - self._zero


MEMORY, LEAST_MEMORY = 0.02, 2.0  # the pace is averaged over this part of the run, and over at least this many seconds
MISS_OF_ALL, MISS_OF_REST = 0.01, 0.05  # the error that is allowed: a fraction of the run's time, and of the time left
SAVING = 0.2  # seconds, about, for the last checkpoint


class TimeLeft:
    """A forecast from the time that steps and evaluations take. All times are seconds on the run's own clock."""

    def __init__(self, recipe: Recipe, step: int, now: float) -> None:
        self._recipe = recipe
        self._first, self._step, self.looked, self._aside = step, step, now, 0.0
        self.pace = 0.0
        """Seconds per step, without evaluations and saves."""
        self._watched = 0.0  # seconds
        self._evaluation: float | None = None  # seconds per evaluation, with writing its model
        self._memory = max(LEAST_MEMORY, MEMORY * 60 * (recipe.minutes or 0.0))

    def evaluated(self, seconds: float) -> None:
        """Note the duration of an evaluation."""
        self._evaluation = seconds
        self._aside += seconds

    def saved(self, seconds: float) -> None:
        """Note the duration of a checkpoint."""
        self._aside += seconds

    def look(self, step: int, now: float) -> None:
        """Note that it is `now` after `step` steps."""
        if step == self._step:
            return
        seconds = max(now - self.looked - self._aside, 1e-6)
        if self._step - self._first < EARLY:
            self._watched = 0.0  # the first steps are slower than the rest: forget them
        self._watched += seconds
        # an average over everything so far, and later over the memory
        newest = max(-math.expm1(-seconds / self._memory), seconds / self._watched)
        self.pace += newest * (seconds / (step - self._step) - self.pace)
        self._step, self.looked, self._aside = step, now, 0.0

    def correction(self, steps: int) -> int | None:
        """Return the number of steps that ends on the minute, or None if `steps` is close enough."""
        if self._recipe.minutes is None or self._watched < self._memory / 2:
            return None
        rest = self._recipe.minutes * 60 - self.looked - SAVING
        missed = rest - self.seconds_left(steps)
        if abs(missed) <= max(MISS_OF_ALL * self._recipe.minutes * 60, MISS_OF_REST * rest):
            return None
        possible = range(self._step + 2, self._step + 2 + max(0, int(rest / self.pace)))
        fitting = self._step + 1 + bisect_right(possible, rest, key=self.seconds_left)
        fitting = min(fitting, self._recipe.most_steps or fitting)
        return None if fitting == steps else fitting

    def again(self, steps: int, minutes: float) -> int | None:
        """Return the number of steps with a second training after the first `steps`, or None if time is too short.

        The second takes at most as many steps, each as long as a step of the first took on average.
        """
        self._recipe = replace(self._recipe, most_steps=2 * steps)
        more = min(steps, int(steps * (minutes * 60 - self.looked - SAVING) / self.looked))
        return steps + more if more >= LEAST_SECOND_TRAINING * steps else None

    def seconds_left(self, steps: int) -> float:
        """Return the seconds left of a run of `steps` steps, with an evaluation that is due now and the last one."""
        left = (steps - self._step) * self.pace
        if self._evaluation is None:  # none yet: use the share of time that the plan leaves for them
            return left / (1 - EVALUATION_SHARE)
        every = self._recipe.evaluate_every
        return left + ((steps - 1) // every + 1 - (self._step - 1) // every) * self._evaluation
